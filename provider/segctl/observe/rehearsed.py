"""A replay as the rehearsal that a plan keeps: bounded, and the same for files in any order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.observe.replay import FATES
from segctl.observe.times import when_text
from segctl.planning.rehearsal import Fate, Heard, Inputs, Lost, Rehearsal, Untold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.observe.coverage import WitnessCoverage
    from segctl.observe.reading import Reading
    from segctl.observe.replay import Replay, Replayed

#: So many flows are kept that are dropped and not essential, reasons, rules and witnesses; of
#: essential flows it is all that a replay lists.
KEPT: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Of what a rehearsal is: digests of what the plan does and of the inventory, and when."""

    policy: str
    inventory: str
    made: str


def rehearsal(
    occasion: Occasion, reading: Reading, replay: Replay, not_judged: Mapping[str, str]
) -> Rehearsal:
    """Return what a plan keeps of a replay.

    Args:
        occasion: which plan it is of, and when.
        reading: the records that were replayed, read with their digests.
        replay: what would become of them.
        not_judged: why firewalls could not be judged, by name.
    """
    witnesses = reading.coverage.witnesses
    firsts = [one.first for one in witnesses if one.first is not None]
    lasts = [one.last for one in witnesses if one.last is not None]
    return Rehearsal(
        policy=occasion.policy,
        inventory=occasion.inventory,
        made=occasion.made,
        timezone=reading.coverage.timezone,
        first=when_text(min(firsts, default=None)) or "",
        last=when_text(max(lasts, default=None)) or "",
        records=reading.coverage.records,
        refused=reading.coverage.refused,
        inputs=_inputs(reading.digests),
        witnesses=tuple(map(_heard, witnesses[:KEPT])),
        fates={
            fate: Fate(
                flows=replay.volumes[fate].flows,
                sessions=replay.volumes[fate].sessions,
                essential=replay.essential[fate],
            )
            for fate in FATES
        },
        dropped=tuple(_dropped(replay)),
        untold=tuple(_untold(replay)),
        untold_essential=replay.untold_essential,
        judged=dict(sorted(replay.through.items())),
        not_judged=dict(sorted(not_judged.items())),
        contradicted=tuple(
            f"{one.device}: {one.rule}: logged {one.logged}, our model says {one.model}"
            for one in replay.miscalibrated[:KEPT]
        ),
    )


def _inputs(digests: tuple[str, ...]) -> Inputs:
    lines = "".join(f"{one}\n" for one in sorted(digests))
    return Inputs(files=len(digests), digest=f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}")


def _heard(one: WitnessCoverage) -> Heard:
    return Heard(
        name=one.name,
        records=one.records,
        first=when_text(one.first) or "",
        last=when_text(one.last) or "",
        gaps=one.gap_count,
        gap_seconds=round(one.gap_seconds),
        duplicates=one.duplicates,
        sampled=one.sampled,
        limited=one.limited,
    )


def _dropped(replay: Replay) -> Iterator[Lost]:
    others = 0
    for one in replay.flows["newly_dropped"]:
        others += not one.essential
        if one.essential or others <= KEPT:
            yield _lost(one)


def _lost(one: Replayed) -> Lost:
    return Lost(
        source=one.flow.source,
        destination=one.flow.destination,
        protocol=one.flow.protocol,
        port=one.flow.port,
        applications=one.applications,
        conduit=one.standing.conduit,
        flow=one.standing.flow,
        essential=one.essential,
        sessions=one.volume.sessions,
        last=when_text(one.volume.last) or "",
        by=tuple(
            f"{step.device}: {step.rule or 'no rule'}"
            for step in one.steps
            if step.ruling == "deny"
        ),
    )


def _untold(replay: Replay) -> Iterator[Untold]:
    """Yield the reasons, those of essential flows first; the rest is one of them."""
    ordered = sorted(replay.untold.items(), key=lambda item: (-item[1][1], -item[1][0], item[0]))
    for why, (flows, essential) in ordered[:KEPT]:
        yield Untold(why=why, flows=flows, essential=essential)
    rest = [counts for _, counts in ordered[KEPT:]]
    if rest:
        flows, essential = (sum(column) for column in zip(*rest, strict=True))
        yield Untold(why=f"{len(rest)} other reasons", flows=flows, essential=essential)
