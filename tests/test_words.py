from tests.words import better, found


def test_a_word_that_is_hard_to_read_is_found_with_its_line_and_a_better_one() -> None:
    assert [*found("Fine.\nWhoever mends it, recommends it.\n")] == [(2, "Whoever"), (2, "mends")]
    assert [*found("What stands there was to be told.")] == [(1, "What stands"), (1, "to be told")]
    assert better("mends") == "correct, repair"
    assert better("What stands") == "is, the content of"
