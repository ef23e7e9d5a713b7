"""Ranges of leases: what is among the addresses of users who move, and nothing farther off."""

from __future__ import annotations

from segctl.observe.discover.pools import Client, pools


def client(last: int, *users: str, first: float = 0, until: float = 100) -> Client:
    return Client(
        address=f"10.0.0.{last}",
        zone="office",
        users=frozenset(users),
        first=first,
        last=until,
    )


def ranges(*clients: Client) -> list[tuple[str, str]]:
    always = client(200)  # somebody is seen all the time
    return [(pool.first, pool.last) for pool in pools((*clients, always), {})]


MOVED = (client(40, "lee"), client(42, "lee", "kim"), client(44, "kim"))


def test_what_comes_and_goes_among_them_belongs_to_them() -> None:
    assert ranges(*MOVED, client(41, until=10), client(43, until=10)) == [
        ("10.0.0.40", "10.0.0.44")
    ]


def test_what_is_as_near_as_they_are_to_each_other_belongs_to_them() -> None:
    assert ranges(*MOVED, client(38, until=10), client(46, until=10)) == [
        ("10.0.0.38", "10.0.0.46")
    ]


def test_a_visitor_farther_off_does_not() -> None:
    assert ranges(*MOVED, client(30, until=10), client(60, until=10)) == [
        ("10.0.0.40", "10.0.0.44")
    ]


def test_nobody_moved() -> None:
    assert not ranges(client(40, "lee"), client(42, "kim"))
