"""ToyOS, a firewall that takes JSON lines over TCP: the provider that docs/add-a-platform.md makes.

A ToyOS rule has a name, zones, addresses, services, an action and a note. It knows no objects, no
applications and no users. What is segctl's has a note that begins with ``segctl``.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from segctl.compiler.naming import shorten
from segctl.model.addresses import interval_text
from segctl.model.errors import ParseError, UnsupportedError
from segctl.model.policy import ANY, FirewallZone, Policy, Rule, Service, resolver, sealed
from segctl.model.scope import DEFAULT_SCOPE
from segctl.providers.base import Capabilities, Identity, Live

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from segctl.model.diff import Change
    from segctl.model.errors import Problem
    from segctl.model.site import Device
    from segctl.providers.base import Session
    from segctl.transports.target import Target

CAPABILITIES = Capabilities(title="ToyOS", max_name=40)
_NOTE = re.compile(r"segctl(?: conduit=(\S+) flow=(\S+))?(?: essential=(\S+))?")
_KEYS = frozenset({"name", "from", "to", "scope", "source", "destination", "service"}) | {
    "action",
    "log",
    "note",
}


def _quiet(_step: str) -> None:
    return


class ToyosProvider:
    """What segctl knows of ToyOS."""

    @property
    def name(self) -> str:
        """The word of ``ansible_network_os``."""
        return "toyos"

    @property
    def capabilities(self) -> Capabilities:
        """What ToyOS has."""
        return CAPABILITIES

    def fit(self, policy: Policy, device: Device) -> tuple[Policy, tuple[Problem, ...]]:
        """Write out names as addresses and ports; refuse what ToyOS cannot say."""
        resolve = resolver(policy)
        services = {item.name: f"{item.protocol}/{item.ports}" for item in policy.services}
        rules: list[Rule] = []
        for rule in policy.rules:
            _refuse(rule, device)
            rules.append(
                replace(
                    rule,
                    name=shorten(rule.name, CAPABILITIES.max_name),
                    sources=_addresses(rule.sources, resolve),
                    destinations=_addresses(rule.destinations, resolve),
                    services=tuple(sorted({services.get(name, name) for name in rule.services})),
                    profile_group="",
                    log_setting="",
                    description="",
                )
            )
        return sealed(Policy(rules=tuple(rules), services=_services(rules))), ()

    def parse(self, config: bytes) -> Live:
        """Read what ``show`` answers; ours are the rules whose note says so."""
        try:
            held: dict[str, Any] = json.loads(config)
            rules = [_rule(values) for values in held["rules"]]
            counted = held["rule_count"]
            zones = tuple(
                FirewallZone(name=name, interfaces=tuple(ports), type="")
                for name, ports in sorted(held["zones"].items())
            )
            identity = Identity(
                serial=held["serial"],
                os_version=held["version"],
                content_version="",
                scope=DEFAULT_SCOPE,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ParseError("toyos", "its configuration is not understood") from error
        if counted != len(rules):
            raise ParseError("toyos", f"says it has {counted} rules and lists {len(rules)}")
        ours = [rule for rule in rules if "segctl" in rule.tags]
        theirs = [rule for rule in rules if "segctl" not in rule.tags]
        text = {values["name"]: json.dumps(values, sort_keys=True) for values in held["rules"]}
        return Live(
            identity=identity,
            policy=_policy([replace(rule, tags=()) for rule in ours]),
            others=_policy(theirs),
            order=tuple(rule.name for rule in rules),
            zones=zones,
            taken={"rule": frozenset(rule.name for rule in theirs)},
            other_rules={
                rule.name: hashlib.sha256(text[rule.name].encode()).hexdigest() for rule in theirs
            },
            counts={"rule": counted},
        )

    def render(self, changes: Sequence[Change], live: Live) -> str:
        """Return the operations of one commit, as JSON."""
        del live
        steps = [step for change in changes if (step := _step(change))]
        return json.dumps(steps, indent=1) if steps else ""

    @contextmanager
    def connect(
        self, target: Target, *, read_only: bool, progress: Callable[[str], None] = _quiet
    ) -> Generator[Session]:
        """Log in."""
        from .session import ToyosSession

        session = ToyosSession(target, read_only=read_only, progress=progress)
        try:
            yield session
        finally:
            session.close()


# --- from a compiled rule to one of ToyOS ---------------------------------------------------------


def _refuse(rule: Rule, device: Device) -> None:
    lacking = {
        "protocols: declare services": rule.protocols,
        "applications: declare services": set(rule.applications) - {ANY, ""},
        "users": set(rule.users) - {ANY},
        "schedules": rule.schedule,
        "threat prevention: set it to none": rule.profile_asked,
        "ports of an application: declare services": "application-default" in rule.services,
    }
    for what, asked in lacking.items():
        if asked:
            raise UnsupportedError(f"{device.name}: rule {rule.name}: ToyOS knows no {what}")


def _addresses(names: Sequence[str], resolve: Callable[..., Iterable[Any]]) -> tuple[str, ...]:
    return (ANY,) if ANY in names else tuple(sorted(map(interval_text, resolve(names))))


def _services(rules: Iterable[Rule]) -> tuple[Service, ...]:
    """Return what the names in rules mean; ToyOS writes it out, so they come and go with rules."""
    names = {name for rule in rules for name in rule.services} - {ANY}
    return tuple(
        Service(name=name, protocol=name.partition("/")[0], ports=name.partition("/")[2])
        for name in sorted(names)
    )


def _policy(rules: Sequence[Rule]) -> Policy:
    return Policy(rules=tuple(rules), services=_services(rules))


# --- a rule as the device has it ------------------------------------------------------------------


def _written(rule: Rule) -> dict[str, Any]:
    note = "segctl"
    note += f" conduit={rule.conduit} flow={rule.flow}" if rule.flow else ""
    note += f" essential={rule.seal}" if rule.essential else ""
    return {
        "name": rule.name,
        "from": [*rule.from_zones],
        "to": [*rule.to_zones],
        "scope": rule.type,
        "source": [*rule.sources],
        "destination": [*rule.destinations],
        "service": [*rule.services],
        "action": rule.action,
        "log": rule.log,
        "note": note,
    }


def _rule(values: Mapping[str, Any]) -> Rule:
    """Read one rule; what this module does not know makes it differ from all that segctl writes."""
    mark = _NOTE.fullmatch(values["note"])
    strange = sorted(f"{key}={values[key]}" for key in set(values) - _KEYS)
    return Rule(
        name=values["name"],
        from_zones=tuple(values["from"]),
        to_zones=tuple(values["to"]),
        type=values["scope"],
        sources=tuple(values["source"]),
        destinations=tuple(values["destination"]),
        services=tuple(values["service"]),
        action=values["action"],
        log=values["log"],
        conduit=(mark and mark[1]) or "",
        flow=(mark and mark[2]) or "",
        essential=bool(mark and mark[3]),
        seal=(mark and mark[3]) or "",
        tags=("segctl",) if mark else (),
        extras=tuple(strange),
    )


def _step(change: Change) -> dict[str, Any] | None:
    if change.kind != "rule":
        return None
    after = change.anchor.rule if change.anchor else ""
    if change.op == "rename" and change.before is not None:
        return {"op": "rename", "name": change.before.name, "to": change.name}
    if change.op in ("create", "update") and isinstance(change.after, Rule):
        step: dict[str, Any] = {"op": change.op, "rule": _written(change.after)}
        return step | ({"after": after} if change.op == "create" else {})
    return {"op": change.op, "name": change.name} | (
        {"after": after} if change.op == "move" else {}
    )
