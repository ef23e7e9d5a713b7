"""The rehearsal of a plan as part of the plan's document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from segctl.planning.rehearsal import Fate, Heard, Inputs, Lost, Rehearsal, Untold

if TYPE_CHECKING:
    from collections.abc import Mapping


def rehearsal_json(one: Rehearsal) -> dict[str, Any]:
    """Return a rehearsal as a plan's document holds it."""
    return asdict(one) | {
        "fates": {name: asdict(fate) for name, fate in one.fates.items()},
        "witnesses": [asdict(heard) for heard in one.witnesses],
        "dropped": [
            asdict(lost) | {"applications": list(lost.applications), "by": list(lost.by)}
            for lost in one.dropped
        ],
        "untold": [asdict(untold) for untold in one.untold],
        "untold_essential": list(one.untold_essential),
        "judged": dict(one.judged),
        "not_judged": dict(one.not_judged),
        "contradicted": list(one.contradicted),
    }


def rehearsal_of(document: Mapping[str, Any]) -> Rehearsal:
    """Return the rehearsal that part of a plan's document describes.

    Raises:
        TypeError: a part is missing, or is one that this segctl does not know.
    """
    values: dict[str, Any] = dict(document)
    values["inputs"] = Inputs(**values["inputs"])
    values["fates"] = {name: Fate(**one) for name, one in values["fates"].items()}
    values["witnesses"] = tuple(Heard(**one) for one in values["witnesses"])
    values["dropped"] = tuple(map(_lost, values["dropped"]))
    values["untold"] = tuple(Untold(**one) for one in values["untold"])
    values["untold_essential"] = tuple(values["untold_essential"])
    values["contradicted"] = tuple(values["contradicted"])
    return Rehearsal(**values)


def _lost(document: Mapping[str, Any]) -> Lost:
    values: dict[str, Any] = dict(document)
    values["applications"] = tuple(values["applications"])
    values["by"] = tuple(values["by"])
    return Lost(**values)
