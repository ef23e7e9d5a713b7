"""All of a discovery: what is proposed, at three grades, what is asked, what is only listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.observe.discover.conduits import conduits_of
from segctl.observe.discover.context import Context
from segctl.observe.discover.draft import drafted
from segctl.observe.discover.judge import OUTCOMES, judged
from segctl.observe.discover.propose import GRADES, new_assets, pairs_of, permits_of, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from segctl.model.site import Site
    from segctl.observe.coverage import Coverage
    from segctl.observe.discover.conduits import Proposed
    from segctl.observe.discover.draft import Draft
    from segctl.observe.discover.evidence import Evidence
    from segctl.observe.discover.judge import Judged, Outcome
    from segctl.observe.discover.pools import Pool
    from segctl.observe.discover.propose import Grade, Permits


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a discovery is asked for: the grade, ranges of leases from and to, names by address."""

    grade: Grade
    today: date
    leases: tuple[tuple[str, str], ...] = ()
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What ended alike: groups of records, flows, sessions of the witness that saw most."""

    groups: int = 0
    flows: int = 0
    sessions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """What becomes of all that was seen.

    `site` is the one that was judged by, drafted where `draft` is. `assets` are addresses by name,
    by the zone (key) that does not declare them.
    """

    site: Site
    draft: Draft | None
    judged: tuple[Judged, ...]
    proposals: tuple[Proposed, ...]
    assets: Mapping[str, Mapping[str, str]]
    permits: tuple[Permits, ...]
    grade: Grade
    pools: tuple[Pool, ...]
    totals: Mapping[Outcome, Total]


def discovered(
    site: Site | None, evidence: Evidence, coverage: Coverage, asked: Asked
) -> Discovered:
    """Judge what was read, and propose what is not declared; the evidence is closed then.

    Args:
        site: what is declared; None drafts zones and assets.
        evidence: what was read.
        coverage: what it can show.
        asked: how to propose.
    """
    firewalls = frozenset(
        one.name
        for one in coverage.witnesses
        if any(name.startswith("PAN-OS") for name in one.formats)
    )
    draft = drafted(evidence, firewalls, asked.names) if site is None else None
    declared = draft.site if draft is not None else site
    if declared is None:
        raise ValueError("a site is declared or drafted")
    context = Context(
        declared, evidence, coverage, asked.today, leases=asked.leases, names=asked.names
    )
    found = judged(context)
    evidence.close()  # what is judged holds what it needs
    pairs = pairs_of(found, context)
    taken = [conduit.key for conduit in declared.conduits]
    permits: list[Permits] = []
    chosen: tuple[Proposed, ...] = ()
    assets: Mapping[str, Mapping[str, str]] = {}
    for grade in GRADES:
        rules = rules_of(pairs, grade, found, context)
        conduits = conduits_of(rules, taken, asked.today)
        permits.append(permits_of(grade, rules, len(conduits), context))
        if grade == asked.grade:
            chosen, assets = conduits, new_assets(rules, context)
    return Discovered(
        site=declared,
        draft=draft,
        judged=found,
        proposals=chosen,
        assets=assets,
        permits=tuple(permits),
        grade=asked.grade,
        pools=context.pools,
        totals=_totals(found),
    )


def _totals(found: Iterable[Judged]) -> Mapping[Outcome, Total]:
    groups = dict.fromkeys(OUTCOMES, 0)
    sessions = dict.fromkeys(OUTCOMES, 0)
    flows: dict[Outcome, set[object]] = {name: set() for name in OUTCOMES}
    for one in found:
        volume = one.part.volume()
        groups[one.outcome] += volume.groups
        sessions[one.outcome] += volume.sessions
        flows[one.outcome].add(one.part.ends)
    return {
        name: Total(groups=groups[name], flows=len(flows[name]), sessions=sessions[name])
        for name in OUTCOMES
    }
