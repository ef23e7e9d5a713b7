"""The ways by which a device is managed, from how segctl reaches it and what it says."""

from __future__ import annotations

import pytest

from segctl.planning.management import Connection, ways_of
from segctl.providers.management import Management, Need, Plane

NAMED = Connection(host="127.0.0.1", service="tcp/22", sources=("10.20.2.5",))
MOCK = Connection(host="127.0.0.1", service="tcp/22", mock=True)
REAL = Management(planes=(Plane(address="10.20.35.9", interface="", manages=True),))


def test_a_mock_that_says_nothing_of_itself_has_no_way() -> None:
    assert [*ways_of("gw", MOCK, None)] == []
    (way,) = ways_of("gw", NAMED, None)  # a tunnel, behind which there may be any address
    assert way.destinations == ()


@pytest.mark.parametrize("connection", [MOCK, NAMED])
def test_a_mock_stands_where_it_says_it_does(connection: Connection) -> None:
    (way,) = ways_of("gw", connection, REAL)
    assert len(way.destinations) == 1
    assert way.name == "gw:management"


def test_what_a_mock_needs_is_needed() -> None:
    needs = (Need(name="ntp", hosts=("10.20.35.123",), services=("udp/123",)),)
    (way,) = ways_of("gw", MOCK, Management(needs=needs))
    assert way.name == "gw:ntp"
