"""What the segmentation rules find in conduits, and the exceptions from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from segctl.inventory.convert import services
from segctl.inventory.segmentation import judge, rules
from segctl.model.site import (
    Conduit,
    Device,
    Flow,
    ProtocolUse,
    RuleException,
    SecurityLevel,
    Site,
    Zone,
    ZoneBinding,
)
from segctl.report.rules import rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TODAY = date(2026, 11, 29)


def level(number: int) -> SecurityLevel:
    return SecurityLevel(uc=number, si=number)


ZONES = {
    "office": Zone(site="s", id="office", level=5, kind="business", security_level=level(1)),
    "vendor": Zone(site="s", id="vendor", kind="external"),
    "dmz": Zone(site="s", id="dmz", level=3.5, kind="dmz", security_level=level(1)),
    "ops": Zone(site="s", id="ops", level=3, kind="operations", security_level=level(1)),
    "scada": Zone(site="s", id="scada", level=2, kind="supervisory", security_level=level(1)),
    "cell": Zone(site="s", id="cell", level=1, kind="control", security_level=level(3)),
    "sis": Zone(site="s", id="sis", level=1, kind="safety", security_level=level(3)),
}
READ = Flow(id="f", protocols=(ProtocolUse(protocol="modbus", classes=("read",)),))
PROGRAM = Flow(id="f", protocols=(ProtocolUse(protocol="modbus", classes=("program",)),))
PORT_22 = Flow(id="f", services=services("tcp/22"))


def conduit(enter: str, leave: str, flow: Flow = READ, **fields: object) -> Conduit:
    held: dict[str, object] = {"threat_prevention": "strict", **fields}
    return Conduit(
        site="s",
        id="c",
        from_zones=(f"s/{enter}",),
        to_zones=(f"s/{leave}",),
        reason="r",
        owner="o",
        flows=(flow,),
        **held,  # type: ignore[arg-type] # any field of a conduit
    )


def kinds(one: Conduit, *devices: Device) -> list[str]:
    site = Site(zones=tuple(ZONES.values()), conduits=(one,), devices=devices)
    return [found.kind for found in judge(site, TODAY)]


#: Each rule: a conduit that breaks it, and one beside it that does not.
BROKEN_AND_KEPT: dict[str, tuple[Conduit, Conduit]] = {
    "control-into-higher-level": (
        conduit("scada", "cell", PROGRAM),
        conduit("scada", "cell", READ),
    ),
    "no-threat-profile": (
        conduit("scada", "cell", threat_prevention="none"),
        conduit("ops", "scada", threat_prevention="none"),
    ),
    "remote-access-without-users": (
        conduit("vendor", "dmz", PORT_22),
        conduit("vendor", "dmz", replace(PORT_22, users=("vendor-staff",))),
    ),
    "skips-level": (conduit("ops", "cell"), conduit("ops", "scada")),
    "safety-beyond-reads": (conduit("cell", "sis", PROGRAM), conduit("cell", "sis", READ)),
    "unlogged": (
        conduit("scada", "cell", replace(READ, log=False)),
        conduit("ops", "scada", replace(READ, log=False)),
    ),
    "protocol-at-boundary": (conduit("dmz", "office"), conduit("scada", "cell")),
}


@pytest.mark.parametrize("name", BROKEN_AND_KEPT)
def test_each_rule_finds_what_breaks_it_and_nothing_else(name: str) -> None:
    broken, kept = BROKEN_AND_KEPT[name]
    assert name in kinds(broken)
    assert name not in kinds(kept)


def test_every_rule_is_tested_and_explains_itself() -> None:
    assert {one.id for one in rules()} == BROKEN_AND_KEPT.keys()
    for one in rules():
        told = one.explanation()
        assert all(told.values())
        assert one.requirement.startswith("SR ")
        assert rule(one.id).title == one.title


def test_a_finding_cites_the_requirement() -> None:
    (found,) = judge(Site(zones=tuple(ZONES.values()), conduits=(conduit("ops", "cell"),)), TODAY)
    assert "(IEC 62443-3-3 SR 5.1)" in found.message
    assert found.hint == "segctl explain skips-level"
    assert "skips level 2 between s/ops (3) and s/cell (1)" in found.message


def test_functions_that_are_not_enforced_count_as_permitted() -> None:
    open_port = replace(READ, functions="not-enforced")
    assert "control-into-higher-level" in kinds(conduit("scada", "cell", open_port))
    assert "safety-beyond-reads" in kinds(conduit("cell", "sis", open_port))
    assert "safety-beyond-reads" in kinds(conduit("cell", "sis", PORT_22))


@pytest.mark.parametrize(
    ("flow", "found"),
    [
        (Flow(id="f", services=services("tcp/502")), True),
        (Flow(id="f", services=services("udp/123")), False),
        (Flow(id="f", services=services("tcp/1-65535")), True),
        (Flow(id="f", applications=("any",)), True),
        (Flow(id="f", applications=("any",), services=services("tcp/102")), True),
        (Flow(id="f", applications=("ntp-base",)), False),
    ],
)
def test_a_port_of_a_control_protocol_permits_what_is_spoken_there(
    flow: Flow, *, found: bool
) -> None:
    kind = "control-into-higher-level"
    assert (kind in kinds(conduit("scada", "cell", flow))) is found


def test_a_source_without_a_level_is_not_taken_for_a_high_one() -> None:
    assert "control-into-higher-level" in kinds(conduit("vendor", "cell", PROGRAM))


def test_a_conduit_that_says_nothing_takes_the_profile_of_its_firewall() -> None:
    unsaid = conduit("scada", "cell", threat_prevention=None)
    bindings = (ZoneBinding(zone="s/cell", name="cell"),)
    bare = Device(name="fw", platform="panos", zones=bindings)
    profiled = replace(bare, threat_profiles=(("strict", "block"),))
    assert "no-threat-profile" in kinds(unsaid, bare)
    assert "no-threat-profile" not in kinds(unsaid, profiled)
    refused = conduit("scada", "cell", threat_prevention="none")
    assert "no-threat-profile" in kinds(refused, profiled)


def test_a_protocol_that_needs_a_day_may_pass_until_then() -> None:
    assert "protocol-at-boundary" in kinds(conduit("cell", "dmz"))
    assert "protocol-at-boundary" not in kinds(conduit("cell", "dmz", expires=date(2027, 1, 1)))
    denied = conduit("dmz", "office", expires=date(2027, 1, 1))
    assert "protocol-at-boundary" in kinds(denied)


def test_whoever_may_use_any_application_may_log_in() -> None:
    everything = Flow(id="f", applications=("any",))
    assert "remote-access-without-users" in kinds(conduit("vendor", "dmz", everything))
    web = Flow(id="f", applications=("any",), services=services("tcp/443"))
    assert "remote-access-without-users" not in kinds(conduit("vendor", "dmz", web))


# --- the table of protocols and boundaries -------------------------------------------------------

_BESIDE = Path(__file__).resolve().parents[4] / "shared/facts/protocol-boundary-rules.yaml"
_SIDES = {"oc": "corporate", "od": "dmz", "dc": "dmz-corporate", "iz": "operations"}
#: The ports that DCOM takes by the way: whoever permits one of them need not speak it.
_BY_THE_WAY = "tcp/49152-65535"


def _worst(verdicts: Iterable[str]) -> str:
    return min(verdicts, key=("deny", "exception", "allow-if-declared").index)


def test_the_table_is_the_one_that_was_collected() -> None:
    """The collection lies beside the checkout, where there is one; it is no part of it."""
    if not _BESIDE.exists():
        pytest.skip(f"{_BESIDE} is not there: the collection is no part of the checkout")
    (table,) = [one.table for one in rules() if one.table]
    rows = yaml.safe_load(_BESIDE.read_text("utf-8"))["protocols"]
    asked = [
        (row, port)
        for row in rows
        for port in row["ports"]
        if port != _BY_THE_WAY and not port.startswith("ethertype/")
    ]
    assert len(asked) > 40
    for row, port in asked:
        flow = Flow(id="f", services=services(port))
        held = [one for one in table if one.permitted_by(flow)]
        assert held, port
        others = [one for one in rows if port in one["ports"]]
        for side, name in _SIDES.items():
            told = _worst(one.verdicts.get(name, "allow-if-declared") for one in held)
            assert told == _worst(one[side] for one in others), (row["name"], port, name)


def excepted(expires: date, name: str = "skips-level") -> RuleException:
    return RuleException(rule=name, reason="no zone to end in", owner="jane", expires=expires)


def test_an_exception_holds_until_its_day() -> None:
    assert kinds(conduit("ops", "cell", exceptions=(excepted(TODAY),))) == []
    over = conduit("ops", "cell", exceptions=(excepted(date(2026, 11, 28)),))
    (found,) = judge(Site(zones=tuple(ZONES.values()), conduits=(over,)), TODAY)
    assert "its exception expired on 2026-11-28" in found.message


def test_an_exception_that_is_not_needed_is_said() -> None:
    assert kinds(conduit("ops", "scada", exceptions=(excepted(TODAY),))) == ["exception-not-needed"]


def test_what_is_not_in_force_is_not_judged() -> None:
    assert kinds(conduit("ops", "cell", mode="absent")) == []
    assert kinds(conduit("ops", "cell", expires=date(2026, 1, 1))) == []


INVENTORY = """\
segctl_zones:
  ops: {level: 3, kind: operations, networks: [10.3.0.0/24]}
  scada: {level: 2, kind: supervisory, networks: [10.2.0.0/24]}
  cell: {level: 1, kind: control, networks: [10.1.0.0/24]}
segctl_conduits:
  c:
    from: ops
    to: cell
    reason: r
    owner: o
    exceptions:
      %s
    flows: {f: {protocols: {modbus: [read]}}}
"""


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        ("skips-level: {reason: r, owner: o, expires: 2099-01-01}", ""),
        ("skip-level: {reason: r, owner: o, expires: 2099-01-01}", "did you mean skips-level?"),
        ("skips-level: {reason: r, owner: o}", "expires is missing"),
    ],
)
def test_exceptions_are_read(
    exception: str, message: str, problems_of: Callable[[dict[str, str]], list[object]]
) -> None:
    hosts = "plant: {hosts: {fw1: {ansible_network_os: panos}}}\n"
    found = [
        str(one)
        for one in problems_of({"hosts.yml": hosts, "group_vars/plant.yml": INVENTORY % exception})
    ]
    told = [one for one in found if "exceptions" in one]
    assert any(message in one for one in told) if message else told == []
