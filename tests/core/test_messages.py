from meterbot.core.messages import Action, button, buttons


def test_a_button_comes_back_as_its_words() -> None:
    assert button("Show seat", "seat", "ana") == (Action("seat:ana", "Show seat", "seat ana"),)


def test_an_id_that_does_not_fit_makes_no_button_rather_than_one_for_another_seat() -> None:
    assert button("Show seat", "seat", "x" * 75) == (
        Action(f"seat:{'x' * 75}", "Show seat", f"seat {'x' * 75}"),
    )
    assert button("Show seat", "seat", "x" * 76) == ()


def test_an_answer_can_be_asked_again_and_shared() -> None:
    assert buttons("seat", "ana") == (
        Action("refresh:seat:ana", "Refresh"),
        Action("share:seat:ana", "Share"),
    )
