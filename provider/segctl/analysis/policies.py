"""Policy tests: statements about sets of zones, such as "nobody but engineering may program".

A statement says what may pass between any of its sources and any of its destinations; whatever
else passes breaks it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from segctl.analysis.by_rule import Row, rows
from segctl.analysis.ends import End, end_of, hops_between
from segctl.analysis.space import NOTHING, Box, Names, Space
from segctl.compiler.naming import label
from segctl.compiler.topology import topology
from segctl.model.errors import Problem, nearest
from segctl.model.site import ACCESS_CLASSES, Source
from segctl.protocols import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.analysis.effective import Match
    from segctl.compiler.topology import Hop, Topology
    from segctl.model.site import Site, Zone
    from segctl.protocols import Naming

#: Stands for all zones.
ANY_ZONE = "any"
#: Stands for what the conduits between two zones declare.
CONDUITS = "conduits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Ends by name, or zones by kind and level, without some; nothing given means all zones."""

    names: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    levels: tuple[float, ...] = ()
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        """``enterprise``, ``zones of kind control``, ``any zone but engineering``."""
        said = ", ".join(self.names)
        if not self.names:
            of = [f"kind {' or '.join(self.kinds)}"] if self.kinds else []
            if self.levels:
                of.append(f"level {' or '.join(f'{one:g}' for one in self.levels)}")
            said = f"zones of {' and '.join(of)}" if of else "any zone"
        return f"{said} but {', '.join(self.without)}" if self.without else said


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTest:
    """What may pass from any of some ends to any of others.

    `permits` are uses such as ``modbus.read``, applications, or `CONDUITS`. With `of`, only these
    are looked at: uses, applications, or an access class of every protocol.
    """

    source: Selection
    destination: Selection
    permits: tuple[str, ...]
    of: tuple[str, ...] = ()
    name: str = ""
    declared: Source = field(default=Source(), compare=False)

    def __str__(self) -> str:
        """``policy enterprise → zones of kind control``."""
        return f"policy {self.name or f'{self.source} → {self.destination}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a test says of one pair of zones; `conduits` are the labels of those between them."""

    permits: tuple[str, ...]
    of: tuple[str, ...]
    conduits: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A test with its names resolved: pairs of ends that have firewalls between them."""

    test: PolicyTest
    pairs: tuple[tuple[End, End, tuple[Hop, ...], Statement], ...]


def resolved(
    tests: Iterable[PolicyTest], site: Site, near: frozenset[str], devices: frozenset[str]
) -> tuple[tuple[Tested, ...], tuple[Problem, ...]]:
    """Resolve tests against a site; return them, and problems for those that say nothing.

    Args:
        tests: the tests.
        site: where their names are looked up.
        near: the sites that a name without one refers to first.
        devices: the firewalls that can be asked; pairs between which none of them is are left out.
    """
    paths = topology(site.devices)
    found: list[Tested] = []
    problems: list[Problem] = []
    for test in tests:
        try:
            found.append(_resolved(test, site, near, paths, devices))
        except LookupError as error:
            message, hint = error.args
            where = test.declared
            problems.append(
                Problem(
                    message=f"{test}: {message}",
                    hint=hint,
                    file=where.file,
                    line=where.line,
                    column=where.column,
                )
            )
    return tuple(found), tuple(problems)


def _resolved(
    test: PolicyTest,
    site: Site,
    near: frozenset[str],
    paths: Topology,
    devices: frozenset[str],
) -> Tested:
    for word in test.permits:
        _known(word)
    for word in test.of:
        _known(word, alone=True)
    sources = tuple(_ends(test.source, site, near))
    destinations = tuple(_ends(test.destination, site, near))
    pairs = tuple(
        (source, destination, hops, _statement(test, site, source, destination))
        for source, destination in product(sources, destinations)
        if source.zone != destination.zone
        if (hops := hops_between(site.devices, source.zone, destination.zone, paths))
    )
    if not pairs:
        ends = {end.zone for end in (*sources, *destinations)}
        hint = f"it is about {', '.join(sorted(ends))}: correct the selection"
        raise LookupError("no firewall stands between its ends", hint)
    asked = tuple(pair for pair in pairs if devices.intersection(hop.device for hop in pair[2]))
    if not asked:
        between = sorted({hop.device for pair in pairs for hop in pair[2]})
        hint = f"include {', '.join(between)} in -l"
        raise LookupError("no selected firewall stands between its ends", hint)
    return Tested(test=test, pairs=asked)


def _statement(test: PolicyTest, site: Site, source: End, destination: End) -> Statement:
    labels = frozenset(
        label(conduit)
        for conduit in site.conduits
        if source.zone in conduit.from_zones and destination.zone in conduit.to_zones
    )
    return Statement(
        permits=test.permits,
        of=test.of,
        conduits=labels if CONDUITS in test.permits else frozenset(),
    )


def _ends(selection: Selection, site: Site, near: frozenset[str]) -> Iterator[End]:
    left_out = {end_of(word, site, near).zone for word in selection.without}
    if selection.names and selection.names != (ANY_ZONE,):
        found = [end_of(word, site, near) for word in selection.names]
        yield from (end for end in found if end.zone not in left_out)
        return
    chosen = [zone for zone in site.zones if _fits(zone, selection) and zone.key not in left_out]
    if not chosen:
        kinds = sorted({zone.kind for zone in site.zones if zone.kind})
        hint = f"kinds of the inventory: {', '.join(kinds) or 'none'}"
        raise LookupError(f"the inventory has no {selection}", hint)
    yield from (End(zone=zone.key, addresses=(), whole=True) for zone in chosen)


def _fits(zone: Zone, selection: Selection) -> bool:
    return (not selection.kinds or zone.kind in selection.kinds) and (
        not selection.levels or zone.level in selection.levels
    )


def _known(word: str, *, alone: bool = False) -> None:
    """Refuse a misspelt protocol or class; other words are applications of the platform."""
    protocol, dot, name = word.partition(".")
    known = catalogue().protocols
    if protocol in known and dot and name not in ACCESS_CLASSES:
        classes = ", ".join(ACCESS_CLASSES)
        raise LookupError(f"{protocol} has no access class {name!r}", f"use one of {classes}")
    if dot and protocol not in known and name in ACCESS_CLASSES:
        raise LookupError(f"{protocol!r} is not a protocol", nearest(protocol, known))
    if not alone and word in ACCESS_CLASSES:
        raise LookupError(f"{word!r} is an access class of no protocol", f"write modbus.{word}")


def names_of(words: Iterable[str], applications: Naming, *, split: bool) -> Names:
    """Return the applications of a platform that words of a test stand for.

    Args:
        words: uses, access classes, applications.
        applications: how the platform names what may be done of a protocol.
        split: whether the platform has applications of its own (or functions only).

    Raises:
        UnsupportedError: the platform cannot tell an access class apart.
    """
    known = catalogue()
    found: set[str] = set()
    for word in words:
        protocol, _, name = word.partition(".")
        if word in ACCESS_CLASSES:
            found |= _of_class(word, split=split)
        elif protocol in known.protocols:
            held = known.protocols[protocol]
            if name:
                found |= set(applications(held, (name,)).names)
            elif split:
                found |= {one.name for one in held.applications}
                found |= {one.name for one in held.usable}
            else:
                found |= {f"{protocol}.{each}" for each in ACCESS_CLASSES}
        else:
            found.add(word)
    return Names(frozenset(found))


def _of_class(word: str, *, split: bool) -> set[str]:
    """Return everything that is of an access class, whatever the protocol."""
    protocols = catalogue().protocols.values()
    if not split:
        return {f"{one.id}.{word}" for one in protocols}
    return {
        entry.name
        for one in protocols
        for entry in one.applications
        if entry.access_class == word or entry.single
    }


def excess(
    chain: Sequence[Match], region: Space, names: Names, conduits: Sequence[Match]
) -> tuple[Row, ...]:
    """Return what a chain permits of `region` beyond what a test permits.

    Args:
        chain: everything the firewall enforces between two zones.
        region: the packets that the test looks at.
        names: the applications that it permits.
        conduits: the rules that it permits, as they are declared.

    Raises:
        TooComplexError: the answer falls into too many pieces.
    """
    named = Space((Box(application=names),)) if names else NOTHING
    can = named | _joined(match.can for match in conduits)
    sure = named | _joined(match.sure for match in conduits)
    declared = {match.rule: match for match in conduits}
    held = {match.rule: match for match in chain}
    found: list[Row] = []
    for row in rows(chain, region):
        match, own = declared.get(row.rule), held[row.rule]
        if match and (match.can, match.sure) == (own.can, own.sure) and row.space.within(own.can):
            continue  # the conduit's own rule, word for word
        beyond = row.space - can if row.state == "permitted" else NOTHING
        perhaps = (row.space - sure) - beyond
        if beyond:
            found.append(Row(rule=row.rule, state="permitted", space=beyond.least()))
        if perhaps:
            why = row.why or tuple(dict.fromkeys(one for each in conduits for one in each.why))
            found.append(Row(rule=row.rule, state="cannot_tell", space=perhaps.least(), why=why))
    return tuple(found)


def _joined(parts: Iterable[Space]) -> Space:
    return Space(tuple(box for part in parts for box in part.boxes))
