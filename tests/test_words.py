from tests.words import better, found


def test_a_word_that_is_hard_to_read_is_found_with_its_line_and_a_better_one() -> None:
    assert [*found("Fine.\nWhoever mends it, recommends it.\n")] == [(2, "Whoever"), (2, "mends")]
    assert better("mends") == "correct, repair"
