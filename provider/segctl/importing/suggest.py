"""From rules of others to conduits that an operator can take over one by one.

Every suggestion is `absent`: it compiles to nothing until somebody who knows the plant says
otherwise. Nothing is guessed: what the inventory cannot express of a rule is noted beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.importing.functions import protocol_uses
from segctl.importing.managed import UNKNOWN
from segctl.importing.networks import is_network
from segctl.importing.places import Places
from segctl.importing.services import port_ranges
from segctl.importing.times import declared_schedule
from segctl.importing.words import is_word, make_id, one_line
from segctl.model.addresses import interval
from segctl.model.errors import Problem, UnsupportedError
from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    Address,
    AddressGroup,
    ApplicationGroup,
    Service,
)
from segctl.model.site import Conduit, Endpoint, Flow, Zone
from segctl.model.wording import NEGATED, side_text
from segctl.protocols import catalogue
from segctl.providers.base import application_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.importing.managed import Managed
    from segctl.model.addresses import Interval
    from segctl.model.policy import Rule
    from segctl.model.site import ProtocolUse, Schedule
    from segctl.providers.base import Live, Provider

#: The one flow of a suggested conduit.
FLOW = "traffic"
_LONGEST_NOTE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """What rules of others suggest: zones with what they name, conduits, and notes.

    `zones` and `attached` hold those of `Managed` too; `notes` are by zone and conduit id.
    """

    zones: tuple[Zone, ...]
    attached: tuple[tuple[str, str], ...]
    conduits: tuple[Conduit, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    zone_notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    conduit_notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    left: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()


def suggest(
    live: Live,
    managed: Managed,
    provider: Provider,
    linted: Mapping[str, Sequence[str]] | None = None,
) -> Suggested:
    """Return a conduit for each rule of others that allows traffic between zones.

    Args:
        live: the device.
        managed: what of it is ours.
        provider: its platform.
        linted: what lint says of its rules, by their names.
    """
    return _Suggester(live, managed, provider, linted or {}).suggest()


def _empty(names: Iterable[str]) -> str:
    return f"{', '.join(map(one_line, names))} (holds nothing, or itself)"


class _UnsaidError(Exception):
    """The inventory cannot say a rule at all, or only by guessing."""


@dataclass(slots=True)
class _Notes:
    """What to know of one suggestion: `lost` is what the inventory could not take over."""

    lost: list[str] = field(default_factory=list[str])
    said: list[str] = field(default_factory=list[str])


class _Suggester:
    """Goes through the rules of others, first to last."""

    def __init__(
        self,
        live: Live,
        managed: Managed,
        provider: Provider,
        linted: Mapping[str, Sequence[str]],
    ) -> None:
        self._live = live
        self._linted = linted
        self._naming = application_names(provider)
        self._places = Places(managed)
        policies = (live.others, live.policy)
        self._addresses = {item.name: item for one in policies for item in one[Address]}
        self._groups = {item.name: item for one in policies for item in one[AddressGroup]}
        self._services = {item.name: item for item in provider.capabilities.services}
        self._services |= {item.name: item for one in policies for item in one[Service]}
        self._applications = {item.name: item for one in policies for item in one[ApplicationGroup]}
        self._zones = [zone.name for zone in live.zones]
        self._schedules = {schedule.name: schedule for schedule in managed.schedules}
        self._taken = {conduit.id for conduit in managed.conduits}
        self._notes: dict[str, tuple[str, ...]] = {}
        self._whole: dict[str, list[str]] = {}
        self._left: list[str] = []
        self._warnings: list[Problem] = []

    def suggest(self) -> Suggested:
        conduits = [conduit for rule in self._live.others.rules for conduit in self._conduits(rule)]
        return Suggested(
            zones=self._places.finished(),
            attached=tuple(self._places.attached()),
            conduits=tuple(conduits),
            schedules=tuple(self._schedules[name] for name in sorted(self._schedules)),
            zone_notes={zone: tuple(notes) for zone, notes in self._zone_notes().items()},
            conduit_notes=self._notes,
            left=tuple(self._left),
            warnings=tuple(self._warnings),
        )

    def _zone_notes(self) -> dict[str, list[str]]:
        return {
            zone: [
                f"networks: ? the whole zone stands in rule{'s' * (len(names) > 1)} "
                + ", ".join(names[:5])
                + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            ]
            for zone, names in self._whole.items()
            if not self._places.zones[zone].ours
        }

    def _conduits(self, rule: Rule) -> list[Conduit]:
        name = one_line(rule.name)
        if rule.disabled or rule.action != "allow":
            state = f"{rule.action}, disabled" if rule.disabled else rule.action
            self._left.append("; ".join((f"{name}: {state}", *self._linted.get(rule.name, ()))))
            return []
        notes = _Notes()
        try:
            made = self._allow(rule, notes)
        except _UnsaidError as error:
            said = (f"{name}: allow; {error}", *self._linted.get(rule.name, ()))
            self._left.append("; ".join(said))
            self._warn(rule, f"no conduit is suggested: {error}")
            return []
        for text in notes.lost:
            self._warn(rule, text)
        described = one_line(rule.description).strip()[:_LONGEST_NOTE]
        linted = self._linted.get(rule.name, ())
        every = (*([described] if described else []), *notes.said, *notes.lost, *linted)
        self._notes |= {conduit.id: every for conduit in made}
        return made

    def _warn(self, rule: Rule, text: str) -> None:
        self._warnings.append(
            Problem(
                message=f"rule {one_line(rule.name)} of others: {text}",
                severity="warning",
                kind="import",
                subject=rule.name,
            )
        )

    def _allow(self, rule: Rule, notes: _Notes) -> list[Conduit]:
        pairs = self._pairs(rule)
        flow = self._flow(rule, notes)
        made: list[Conduit] = []
        for number, (sources, targets) in enumerate(pairs, 1):
            wanted = rule.name if len(pairs) == 1 else f"{rule.name}-{number}"
            name = make_id(wanted, self._taken, lower=True)
            ends = self._side(rule, sources, rule.sources, notes)
            far = self._side(rule, targets, rule.destinations, notes)
            self._taken.add(name)
            made.append(
                Conduit(
                    site=self._places.site,
                    id=name,
                    from_zones=self._keys(sources, ends),
                    to_zones=self._keys(targets, far),
                    reason=f"imported from rule {one_line(rule.name)}",
                    owner=UNKNOWN,
                    mode="absent",
                    flows=(replace(flow, sources=ends, destinations=far),),
                )
            )
        return made

    def _pairs(self, rule: Rule) -> list[tuple[list[str], list[str]]]:
        """Return the zones of the device that a rule joins, no zone with itself.

        A zone that stands on both sides makes one pair for each source.
        """
        if ANY in rule.from_zones and ANY in rule.to_zones:
            raise _UnsaidError("it joins any zone to any zone: say which traffic it is for")
        sources = self._zones if ANY in rule.from_zones else list(rule.from_zones)
        targets = self._zones if ANY in rule.to_zones else list(rule.to_zones)
        strange = sorted({*sources, *targets} - set(self._zones))
        if strange:
            raise _UnsaidError(f"the device has no zone {', '.join(strange)}")
        if ANY in rule.from_zones:
            sources = [zone for zone in sources if zone not in targets]
        if ANY in rule.to_zones:
            targets = [zone for zone in targets if zone not in sources]
        if rule.type == "intrazone":
            raise _UnsaidError("traffic inside a zone is governed by its intrazone setting")
        if not set(sources) & set(targets):
            pairs = [(sources, targets)]
        else:
            pairs = [([zone], [one for one in targets if one != zone]) for zone in sources]
        found = [pair for pair in pairs if pair[0] and pair[1]]
        if not found:
            raise _UnsaidError("traffic inside a zone is governed by its intrazone setting")
        return found

    def _keys(self, zones: Sequence[str], ends: Iterable[Endpoint]) -> tuple[str, ...]:
        """Return the zones of the endpoints; without any, those of the device's zones."""
        named = [end.zone for end in ends] or [
            f"{self._places.site}/{self._places.direct(zone)}" for zone in zones
        ]
        return tuple(dict.fromkeys(named))

    # --- addresses ---------------------------------------------------------------------------

    def _side(
        self, rule: Rule, zones: Sequence[str], names: Sequence[str], notes: _Notes
    ) -> tuple[Endpoint, ...]:
        """Return the endpoints of one side, () where the rule means the whole zones."""
        if ANY in names:
            for zone in zones:
                self._whole.setdefault(self._places.direct(zone), []).append(one_line(rule.name))
            return ()
        found: dict[Endpoint, None] = {}
        unsaid: dict[str, None] = {}
        for name, called, part in self._resolved(names):
            if isinstance(part, str):
                unsaid[f"{called} ({part})"] = None
                continue
            ends = [self._places.put(zone, part, name) for zone in zones]
            found.update((end, None) for end in ends if end is not None)
            if None in ends:
                unsaid[f"{called} (in the networks of another zone)"] = None
        if unsaid or not found:
            text = ", ".join(unsaid) or _empty(names)
            if not found:
                raise _UnsaidError(f"the inventory cannot express {text}")
            notes.lost.append(f"not taken over: {text}")
        if len(zones) > 1:
            notes.said.append(
                f"its addresses are listed in each of {', '.join(zones)}: keep them where they are"
            )
        return tuple(found)

    def _resolved(self, names: Iterable[str]) -> Iterator[tuple[str, str, Interval | str]]:
        """Yield every object below `names`: its name, what to call it, its addresses or why not."""
        waiting, seen = list(names), set[str]()
        while waiting:
            name = waiting.pop(0)
            if name in seen:
                continue
            seen.add(name)
            group = self._groups.get(name)
            if group is not None and group.members:
                waiting += group.members
            else:
                yield name, one_line(name), self._part(name)

    def _part(self, name: str) -> Interval | str:
        address = self._addresses.get(name)
        if address is None and name in self._groups:
            return "a dynamic group"
        if address is not None and address.type not in {"network", "range"}:
            return f"{address.type} {one_line(address.value)}"
        try:
            part = interval(address.value if address is not None else name)
        except ValueError:
            return "neither an address nor a network"
        return part if is_network(part) else "a range"

    # --- what is permitted -------------------------------------------------------------------

    def _flow(self, rule: Rule, notes: _Notes) -> Flow:
        """Return what a rule permits, without endpoints."""
        for side, negated in NEGATED.items():
            if getattr(rule, negated):
                text = one_line(side_text(rule, side, few=5))
                raise _UnsaidError(f"the inventory cannot express {side[:-1]} {text}")
        services, unknown = port_ranges(rule.services, self._services)
        if unknown:
            notes.lost.append(f"not taken over: service {', '.join(map(one_line, unknown))}")
        uses, applications = self._permitted(rule, notes)
        if applications == (ANY,):
            if services:
                applications = ()
            elif unknown:
                raise _UnsaidError(f"the inventory cannot express service {', '.join(unknown)}")
            else:
                notes.lost.append("permits every application: narrow it before it is enforced")
        elif not services and APPLICATION_DEFAULT not in rule.services and not unknown:
            notes.lost.append("permits its applications on any port; here on their own ports only")
        self._limits(rule, notes)
        users = tuple(user for user in rule.users if user != ANY)
        odd = [user for user in users if not is_word(user)]
        if odd:
            raise _UnsaidError(f"the inventory cannot express user {', '.join(map(one_line, odd))}")
        return Flow(
            id=FLOW,
            protocols=uses,
            services=services,
            applications=applications,
            users=users,
            schedule=self._schedule(rule, notes),
            log=rule.log,
        )

    def _limits(self, rule: Rule, notes: _Notes) -> None:
        if rule.extras:
            tags = sorted({text.split("=")[0].split("{")[0].split("[")[0] for text in rule.extras})
            notes.lost.append(
                f"the rule also has {', '.join(tags)}, which the inventory cannot express"
            )
        if rule.profile_group:
            notes.said.append(f"profile group {one_line(rule.profile_group)}")

    def _permitted(
        self, rule: Rule, notes: _Notes
    ) -> tuple[tuple[ProtocolUse, ...], tuple[str, ...]]:
        """Return the protocols and applications of a rule; a container is all its protocol has."""
        if ANY in rule.applications:
            return (), (ANY,)
        known = catalogue()
        names: set[str] = set()
        lost: list[str] = []
        for name in self._expanded(rule.applications):
            container = known.containers.get(name)
            if container is not None and container.protocol and not container.passed:
                try:
                    protocol = known.protocols[container.protocol]
                    names.update(self._naming(protocol, protocol.classes).names)
                except (KeyError, UnsupportedError):
                    lost.append(name)
            elif known.trap(name) or not is_word(name):
                lost.append(name)
            else:
                names.add(name)
        if lost or not names:
            text = ", ".join(map(one_line, lost)) or _empty(rule.applications)
            if not names:
                raise _UnsaidError(f"the inventory cannot express application {text}")
            notes.lost.append(f"not taken over: application {text}")
        return protocol_uses(names, self._naming)

    def _expanded(self, names: Iterable[str]) -> Iterator[str]:
        waiting, seen = list(names), set[str]()
        while waiting:
            name = waiting.pop(0)
            if name in seen:
                continue
            seen.add(name)
            group = self._applications.get(name)
            if group is not None:
                waiting += group.members
            else:
                yield name

    def _schedule(self, rule: Rule, notes: _Notes) -> str:
        if not rule.schedule:
            return ""
        schedule = declared_schedule(rule.schedule, self._live.policy, self._live.others)
        if schedule is None or not is_word(schedule.name):
            notes.lost.append(f"schedule {one_line(rule.schedule)} is not taken over")
            return ""
        known = self._schedules.setdefault(schedule.name, schedule)
        if known != schedule:
            notes.lost.append(f"schedule {schedule.name} is not taken over: there is another")
            return ""
        return schedule.name
