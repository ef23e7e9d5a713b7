"""What would become of traffic under another policy, calibrated by what was logged."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from segctl.analysis.crossings import Crossing, Crossings
from segctl.analysis.space import TooComplexError
from segctl.observe.joining import Told, joined
from segctl.observe.judging import Judge, Judgement
from segctl.observe.spoken import Spoken, spoken_of
from segctl.observe.traffic import LISTED, Volume, volume_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.analysis.crossings import Path
    from segctl.analysis.effective import Reading
    from segctl.model.site import Device, Site
    from segctl.observe.grouping import Count, Groups
    from segctl.observe.judging import Ruling
    from segctl.observe.observation import Flow, Group
    from segctl.observe.standing import Standing, Standings
    from segctl.providers.base import Provider

Fate = Literal["newly_dropped", "newly_allowed", "cannot_tell", "still_allowed", "still_dropped"]
#: In the order of what is worth a look.
FATES: Final[tuple[Fate, ...]] = (
    "newly_dropped",
    "newly_allowed",
    "cannot_tell",
    "still_allowed",
    "still_dropped",
)
#: So many flows that would change are listed each: the seldom ones are worth as much as others.
LISTED_CHANGES: Final = 20_000
_KNOWN: Final[Mapping[tuple[Ruling, Ruling], Fate]] = {
    ("allow", "allow"): "still_allowed",
    ("allow", "deny"): "newly_dropped",
    ("deny", "allow"): "newly_allowed",
    ("deny", "deny"): "still_dropped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """A firewall as it is now and as it would be.

    `before` is None where nobody knows what it holds: then what was logged says what it does.
    `after` is None where it cannot be told what it would hold, for the reason `why`; `whole` says
    whether it is all that the firewall would enforce, or only what is declared between our zones.
    """

    device: Device
    provider: Provider
    before: Reading | None = None
    after: Reading | None = None
    whole: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one firewall on the way would do."""

    device: str
    ruling: Ruling
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What would become of one flow, or of a part of it that was spoken or ended otherwise."""

    fate: Fate
    flow: Flow
    standing: Standing
    essential: bool
    why: str
    volume: Volume
    applications: tuple[str, ...]
    users: tuple[str, ...]
    witnesses: tuple[str, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Miscalibrated:
    """A rule of which our model contradicts the log or the device: there is no verdict for it.

    `logged` is what the log says, or `by` the device itself when it was asked about `example`.
    """

    device: str
    rule: str
    logged: Ruling
    model: Ruling
    example: Flow
    by: Literal["log", "device"] = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """All fates: how much there is of each, and the flows themselves, essential ones first.

    `without_firewall` counts flows that no firewall of the inventory is in the way of, `attempts`
    those of which only a sensor saw that nobody answered: what became of them is not known.
    `through` says of how many flows through each firewall it could be told what becomes of them,
    `untold` for which reasons it could not, of how many flows, and how many essential ones. Of the
    flows `untold_essential`, nothing else could be said.
    `shown_less` counts sessions of flows that are told, beyond those by which they are: whoever saw
    them shows less. `beyond` counts groups that were seen behind a translation of their client.
    """

    volumes: Mapping[Fate, Volume]
    flows: Mapping[Fate, tuple[Replayed, ...]]
    essential: Mapping[Fate, int]
    miscalibrated: tuple[Miscalibrated, ...]
    without_firewall: int
    attempts: int
    through: Mapping[str, int]
    untold: Mapping[str, tuple[int, int]]
    untold_essential: tuple[str, ...]
    shown_less: int = 0
    beyond: int = 0


def replayed(
    groups: Groups,
    site: Site,
    standings: Standings,
    firewalls: Iterable[Firewall],
    called: Mapping[str, str] = MappingProxyType({}),
    *,
    contradicted: Iterable[Miscalibrated] = (),
) -> Replay:
    """Return what would become of all that was seen.

    First the model of today is held against what was logged: of a rule that it contradicts, there
    is no verdict, nor of those that are `contradicted` by the device. A change is told only where
    the direction is known. `called` says which firewall a witness is.
    """
    work = _Work(site, standings, firewalls, called)
    work.withhold(contradicted)
    for flow, held in groups.flows():
        for group, _ in held:
            work.calibrate(group)
            work.translates(flow, group)
    for flow, held in groups.flows():
        work.add(flow, held)
    return work.result()


def hosts_of(firewalls: Iterable[Firewall], called: Mapping[str, str]) -> dict[str, str]:
    """Return which firewall each witness is; `called` are those that records name."""
    devices = [one.device for one in firewalls]
    names = {one.name for one in devices}
    return {
        name: one.name
        for one in devices
        for name in (one.name, one.serial, one.peer_serial)
        if name
    } | {witness: name for witness, name in called.items() if name in names}


def essential_of(site: Site) -> frozenset[tuple[str, str]]:
    """Return the flows that the process needs, each with the key of its conduit."""
    return frozenset(
        (conduit.key, flow.id)
        for conduit in site.conduits
        for flow in conduit.flows
        if flow.essential
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What would become of a group, and why."""

    fate: Fate
    why: str
    steps: tuple[Step, ...]
    standing: Standing


