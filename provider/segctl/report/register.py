"""The register: what an inventory declares, as rows of one kind of thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from segctl.compiler.topology import topology
from segctl.report.drawing.picture import labels_of, target_text
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.system.inert import csv_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.compiler.build import Desired
    from segctl.model.site import Conduit, Device, Endpoint, Flow, Review, Site

Kind = Literal["zones", "assets", "conduits", "flows", "firewalls", "rules"]
#: The columns of each kind of thing, the one that names it first.
COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    "zones": (
        "zone",
        "name",
        "level",
        "kind",
        "security_level",
        "networks",
        "assets",
        "intrazone",
        "firewalls",
        "declared",
    ),
    "assets": ("asset", "zone", "role", "addresses", "declared"),
    "conduits": (
        "conduit",
        "from",
        "to",
        "permitted",
        "essential",
        "mode",
        "owner",
        "reason",
        "ticket",
        "review_by",
        "reviewed",
        "expires",
        "firewalls",
        "declared",
    ),
    "flows": (
        "flow",
        "source",
        "destination",
        "permitted",
        "users",
        "schedule",
        "essential",
        "log",
        "owner",
        "declared",
    ),
    "firewalls": ("firewall", "platform", "zones", "managed_by", "pair_with", "rules", "declared"),
    "rules": (
        "rule",
        "firewall",
        "from",
        "to",
        "source",
        "destination",
        "applications",
        "services",
        "users",
        "action",
        "conduit",
    ),
}
KINDS: tuple[Kind, ...] = tuple(COLUMNS)
#: Kinds that a day is due for, and that somebody answers for.
DATED: tuple[Kind, ...] = ("conduits", "flows")
_DUE = ("review_by", "expires")


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Rows of one kind of thing, by the names of its columns; every value is text."""

    kind: Kind
    rows: tuple[Mapping[str, str], ...]


def register_of(
    site: Site,
    desired: Mapping[str, Desired],
    kind: Kind,
    *,
    owner: str = "",
    due: date | None = None,
) -> Register:
    """Return the register of one kind of thing, sorted by its name.

    Args:
        site: what is declared.
        desired: what the firewalls of interest should hold, by name.
        kind: what is listed.
        owner: only what this one answers for.
        due: only what is to be reviewed, or expires, on this day or before.
    """
    chosen = [
        one
        for one in site.conduits
        if (not owner or one.owner == owner) and (due is None or _due(one, due))
    ]
    rows: Iterable[dict[str, str]]
    if kind == "zones":
        rows = _zones(site)
    elif kind == "assets":
        rows = _assets(site)
    elif kind == "conduits":
        rows = _conduits(site, chosen)
    elif kind == "flows":
        rows = (_flow(conduit, flow) for conduit in chosen for flow in conduit.flows)
    elif kind == "firewalls":
        rows = (_firewall(one.device, one) for one in desired.values())
    else:
        rows = (row for name, one in desired.items() for row in _rules(name, one))
    first = COLUMNS[kind][0]
    if kind == "rules":  # in the order in which a firewall evaluates them
        return Register(kind=kind, rows=tuple(rows))
    return Register(kind=kind, rows=tuple(sorted(rows, key=lambda row: row[first])))


def _due(conduit: Conduit, day: date) -> bool:
    days = [one for one in (conduit.review_by, conduit.expires) if one is not None]
    return bool(days) and min(days) <= day


