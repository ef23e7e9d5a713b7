"""What a report is evidence of: when it was made, by which segctl, of what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import segctl
from segctl.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

#: So much of a digest is shown to people: the algorithm and twelve digits.
_DIGEST = len("sha256:") + 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a report is evidence of.

    `date` is in ISO 8601, `commit` that of the inventory, empty where it is in no repository;
    `dirty` says whether it has edits beside that. `inventory` are the sources as they were given
    and `digest` is of what they said, empty where they could not be read. `devices` are those that
    were read.
    """

    date: str
    inventory: tuple[str, ...]
    commit: str = ""
    dirty: bool = False
    digest: str = ""
    devices: tuple[str, ...] = ()
    segctl_version: str = segctl.__version__


def provenance_json(made: Provenance) -> dict[str, Any]:
    """Return it as it stands in documents."""
    return {
        "date": made.date,
        "segctl_version": made.segctl_version,
        "inventory": list(made.inventory),
        "git_commit": made.commit,
        "dirty": made.dirty,
        "digest": made.digest,
        "devices": list(made.devices),
    }


def provenance_pairs(made: Provenance) -> Iterator[tuple[str, str]]:
    """Yield it as labels with their texts."""
    yield "date", made.date
    yield "segctl", made.segctl_version
    yield "inventory", ", ".join(made.inventory)
    edits = " with uncommitted edits" if made.dirty else ""
    yield "commit", f"{made.commit[:12]}{edits}" if made.commit else "none"
    if made.digest:
        yield "inventory digest", made.digest[:_DIGEST]
    yield "devices read", ", ".join(made.devices) or "none"


def provenance_text(made: Provenance) -> Iterator[Line]:
    """Yield it as one line, below a report."""
    text = " · ".join(f"{label} {value}" for label, value in provenance_pairs(made))
    yield Line(text=text, style="dim")
