"""``--from-devices`` behind a Panorama: sessions of the firewall, and Panorama's own logs of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from segctl.planning.documents import schema
from segctl_mocks.panos.traffic.store import Collected
from support.panorama import SERIALS
from support.witnessed import DAY, entry, have_seen, session

if TYPE_CHECKING:
    from support.panorama import Plant

CELL = {"to": "CELL1", "dst": "10.2.1.11"}


@pytest.fixture
def seen(behind: Plant) -> Plant:
    """The plant, whose Panorama collects logs."""
    mocks = behind.mocks
    known = have_seen(
        mocks.folder,
        mocks.firewalls,
        entry(1, **CELL),
        entry(2, **CELL),
        session(3, 30 * DAY, **CELL),
        entry(4, host="fw2", to="CELL2", dst="10.2.2.11"),
    )
    mocks.panorama.device.traffic = Collected([*known.values()])
    return behind


def answer(document: Any, way: str, device: str) -> Any:
    (found,) = (
        one for one in document["coverage"]["asked"] if (one["way"], one["device"]) == (way, device)
    )
    return found


def test_panorama_tells_the_logs_of_each_firewall_and_of_no_other(seen: Plant) -> None:
    document = seen.json("traffic", "--from-devices", "--since", "1d")
    jsonschema.validate(document, schema("traffic"))
    for name, logged, opened in (("fw1", 2, 1), ("fw2", 1, 0)):
        log = answer(document, "traffic log", name)
        assert (log["serial"], log["records"], log["left_out"]) == (SERIALS[name], logged, [])
        assert answer(document, "session table", name)["records"] == opened
    witnesses = {one["name"]: one["records"] for one in document["coverage"]["witnesses"]}
    assert witnesses == {"fw1": 3, "fw2": 1}
    asked = [one for one in seen.mocks.panorama.requests if one.type == "report"]
    assert not asked


def test_a_firewall_that_is_not_connected_hides_no_other(seen: Plant) -> None:
    seen.mocks.panorama.disconnect(SERIALS["fw2"])
    document = seen.json("traffic", "--from-devices", "--since", "1d", code=1)
    (failed,) = document["coverage"]["failed"]
    assert failed["device"] == "fw2"
    assert "is not connected to its Panorama" in failed["why"]
    assert [one["name"] for one in document["coverage"]["witnesses"]] == ["fw1"]