def _joined(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _zones(site: Site) -> Iterator[dict[str, str]]:
    attached = topology(site.devices).devices_of
    for zone in site.zones:
        yield {
            "zone": zone.key,
            "name": zone.name,
            "level": "" if zone.level is None else f"{zone.level:g}",
            "kind": zone.kind,
            "security_level": target_text(zone.security_level),
            "networks": _joined(zone.networks),
            "assets": str(len(zone.assets)),
            "intrazone": zone.intrazone,
            "firewalls": _joined(attached.get(zone.key, ())),
            "declared": str(zone.declared),
        }


def _assets(site: Site) -> Iterator[dict[str, str]]:
    for zone in site.zones:
        for asset in zone.assets:
            yield {
                "asset": f"{zone.site}/{asset.name}",
                "zone": zone.key,
                "role": asset.role,
                "addresses": _joined(map(_address, asset.addresses)),
                "declared": str(asset.declared),
            }


def _address(network: object) -> str:
    text = str(network)
    host, _, length = text.partition("/")
    return host if length in {"32", "128"} else text


def _conduits(site: Site, chosen: Sequence[Conduit]) -> Iterator[dict[str, str]]:
    paths = topology(site.devices)
    for conduit in chosen:
        walls = set(conduit.via) or {
            hop.device
            for source in conduit.from_zones
            for target in conduit.to_zones
            for hop in paths.hops(source, target)
        }
        permitted = dict.fromkeys(label for flow in conduit.flows for label in labels_of(flow))
        yield {
            "conduit": conduit.key,
            "from": _joined(conduit.from_zones),
            "to": _joined(conduit.to_zones),
            "permitted": "; ".join(permitted),
            "essential": _yes(any(flow.essential for flow in conduit.flows)),
            "mode": conduit.mode,
            "owner": conduit.owner,
            "reason": conduit.reason,
            "ticket": conduit.ticket,
            "review_by": _day(conduit.review_by),
            "reviewed": _review(conduit.reviewed),
            "expires": _day(conduit.expires),
            "firewalls": _joined(sorted(walls)),
            "declared": str(conduit.declared),
        }


def _flow(conduit: Conduit, flow: Flow) -> dict[str, str]:
    return {
        "flow": f"{conduit.key}.{flow.id}",
        "source": _ends(flow.sources, conduit.from_zones),
        "destination": _ends(flow.destinations, conduit.to_zones),
        "permitted": "; ".join(labels_of(flow)),
        "users": _joined(flow.users) or "any",
        "schedule": flow.schedule,
        "essential": _yes(flow.essential),
        "log": _yes(flow.log),
        "owner": conduit.owner,
        "declared": str(flow.declared),
    }


def _ends(ends: Sequence[Endpoint], zones: Sequence[str]) -> str:
    if not ends:
        return _joined(f"all of {zone}" for zone in zones)
    return _joined(end.asset or _address(end.network) for end in ends)


def _firewall(device: Device, desired: Desired) -> dict[str, str]:
    return {
        "firewall": device.name,
        "platform": device.platform,
        "zones": _joined(binding.zone for binding in device.zones),
        "managed_by": f"{device.manager} ({device.group.name})" if device.manager else "",
        "pair_with": device.ha_peer,
        "rules": str(len(desired.policy.rules)),
        "declared": str(device.declared),
    }


def _rules(name: str, desired: Desired) -> Iterator[dict[str, str]]:
    for rule in desired.policy.rules:
        yield {
            "rule": rule.name,
            "firewall": name,
            "from": _joined(rule.from_zones),
            "to": _joined(rule.to_zones),
            "source": _joined(rule.sources) or "any",
            "destination": _joined(rule.destinations) or "any",
            "applications": _joined(rule.applications) or "any",
            "services": _joined(rule.services) or "any",
            "users": _joined(rule.users) or "any",
            "action": rule.action,
            "conduit": rule.conduit,
        }


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _review(last: Review | None) -> str:
    return "" if last is None else f"{last.day} by {last.by}: {last.decision}, {last.reason}"


def _yes(value: bool) -> str:  # noqa: FBT001 - a word for it is all there is to say
    return "yes" if value else "no"


def register_json(register: Register) -> dict[str, Any]:
    """Return the document of a register."""
    return {
        "format_version": "1.0",
        "kind": register.kind,
        "columns": list(COLUMNS[register.kind]),
        "rows": [dict(row) for row in register.rows],
    }


def register_csv(register: Register) -> str:
    """Return a register as CSV; no cell is a formula to who opens it."""
    columns = COLUMNS[register.kind]
    lines = [
        csv_line(columns),
        *(csv_line([row[name] for name in columns]) for row in register.rows),
    ]
    return "\n".join(lines)


def register_text(register: Register) -> Iterator[Line]:
    """Yield a register as text: a block for each row, its columns with a value below its name."""
    first, *others = COLUMNS[register.kind]
    for row in register.rows:
        yield Line(text=row[first], style="bold")
        told = [(name, row[name]) for name in others if row[name]]
        wide = max((len(name) for name, _ in told), default=0)
        for name, value in told:
            yield Line(lead=f"  {name.replace('_', ' '):<{wide}}  ", text=value, lead_style="dim")
        yield Line()
    yield Line(text=counted(len(register.rows), register.kind.removesuffix("s")))
