"""The rule bases of published plants against the tables that were worked out for them by hand.

The tables lie beside the checkout, where there is one; they are no part of it. Each was found by an
exhaustive evaluation, and says by pairs of zones what passes, which zones are reached by third
ones, which rules may go, and how rules stand to each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from segctl.analysis.effective import Reading, permitted
from segctl.analysis.lint import lint
from segctl.analysis.pivots import Place, edges, indirect
from segctl.analysis.space import (
    ALL_SERVICES,
    NOTHING,
    Box,
    Space,
    addresses,
    service,
    together,
    without,
)
from segctl.model.addresses import interval
from segctl.model.policy import DefaultRule, Policy, Rule, Service
from support.words import Plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.analysis.space import Numbers

_BESIDE = Path(__file__).resolve().parents[4] / "shared/facts/reference-sites.yaml"
_ANYWHERE = addresses([interval("0.0.0.0/0")])
#: The case, its site, its table, and the rule of the base as it was found that is gone there.
CASES = {
    "labshock": ("labshock", "oracle", 0),
    "narrowin, as found": ("narrowin-segmented", "oracle", 0),
    "narrowin, mended": ("narrowin-segmented", "oracle_after_fix", 12),
    "water": ("water-secure", "oracle", 0),
}
#: Zones of a table that stand for several of its site, by the beginning of their names.
_JOINED = {"labshock": {"ot": "l"}}
#: Zones of a site that its firewall is not attached to.
_APART = {"labshock": {"mirror"}, "narrowin-segmented": {"mgmt"}}
#: Whom words of a table mean that are neither a zone nor an asset.
_WHO = {"jumphost": ["2.2.2.2"], "dmz-collector": ["172.16.0.40"]}


def _sites() -> dict[str, Any]:
    if not _BESIDE.exists():
        pytest.skip(f"{_BESIDE} is not there: the tables are no part of the checkout")
    return {one["id"]: one for one in yaml.safe_load(_BESIDE.read_text("utf-8"))["sites"]}


@dataclass(frozen=True, kw_only=True)
class _Base:
    """A rule base with its zones, and the table that was worked out for it."""

    reading: Reading
    zones: dict[str, Numbers]
    who: dict[str, Numbers]
    table: dict[str, Any]


def _base(case: str) -> _Base:
    name, table, without_rule = CASES[case]
    site = _sites()[name]
    aliases = {one["name"]: one for one in site.get("aliases", ())}
    joined = _JOINED.get(name, {})
    networks: dict[str, list[str]] = {}
    for zone in site["zones"]:
        if zone["id"] in _APART.get(name, ()):
            continue
        called = next((new for new, head in joined.items() if zone["id"].startswith(head)), "")
        networks.setdefault(called or zone["id"], []).extend(zone.get("subnets", ()))
    who = {one["id"]: one["subnets"] for one in site["zones"]} | _WHO
    who |= {key: one["value"] for key, one in aliases.items() if one["type"] != "port"}
    zones = {zone: _numbers(listed) for zone, listed in networks.items()}
    outside = [zone for zone, numbers in zones.items() if numbers == _ANYWHERE]
    for zone in outside:
        for other in zones.keys() - {zone}:
            zones[zone] = without(zones[zone], zones[other])
    services: dict[str, Service] = {}
    rules = [
        _rule(one, who, aliases, services)
        for one in site["as_is"][0]["rules"]
        if one["n"] != without_rule
    ]
    action = "allow" if site[table]["default"] == "allow" else "deny"
    defaults = [
        DefaultRule(name=which, action=cast("Any", action), log=False)
        for which in ("intrazone-default", "interzone-default")
    ]
    policy = Policy(rules=rules, services=services.values(), defaults=defaults)
    reading = Reading(policy=policy, platform=Plain(ports={}))
    return _Base(
        reading=reading,
        zones=zones,
        who={key: _numbers(listed) for key, listed in who.items()},
        table=site[table],
    )


def _rule(
    said: dict[str, Any],
    who: dict[str, list[str]],
    aliases: dict[str, Any],
    services: dict[str, Service],
) -> Rule:
    ports = aliases[said["port"]]["value"] if said["port"] in aliases else [said["port"]]
    listed = ",".join(str(one).replace(":", "-") for one in ports)
    named = "any"
    if said["proto"] != "any":
        named = f"{said['proto']}/{listed}"
        held = "0-65535" if listed == "any" else listed
        services[named] = Service(name=named, protocol=said["proto"], ports=held)
    return Rule(
        name=str(said["n"]),
        action="allow" if said["action"].lower() in ("accept", "pass") else "deny",
        from_zones=(said.get("in", "any"),),
        to_zones=(said.get("out", "any"),),
        sources=tuple(who.get(said["src"], [said["src"]])),
        destinations=tuple(who.get(said["dst"], [said["dst"]])),
        services=(named,),
    )


def _numbers(networks: Iterable[str]) -> Numbers:
    return addresses(map(interval, networks))


def _services(listed: Iterable[str]) -> Numbers:
    if "any" in listed:
        return ALL_SERVICES
    parts: list[Numbers] = []
    for text in listed:
        protocol, _, ports = text.partition("/")
        first, _, last = ports.partition("-")
        parts.append(
            service(protocol, int(first), int(last or first)) if ports else service(protocol)
        )
    return together(parts)


def _expected(base: _Base, enter: str, leave: str) -> Space:
    """Return what passes between two zones by the rows of a table."""
    rows = [one for one in base.table["matrix"] if (one["from"], one["to"]) == (enter, leave)]
    found = NOTHING
    for row in rows:
        ends: list[Numbers] = []
        for side, zone in (("src", enter), ("dst", leave)):
            text = re.sub(r"\[\d\]", "", str(row.get(side, ""))).partition(",")[0]
            named = base.who.get(text)
            ends.append(base.zones[zone] if named is None else named)
        box = Box(source=ends[0], destination=ends[1], service=_services(row["services"]))
        found |= Space((box,))
    return found


@pytest.mark.parametrize("case", CASES)
def test_what_passes_between_zones_is_what_the_table_says(case: str) -> None:
    base = _base(case)
    pairs = 0
    for enter, leave in permutations(base.zones, 2):
        ends = Space((Box(source=base.zones[enter], destination=base.zones[leave]),))
        found = permitted(base.reading.between(enter, leave), ends)
        assert not found.unknown
        wanted = _expected(base, enter, leave)
        assert found.can.within(wanted), (enter, leave, str((found.can - wanted).example()))
        assert wanted.within(found.can), (enter, leave, str((wanted - found.can).example()))
        pairs += bool(found.can)
    assert pairs == base.table["permitted_zone_pairs"]


@pytest.mark.parametrize("case", CASES)
def test_what_is_reached_by_third_zones_is_what_the_table_says(case: str) -> None:
    base = _base(case)
    places = [
        Place(zone=zone, name=zone, addresses=numbers) for zone, numbers in base.zones.items()
    ]
    reached = {one.subject for one in indirect([*edges(base.reading, places)], ())}
    assert reached == {one.replace("->", "→") for one in base.table["pivot_pairs"]}


@pytest.mark.parametrize("case", CASES)
def test_what_lint_says_of_rules_is_what_the_table_says(case: str) -> None:
    base = _base(case)
    found = lint(base.reading)
    kinds: dict[str, dict[str, tuple[str, ...]]] = {}
    for one in found.findings:
        kinds.setdefault(one.kind, {})[one.subject] = one.others
    assert {*kinds.get("redundant", {})} == {*map(str, base.table["removable_without_effect"])}
    assert {*kinds.get("never_matches", {}), *kinds.get("shadowed", {})} == {
        *map(str, base.table["never_matched_rules"])
    }
    told = {
        ("generalization", rule, other)
        for rule, others in kinds.get("generalised", {}).items()
        for other in others
    }
    told |= {  # the table has one rule by one other; what several or the default do is not in it
        ("redundancy", rule, others[0])
        for rule, others in kinds.get("redundant", {}).items()
        if len(others) == 1 and others[0].isdigit()
    }
    wanted = {(one["type"], str(one["rule"]), str(one["with"])) for one in base.table["anomalies"]}
    assert told == wanted
    assert not kinds.get("correlated")
    assert not found.doubts
