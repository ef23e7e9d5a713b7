"""``--from-devices``: what firewalls themselves tell of the traffic that they saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema

from segctl.planning.documents import schema
from support.witnessed import DAY, HOUR, entry, give, session

if TYPE_CHECKING:
    from cli_support import Done, Plant


def asked(plant: Plant, command: str, *words: str, code: int = 0) -> Any:
    """The document of a command that asks devices; none of them is changed."""
    with plant.untouched():
        done: Done = plant(command, *words, "--from-devices", "--json")
    assert done.code == code, done.out + done.err
    jsonschema.validate(done.json, schema(command))
    return done.json


def answer(document: Any, way: str, member: str = "fw1") -> Any:
    (found,) = (
        one
        for one in document["coverage"]["asked"]
        if one["way"] == way and one["member"] == member
    )
    return found


def sessions(document: Any) -> int:
    return int(document["outcomes"]["conversation"]["sessions"])


def test_firewalls_add_up_what_they_saw(plant: Plant) -> None:
    give(plant, *(entry(number, HOUR * number) for number in range(1, 49)), session(99, 90 * DAY))
    document = asked(plant, "traffic")
    assert sessions(document) == 49
    assert answer(document, "traffic report")["records"] == 3
    assert answer(document, "session table")["records"] == 1
    assert answer(document, "traffic report", "fw2")["records"] == 0
    (row,) = document["rows"]
    assert row["name"] == "plant/plant.polling.modbus"
    assert row["bytes"] == 48 * 1000 + 900000
