"""Whether conduits fit the security levels of the zones they join: rules that are data.

What the rules are is in ``segmentation.yaml``: each sets up one of the checks below, cites the
requirement it serves, and explains itself (`segctl explain`). A conduit may be excepted from a
rule, with a reason, an owner and a day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from segctl.inventory.convert import services
from segctl.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import date

    from segctl.model.site import Conduit, Flow, PortRange, Site, Source, Zone
    from segctl.protocols import Protocol

#: Where a conduit passes: two zones of operations, operations and DMZ, and so on.
Boundary: TypeAlias = Literal["operations", "dmz", "dmz-corporate", "corporate"]
Verdict: TypeAlias = Literal["deny", "exception"]
_DMZ: Final = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service by all the names a flow may give it."""

    name: str = ""
    protocols: frozenset[str] = frozenset()
    applications: frozenset[str] = frozenset()
    ports: tuple[PortRange, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict[str, "Verdict"])

    def permitted_by(self, flow: Flow) -> bool:
        """Whether a flow names the service, or permits a port of it with any application."""
        if self.protocols & {use.protocol for use in flow.protocols}:
            return True
        if self.applications & set(flow.applications):
            return True
        if flow.protocols or (flow.applications and "any" not in flow.applications):
            return False
        return any(_overlap(one, other) for one in flow.services for other in self.ports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: the check it sets up with its parameters, and what it says for itself."""

    id: str
    check: str
    requirement: str
    title: str
    does: str
    why: str
    example: str
    remedy: str
    #: the foundational requirement whose level counts: iac, uc, si, dc, rdf, tre or ra
    level: str
    from_level: int = 0
    most: int = 1
    classes: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    service: Service = Service()
    table: tuple[Service, ...] = ()

    def explanation(self) -> dict[str, str]:
        """Return what a person reads about the rule, by what each text is."""
        exception = "{reason: …, owner: …, expires: 2027-03-31}"
        return {
            "title": self.title,
            "does": self.does,
            "requirement": f"IEC 62443-3-3 {self.requirement}",
            "why": self.why,
            "example": self.example,
            "remedy": self.remedy,
            "exception": f"on the conduit, exceptions: {{{self.id}: {exception}}}",
        }


@cache
def rules() -> tuple[Rule, ...]:
    """Return all rules; they are read once, on the first call."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (files("segctl.inventory") / "segmentation.yaml").read_text(encoding="utf-8")
    document = cast("dict[str, dict[str, dict[str, Any]]]", yaml.load(text, Loader=loader))  # noqa: S506 - safe loaders, our own file
    return tuple(_rule(name, entry) for name, entry in document["rules"].items())


def _rule(name: str, entry: dict[str, Any]) -> Rule:
    words = ("check", "requirement", "title", "does", "why", "example", "remedy", "level")
    return Rule(
        id=name,
        **{word: entry[word] for word in words},
        from_level=entry.get("from_level", 0),
        most=entry.get("most", 1),
        classes=frozenset(entry.get("classes", ())),
        kinds=frozenset(entry.get("kinds", entry.get("from_kinds", ()))),
        service=_service(entry),
        table=tuple(_service(row) for row in entry.get("table", ())),
    )


def _service(entry: dict[str, Any]) -> Service:
    sides = ("corporate", "dmz", "dmz-corporate", "operations")
    return Service(
        name=entry.get("name", ""),
        protocols=frozenset(entry.get("protocols", ())),
        applications=frozenset(entry.get("applications", ())),
        ports=tuple(one for text in entry.get("ports", ()) for one in services(text)),
        verdicts={side: entry[side] for side in sides if side in entry},
    )


def judge(site: Site, today: date) -> Iterator[Problem]:
    """Yield what the rules find, and exceptions that are over or mean nothing."""
    plant = _Plant(
        zones={zone.key: zone for zone in site.zones},
        inspected=frozenset(
            binding.zone
            for device in site.devices
            if device.threat_profiles
            for binding in device.zones
        ),
    )
    for conduit in site.conduits:
        if conduit.mode == "absent" or conduit.expired(today):
            continue
        excepted = {one.rule: one for one in conduit.exceptions}
        met: set[str] = set()
        for rule in rules():
            found = tuple(dict.fromkeys(_CHECKS[rule.check](rule, conduit, plant)))
            if not found:
                continue
            met.add(rule.id)
            exception = excepted.get(rule.id)
            if exception is not None and exception.expires >= today:
                continue
            over = f"; its exception expired on {exception.expires}" if exception else ""
            for source, subject, message in found:
                yield _problem(rule, source, subject, f"{message}{over}")
        for name in excepted.keys() - met:
            yield Problem(
                message=f"the exception from {name} is not needed",
                file=conduit.declared.file,
                line=conduit.declared.line,
                column=conduit.declared.column,
                path=conduit.key,
                hint="remove it",
                severity="warning",
                kind="exception-not-needed",
                subject=conduit.key,
            )


def _problem(rule: Rule, source: Source, subject: str, message: str) -> Problem:
    return Problem(
        message=f"{message} (IEC 62443-3-3 {rule.requirement})",
        file=source.file,
        line=source.line,
        column=source.column,
        path=subject,
        hint=f"segctl explain {rule.id}",
        severity="warning",
        kind=rule.id,
        subject=subject,
    )


# --- the checks ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plant:
    """The zones by key, and which of them have a firewall that holds threat profiles."""

    zones: Mapping[str, Zone]
    inspected: frozenset[str]

    def levels(self, site: str) -> frozenset[float]:
        """Return the Purdue levels at which a site has zones that sessions could end in."""
        return frozenset(
            zone.level
            for zone in self.zones.values()
            if zone.site == site and zone.level is not None and zone.kind != "safety"
        )


#: Where it is declared, what it is about, and what is wrong.
Found: TypeAlias = "tuple[Source, str, str]"


def _pairs(conduit: Conduit, plant: _Plant) -> Iterator[tuple[Zone, Zone]]:
    for enter in conduit.from_zones:
        for leave in conduit.to_zones:
            if enter in plant.zones and leave in plant.zones:
                yield plant.zones[enter], plant.zones[leave]


def _level(zone: Zone, requirement: str) -> int | None:
    """Return a zone's SL-T for one foundational requirement, None where it declares none."""
    return None if zone.security_level is None else getattr(zone.security_level, requirement)


def _classes(flow: Flow) -> frozenset[str]:
    """Return the access classes of a flow; one that does not enforce them permits them all.

    So does one that names ports and no protocol: whatever listens there can be spoken to. Without
    ports it permits all that there is.
    """
    from segctl.protocols import catalogue

    named = frozenset(one for use in flow.protocols for one in use.classes)
    if not flow.protocols and (not flow.applications or "any" in flow.applications):
        named |= {
            word
            for protocol in catalogue().protocols.values()
            if not flow.services or _listens(protocol, flow.services)
            for word in protocol.classes
        }
    if flow.functions == "not-enforced":
        known = catalogue()
        named |= {
            one
            for use in flow.protocols
            if use.protocol in known
            for one in known.get(use.protocol).classes
        }
    return named | {
        found.access_class
        for name in flow.applications
        if (found := catalogue().application(name)) is not None and found.access_class
    }


def _listens(protocol: Protocol, ports: Iterable[PortRange]) -> bool:
    return any(
        at.main and at.protocol == one.protocol and at.first <= one.last and one.first <= at.last
        for at in protocol.ports
        for one in ports
    )


def _classes_into_higher_level(rule: Rule, conduit: Conduit, plant: _Plant) -> Iterator[Found]:
    lower: list[str] = []
    for enter, leave in _pairs(conduit, plant):
        wanted, held = _level(leave, rule.level), _level(enter, rule.level)
        if wanted and (held is None or held < wanted):
            level = "no SL-T" if held is None else f"SL-T {rule.level} {held}"
            lower.append(f"{leave.key} (SL-T {rule.level} {wanted}) from {enter.key} ({level})")
    for flow in conduit.flows if lower else ():
        if used := sorted(_classes(flow) & rule.classes):
            what = f"permits {' and '.join(used)} into {', '.join(lower)}"
            yield flow.declared, f"{conduit.key}.{flow.id}", what


def _threat_profile(rule: Rule, conduit: Conduit, plant: _Plant) -> Iterator[Found]:
    if conduit.threat_prevention in {"strict", "alert"} or conduit.mode == "monitor":
        return
    asking: dict[str, int] = {}
    for enter, leave in _pairs(conduit, plant):
        if conduit.threat_prevention is None and {enter.key, leave.key} & plant.inspected:
            continue  # its firewall takes the profile that it has
        for zone in (enter, leave):
            level = _level(zone, rule.level)
            if level is not None and level >= rule.from_level:
                asking[zone.key] = level
    if asking:
        zones = ", ".join(f"{key} (SL-T {rule.level} {level})" for key, level in asking.items())
        what = f"has no threat profile, which {zones} {'asks' if len(asking) == 1 else 'ask'} for"
        yield conduit.declared, conduit.key, what


def _interactive_without_users(rule: Rule, conduit: Conduit, plant: _Plant) -> Iterator[Found]:
    outside = [
        enter.key
        for enter, leave in _pairs(conduit, plant)
        if enter.kind in rule.kinds and leave.kind not in rule.kinds
    ]
    zones = ", ".join(dict.fromkeys(outside))
    for flow in conduit.flows:
        if outside and not flow.users and (_everything(flow) or rule.service.permitted_by(flow)):
            what = f"permits interactive access from {zones} without naming users"
            yield flow.declared, f"{conduit.key}.{flow.id}", what


def _everything(flow: Flow) -> bool:
    """Whether a flow permits any application on any port."""
    return not flow.protocols and not flow.services and "any" in flow.applications


def _level_step(rule: Rule, conduit: Conduit, plant: _Plant) -> Iterator[Found]:
    skipping: list[str] = []
    for enter, leave in _pairs(conduit, plant):
        if enter.level is None or leave.level is None:
            continue
        low, high = sorted((enter.level, leave.level))
        if low < _DMZ < high:
            continue  # "skips-dmz" says it
        skipped = sorted(level for level in plant.levels(conduit.site) if low < level < high)
        if len(skipped) >= rule.most:
            levels = ", ".join(f"{level:g}" for level in skipped)
            skipping.append(
                f"level {levels} between {enter.key} ({enter.level:g}) and "
                f"{leave.key} ({leave.level:g})"
            )
    if skipping:
        yield conduit.declared, conduit.key, f"skips {'; '.join(skipping)}"


def _beyond_classes_into_kind(rule: Rule, conduit: Conduit, plant: _Plant) -> Iterator[Found]:
    for enter, leave in _pairs(conduit, plant):
        if leave.kind not in rule.kinds or enter.kind in rule.kinds:
            continue
        for flow in conduit.flows:
            if more := _more_than(flow, rule.classes):
                yield (
                    flow.declared,
                    f"{conduit.key}.{flow.id}",
                    f"permits {more} into {leave.key}, a {leave.kind} zone",
                )


def _more_than(flow: Flow, classes: frozenset[str]) -> str:
    """Return what a flow permits besides some classes and setting up sessions."""
    beyond = sorted(_classes(flow) - classes - {"session"})
    if beyond:
        return " and ".join(beyond)
    if flow.applications or not flow.protocols:
        return "what no protocol bounds"
    return ""


def _unlogged(rule: Rule, conduit: Conduit, plant: _Plant) -> Iterator[Found]:
    for _, leave in _pairs(conduit, plant):
        level = _level(leave, rule.level)
        if level is None or level < rule.from_level:
            continue
        for flow in conduit.flows:
            if not flow.log:
                yield (
                    flow.declared,
                    f"{conduit.key}.{flow.id}",
                    f"is not logged, and {leave.key} has SL-T {rule.level} {level}",
                )


def _protocol_at_boundary(rule: Rule, conduit: Conduit, plant: _Plant) -> Iterator[Found]:
    for flow in conduit.flows:
        for service in rule.table:
            if not service.permitted_by(flow):
                continue
            refused: list[str] = []
            for enter, leave in _pairs(conduit, plant):
                verdict = service.verdicts.get(_boundary(enter, leave))
                if verdict == "deny" or (verdict == "exception" and conduit.expires is None):
                    day = "" if verdict == "deny" else " without an expiry date"
                    refused.append(f"{enter.key} and {leave.key}{day}")
            if refused:
                what = f"permits {service.name}, which should not pass between {', '.join(refused)}"
                yield flow.declared, f"{conduit.key}.{flow.id}", what


def _boundary(enter: Zone, leave: Zone) -> Boundary | Literal[""]:
    """Return which boundary lies between two zones; none where one of them has no level."""
    sides = sorted((_side(enter), _side(leave)))
    known: dict[tuple[str, ...], Boundary] = {
        ("operations", "operations"): "operations",
        ("dmz", "operations"): "dmz",
        ("corporate", "dmz"): "dmz-corporate",
        ("corporate", "operations"): "corporate",
    }
    return known.get(tuple(sides), "")


def _side(zone: Zone) -> str:
    if zone.kind == "external":
        return "corporate"
    if zone.kind == "dmz" or zone.level == _DMZ:
        return "dmz"
    if zone.level is None:
        return ""
    return "corporate" if zone.level > _DMZ else "operations"


def _overlap(one: PortRange, other: PortRange) -> bool:
    return one.protocol == other.protocol and one.first <= other.last and other.first <= one.last


_CHECKS: Final[Mapping[str, Callable[[Rule, Conduit, _Plant], Iterable[Found]]]] = {
    "classes-into-higher-level": _classes_into_higher_level,
    "threat-profile": _threat_profile,
    "interactive-without-users": _interactive_without_users,
    "level-step": _level_step,
    "beyond-classes-into-kind": _beyond_classes_into_kind,
    "unlogged": _unlogged,
    "protocol-at-boundary": _protocol_at_boundary,
}
