import pytest

from meterbot.rules.memory import CounterMemory, SourceMemory, TeamMemory, dump, load


@pytest.mark.parametrize("kind", [CounterMemory, SourceMemory, TeamMemory])
def test_no_text_is_an_empty_memory_and_an_empty_memory_is_short(kind: type[CounterMemory]) -> None:
    assert load(kind, None) == kind()
    assert dump(kind()) == "{}"
    assert load(kind, "{}") == kind()


def test_text_that_is_no_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="used_at"):
        load(CounterMemory, '{"used_at": "yesterday"}')