@dataclass(slots=True, kw_only=True)
class _Part:
    """Groups of one flow with one fate."""

    standing: Standing
    why: str
    steps: tuple[Step, ...]
    groups: list[tuple[Group, Count]] = field(default_factory=list["tuple[Group, Count]"])


class _Work:
    def __init__(
        self,
        site: Site,
        standings: Standings,
        firewalls: Iterable[Firewall],
        called: Mapping[str, str],
    ) -> None:
        self._standings = standings
        self._firewalls = {one.device.name: one for one in firewalls}
        self._crossings = Crossings(site.devices)
        self._witnesses = hosts_of(self._firewalls.values(), called)
        self._essential = essential_of(site)
        self._ways: dict[tuple[str, str, str], tuple[Path, ...]] = {}
        self._last: dict[Fate, tuple[bool, int, Flow, str]] = {}
        self._zones = {
            name: {one.zone: one.name for one in firewall.device.zones}
            for name, firewall in self._firewalls.items()
        }
        self._judges: dict[int, Judge] = {}
        self._words: dict[tuple[object, ...], Spoken] = {}
        self._wrong: dict[tuple[str, str], Miscalibrated] = {}
        self._flows: dict[Fate, list[Replayed]] = {fate: [] for fate in FATES}
        self._volumes: dict[Fate, Volume] = {fate: Volume() for fate in FATES}
        self._counts: dict[Fate, int] = dict.fromkeys(FATES, 0)
        self._through: dict[str, int] = {}
        self._untold: dict[str, tuple[int, int]] = {}
        self._declared: dict[bool, set[str]] = {True: set(), False: set()}
        self._without = self._attempts = self._less = self._behind = 0
        self._beyond: set[Flow] = set()

    def withhold(self, contradicted: Iterable[Miscalibrated]) -> None:
        """Give no verdict for rules that the device decides otherwise."""
        self._wrong |= {(one.device, one.rule): one for one in contradicted}

    def calibrate(self, group: Group) -> None:
        """Hold the model of today against what a firewall logged."""
        firewall = self._firewalls.get(self._witnesses.get(group.witness, ""))
        if firewall is None or firewall.before is None or group.threat:
            return
        logged = _logged(group)
        if logged == "unknown" or not group.rule:
            return
        zones = (group.from_zone, group.to_zone)
        model = self._judge(firewall.before, firewall).of(
            zones, group, self._spoken(group, firewall)
        )
        key = (firewall.device.name, group.rule)
        if model.ruling not in {logged, "unknown"} and key not in self._wrong:
            self._wrong[key] = Miscalibrated(
                device=key[0], rule=key[1], logged=logged, model=model.ruling, example=group.flow
            )

    def translates(self, flow: Flow, group: Group) -> None:
        """Take down how a conversation looks on both sides of a firewall that translates it."""
        outer = group.outer or flow.source
        if flow.inner or outer != flow.source:
            self._beyond.add(flow._replace(source=outer, destination=_inside(flow), inner=""))
        if flow.inner:
            self._beyond.add(flow._replace(inner=""))

    def add(self, flow: Flow, held: Iterable[tuple[Group, Count]]) -> None:
        """Judge all that was seen of a flow."""
        behind = flow in self._beyond
        told: list[Told[_Said]] = []
        for group, count in held:
            if group.threat:
                continue
            before = _logged(group)
            if behind and not group.from_zone:  # a firewall tells of what it lets pass
                self._behind += 1
                continue
            if before == "unknown" and group.completed == "no":
                self._attempts += 1
                continue
            standing = self._standings.of(group)
            paths = self._paths(group, standing)
            if not paths:
                self._without += 1
                continue
            told.append(self._told(group, count, standing, before, paths))
        found = joined(told)
        self._less += found.beyond
        parts: dict[tuple[Fate, str, str, str], _Part] = {}
        for one in sorted(found.told, key=_firewalls_first):
            said = one.said
            key = (said.fate, said.standing.conduit, said.standing.flow, said.why)
            if said.fate == "cannot_tell":  # one flow, whatever the reasons are
                key = (said.fate, "", "", "")
            part = parts.setdefault(
                key, _Part(standing=said.standing, why=said.why, steps=said.steps)
            )
            part.groups.append((one.group, one.count))
        for (fate, *_), part in parts.items():
            self._keep(fate, flow, part)

    def _told(
        self,
        group: Group,
        count: Count,
        standing: Standing,
        before: Ruling,
        paths: tuple[Path, ...],
    ) -> Told[_Said]:
        wrong = self._contradicted(group)
        fate, why, steps = self._fate(group, before, paths)
        return Told(
            group=group,
            count=count,
            said=_Said(fate=fate, why=why, steps=steps, standing=standing),
            settled=fate != "cannot_tell",
            alone=bool(wrong),
        )

    def _contradicted(self, group: Group) -> str:
        """Return why there is no verdict for the rule that let a group pass, or did not."""
        seen_by = self._witnesses.get(group.witness, "")
        wrong = self._wrong.get((seen_by, group.rule)) if group.rule else None
        if wrong is None:
            return ""
        said = "what it logged of" if wrong.by == "log" else "what it says itself about"
        return f"our model of {seen_by} contradicts {said} rule {group.rule}"

    def _paths(self, group: Group, standing: Standing) -> tuple[Path, ...]:
        """Return the ways on which firewalls are; only those by the one that saw it."""
        source, destination = standing.source.zone, standing.destination.zone
        name = self._witnesses.get(group.witness, "")
        found = self._ways.get((source, destination, name))
        if found is None:
            found = self._paths_by(source, destination, name)
            self._ways[source, destination, name] = found
        return found

    def _paths_by(self, source: str, destination: str, name: str) -> tuple[Path, ...]:
        paths: tuple[Path, ...] = ()
        if source and destination and source != destination:
            try:
                paths = self._crossings.paths(source, destination)
            except TooComplexError:
                paths = ()
        if not name:
            return paths
        mine = tuple(path for path in paths if any(one.device == name for one in path))
        # zones in the firewall's own words stand for themselves
        return mine or ((Crossing(name, "", ""),),)

    def _fate(
        self, group: Group, before: Ruling, paths: tuple[Path, ...]
    ) -> tuple[Fate, str, tuple[Step, ...]]:
        if wrong := self._contradicted(group):
            return "cannot_tell", wrong, ()
        ways = [self._way(group, path) for path in paths]
        steps = tuple(dict.fromkeys(step for _, held in ways for step in held))
        rulings = {found.ruling for found, _ in ways}
        if before == "unknown":
            before = self._modelled(group, paths)
        if len(rulings) > 1:
            return "cannot_tell", "firewalls side by side would do different things", steps
        after = ways[0][0]
        if after.ruling == "unknown" or before == "unknown":
            return "cannot_tell", after.why or "what becomes of it today is not known", steps
        fate = _KNOWN[before, after.ruling]
        if fate in {"newly_dropped", "newly_allowed"} and group.direction == "inferred":
            return "cannot_tell", "which side began is a guess", steps
        return fate, "", steps

    def _modelled(self, group: Group, paths: tuple[Path, ...]) -> Ruling:
        """Return what our model of today says of what nobody logged."""
        if group.completed == "yes":
            return "allow"  # it passed
        rulings: set[Ruling] = set()
        for path in paths:
            for crossing in path:
                firewall = self._firewalls.get(crossing.device)
                if firewall is None or firewall.before is None:
                    return "unknown"
                rulings.add(self._judged(firewall.before, firewall, crossing, group).ruling)
        return rulings.pop() if len(rulings) == 1 else "unknown"

    def _way(self, group: Group, path: Path) -> tuple[Judgement, list[Step]]:
        """Return what becomes of traffic on one way: all firewalls have to let it pass."""
        steps: list[Step] = []
        found: list[Judgement] = []
        for crossing in path:
            firewall = self._firewalls.get(crossing.device)
            if firewall is None or firewall.after is None:
                why = firewall.why if firewall is not None else "it is not selected"
                one = Judgement(ruling="unknown", why=f"{crossing.device}: {why}")
            else:
                one = self._judged(firewall.after, firewall, crossing, group)
            found.append(one)
            steps.append(Step(device=crossing.device, ruling=one.ruling, rule=one.rule))
        for ruling in ("deny", "unknown"):
            for one in found:
                if one.ruling == ruling:
                    return one, steps
        return found[0], steps

    def _judged(
        self, reading: Reading, firewall: Firewall, crossing: Crossing, group: Group
    ) -> Judgement:
        seen_here = self._witnesses.get(group.witness) == firewall.device.name
        zones = (group.from_zone, group.to_zone)
        if not seen_here or not all(zones) or not firewall.provider.capabilities.applications:
            names = self._zones[firewall.device.name]
            zones = (names.get(crossing.enter, ""), names.get(crossing.leave, ""))
        if not all(zones):
            return Judgement(ruling="unknown", why="its zones there are not known")
        ours = self._zones[firewall.device.name].values()
        strange = [zone for zone in zones if zone not in ours]
        if strange and reading is firewall.after and not firewall.whole:
            why = f"the inventory does not have zone {' or '.join(sorted({*strange}))} there"
            return Judgement(ruling="unknown", why=why)
        return self._judge(reading, firewall).of(zones, group, self._spoken(group, firewall))

    def _judge(self, reading: Reading, firewall: Firewall) -> Judge:
        found = self._judges.get(id(reading))
        if found is None:
            destination = firewall.provider.capabilities.destination
            found = self._judges[id(reading)] = Judge(reading, destination)
        return found

    def _spoken(self, group: Group, firewall: Firewall) -> Spoken:
        """Return what has to pass, worked out once for all that spoke the same."""
        named = bool(group.from_zone)
        key = (
            *(firewall.device.platform, group.applications, group.functions, group.reason),
            named,
        )
        found = self._words.get(key)
        if found is None:
            found = self._words[key] = spoken_of(group, firewall.provider)
        return found

    def _keep(self, fate: Fate, flow: Flow, part: _Part) -> None:
        volume = volume_of(part.groups)
        standing = part.standing
        essential = (standing.conduit, standing.flow) in self._essential
        self._volumes[fate].add(volume)
        self._counts[fate] += essential
        self._tell(fate, part, essential=essential)
        order = (not essential, -volume.sessions, flow, part.why)
        if fate in self._last and order > self._last[fate]:
            return  # there are enough that come before it
        held = self._flows[fate]
        groups = [group for group, _ in part.groups]
        held.append(
            Replayed(
                fate=fate,
                flow=flow,
                standing=standing,
                essential=essential,
                why=part.why,
                volume=volume,
                applications=tuple(sorted({name for one in groups for name in one.applications})),
                users=tuple(sorted({one.user for one in groups if one.user})),
                witnesses=tuple(sorted({one.witness for one in groups})),
                steps=part.steps,
            )
        )
        if len(held) >= 4 * _most(fate):
            self._flows[fate] = sorted(held, key=_order)[: _most(fate)]
            self._last[fate] = _order(self._flows[fate][-1])

    def _tell(self, fate: Fate, part: _Part, *, essential: bool) -> None:
        """Take down whether it could be told what becomes of a flow, and on which firewalls."""
        told = fate != "cannot_tell"
        if essential:
            self._declared[told].add(f"{part.standing.conduit}.{part.standing.flow}")
        if told:
            for name in {step.device for step in part.steps}:
                self._through[name] = self._through.get(name, 0) + 1
            return
        flows, important = self._untold.get(part.why, (0, 0))
        self._untold[part.why] = flows + 1, important + essential

    def result(self) -> Replay:
        """Return the fates, in an order that does not depend on that of the input."""
        return Replay(
            volumes=self._volumes,
            flows={
                fate: tuple(sorted(held, key=_order)[: _most(fate)])
                for fate, held in self._flows.items()
            },
            essential=self._counts,
            miscalibrated=tuple(self._wrong[key] for key in sorted(self._wrong)),
            without_firewall=self._without,
            attempts=self._attempts,
            through=self._through,
            untold=self._untold,
            untold_essential=tuple(sorted(self._declared[False] - self._declared[True])),
            shown_less=self._less,
            beyond=self._behind,
        )


def _most(fate: Fate) -> int:
    return LISTED_CHANGES if fate in {"newly_dropped", "newly_allowed"} else LISTED


def _firewalls_first(one: Told[_Said]) -> tuple[bool, str, Group]:
    return not one.group.from_zone, one.said.why, one.group


def _inside(flow: Flow) -> str:
    return flow.inner or flow.destination


def _order(one: Replayed) -> tuple[bool, int, Flow, str]:
    return not one.essential, -one.volume.sessions, one.flow, one.why


def _logged(group: Group) -> Ruling:
    """Return what a witness says became of it; a sensor that saw both sides talk saw it pass."""
    if group.verdict != "unknown":
        return group.verdict
    return "allow" if group.completed == "yes" else "unknown"
