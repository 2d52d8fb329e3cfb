from meterbot.core.models import Seat
from meterbot.rules.ownership import displaced_by, refused_for, same_owner

ANA, BO = {"slack": "U1"}, {"slack": "U2", "discord": "7"}
COOKIE = Seat("ana", "claude_ai", owner=ANA)
LAPTOP = Seat("ana-laptop", "push", owner=ANA)
OTHER = Seat("bo", "push", owner=BO)


def test_a_push_is_refused_where_another_owner_holds_the_counter() -> None:
    assert refused_for(OTHER, [LAPTOP]) == LAPTOP
    assert refused_for(OTHER, [COOKIE]) == COOKIE
    assert refused_for(LAPTOP, [COOKIE]) is None
    assert refused_for(OTHER, []) is None


def test_a_seat_that_is_read_itself_is_never_refused_and_displaces_a_mere_claim() -> None:
    assert refused_for(COOKIE, [OTHER]) is None
    assert displaced_by(COOKIE, [OTHER, LAPTOP]) == [OTHER]
    assert displaced_by(OTHER, [LAPTOP]) == []
    assert displaced_by(COOKIE, [Seat("cy", "claude_code")]) == []


def test_seats_without_an_owner_are_nobody_elses() -> None:
    assert not same_owner(Seat("a", "push"), Seat("b", "push"))
    assert same_owner(Seat("a", "push"), Seat("a", "push"))
    assert same_owner(Seat("a", "push", owner={"discord": "7"}), OTHER)
