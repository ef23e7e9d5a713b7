"""The rehearsal of a plan as part of the plan's document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

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
    values = dict(document)
    return Rehearsal(
        **values
        | {
            "inputs": Inputs(**values["inputs"]),
            "fates": {name: Fate(**one) for name, one in values["fates"].items()},
            "witnesses": tuple(Heard(**one) for one in values["witnesses"]),
            "dropped": tuple(
                Lost(**one | {"applications": tuple(one["applications"]), "by": tuple(one["by"])})
                for one in values["dropped"]
            ),
            "untold": tuple(Untold(**one) for one in values["untold"]),
            "untold_essential": tuple(cast("list[str]", values["untold_essential"])),
            "contradicted": tuple(cast("list[str]", values["contradicted"])),
        }
    )
