"""The history of drift in a database: what is open, since when, and who did it."""

from __future__ import annotations

from segctl.history.deliveries import claim, give_back
from segctl.history.location import locate, shown
from segctl.history.model import Entry, Filter, Observation, Recorded, Run, Seen, run_of
from segctl.history.patience import consult, patience
from segctl.history.reading import entries, standing
from segctl.history.recording import record
from segctl.history.store import opened

__all__ = [
    "Entry",
    "Filter",
    "Observation",
    "Recorded",
    "Run",
    "Seen",
    "claim",
    "consult",
    "entries",
    "give_back",
    "locate",
    "opened",
    "patience",
    "record",
    "run_of",
    "shown",
    "standing",
]
