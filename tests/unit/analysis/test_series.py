"""Firewalls in series and side by side, of one platform and of two."""

from __future__ import annotations

import pytest

from segctl.analysis.functions import common_names, covers
from segctl.analysis.series import Span, along, gets_through, through
from segctl.analysis.space import (
    ALL_NAMES,
    EVERYTHING,
    NO_NAMES,
    NOTHING,
    Box,
    Names,
    Space,
    service,
)
from segctl.compiler.topology import Hop


def box(first: int, last: int, *names: str) -> Space:
    """TCP ports, of some applications or of all."""
    spoken = Names(frozenset(names)) if names else ALL_NAMES
    return Space((Box(service=service("tcp", first, last), application=spoken),))


def sure(space: Space, platform: str = "panos") -> Span:
    return Span(can=space, sure=space, platform=platform)


ONE = Hop(device="fw1", enter="a", leave="t")
TWO = Hop(device="fw2", enter="t", leave="b")
BESIDE = Hop(device="fw3", enter="t", leave="b")


def way(passes: dict[Hop, Span], *hops: Hop) -> Span:
    return along(hops, passes, "a", "b", EVERYTHING)


def test_in_series_only_what_both_permit_gets_through() -> None:
    found = way({ONE: sure(box(1, 100)), TWO: sure(box(50, 200))}, ONE, TWO)
    assert found.can == found.sure == box(50, 100)
    assert not way({ONE: sure(box(1, 10)), TWO: sure(box(50, 200))}, ONE, TWO).can


def test_side_by_side_it_surely_passes_only_where_both_permit_it() -> None:
    passes = {ONE: sure(EVERYTHING), TWO: sure(box(1, 10)), BESIDE: sure(box(5, 20))}
    found = way(passes, ONE, TWO, BESIDE)
    assert (found.can - box(1, 10)).within(box(11, 20))
    assert box(1, 20).within(found.can)
    assert found.sure == box(5, 10)


def test_a_firewall_that_was_not_asked_leaves_open_what_the_other_permits() -> None:
    found = way({ONE: sure(box(1, 10))}, ONE, TWO)
    assert (found.can, found.sure) == (box(1, 10), NOTHING)


def test_inside_a_zone_firewalls_lie_side_by_side() -> None:
    hops = [Hop(device=name, enter="a", leave="a") for name in ("fw1", "fw2")]
    passes = {hops[0]: sure(EVERYTHING), hops[1]: sure(NOTHING)}
    found = along(hops, passes, "a", "a", EVERYTHING)
    assert (found.can, found.sure) == (EVERYTHING, NOTHING)


READS = Names(frozenset({"modbus-read-coils", "modbus-read-holding-registers"}))


def test_functions_of_two_platforms_meet() -> None:
    both = common_names(READS, Names(frozenset({"modbus.read"})))
    assert both == (READS, READS)
    assert common_names(READS, Names(frozenset({"modbus.write"}))) == (NO_NAMES, NO_NAMES)
    assert common_names(READS, ALL_NAMES) == (READS, READS)
    base = Names(frozenset({"modbus-base"}))
    assert common_names(base, Names(frozenset({"modbus.write"}))) == (base, base)


def test_a_name_that_nobody_knows_may_be_anything() -> None:
    odd = Names(frozenset({"plant-app"}))
    assert common_names(odd, Names(frozenset({"modbus.read"}))) == (ALL_NAMES, NO_NAMES)
    reads = Names(frozenset({"modbus.read"}))
    assert common_names(~READS, reads) == (reads, NO_NAMES)  # other reads than these, if any
    span = through(sure(box(1, 9, "plant-app")), sure(box(5, 20, "modbus.read"), "nftables"))
    assert (span.can, span.sure) == (box(5, 9), NOTHING)


def test_what_is_left_of_any_application_is_known_on_two_platforms() -> None:
    """Policy tests take what they permit away from any application."""
    reads, writes = (Names(frozenset({f"modbus.{word}"})) for word in ("read", "write"))
    assert common_names(~READS, ~reads) == (
        both := Names(READS.listed | reads.listed, but=True),
        both,
    )
    ssh = Names(frozenset({"ssh"}))
    assert common_names(ssh, ~reads) == common_names(~reads, ssh) == (ssh, ssh)
    assert common_names(READS, ~reads) == (NO_NAMES, NO_NAMES)
    assert common_names(READS, ~writes) == (READS, READS)
    assert common_names(writes, ~READS) == (writes, writes)
    odd = Names(frozenset({"plant-app"}))
    assert common_names(odd, ~reads) == (odd, NO_NAMES)  # it may be a way to read
    left = Space(tuple(one._replace(application=~READS) for one in box(443, 443).boxes))
    right = Space(tuple(one._replace(application=~reads) for one in box(400, 500).boxes))
    found = through(sure(left), sure(right, "nftables"))
    assert found.sure
    assert found.can == found.sure
    (row,) = left.boxes
    assert gets_through(row, found, "panos") == "cannot_tell"  # of reads nobody knows
    (asked,) = right.boxes
    assert gets_through(asked, found, "nftables") == "partly"  # on one port of 101
    (plain,) = box(443, 443, "ssh").boxes
    logins = through(sure(box(443, 443, "ssh")), sure(right, "nftables"))
    assert gets_through(plain, logins, "panos") == "yes"


@pytest.mark.parametrize(
    ("names", "name", "held"),
    [
        (READS, "modbus-read-coils", True),
        (Names(frozenset({"modbus.read"})), "modbus-read-coils", True),
        (Names(frozenset({"modbus.write"})), "modbus-read-coils", False),
        (READS, "modbus.read", False),  # not all of it
        (ALL_NAMES, "modbus.read", True),
        (~READS, "modbus.read", False),
    ],
)
def test_what_covers_a_name(names: Names, name: str, *, held: bool) -> None:
    assert covers(names, name) is held


def test_whether_packets_get_through() -> None:
    (asked,) = box(1, 20).boxes
    assert gets_through(asked, sure(box(1, 30)), "panos") == "yes"
    assert gets_through(asked, sure(box(10, 30)), "panos") == "partly"
    assert gets_through(asked, sure(box(40, 50)), "panos") == "no"
    assert gets_through(asked, Span(can=EVERYTHING, sure=NOTHING), "panos") == "cannot_tell"
    (reads,) = box(502, 502, "modbus-read-coils").boxes
    mixed = through(
        sure(box(502, 502, "modbus-read-coils")), sure(box(502, 502, "modbus.read"), "nftables")
    )
    assert gets_through(reads, mixed, "panos") == "yes"
    (writes,) = box(502, 502, "modbus.write").boxes
    assert gets_through(writes, mixed, "nftables") == "no"
