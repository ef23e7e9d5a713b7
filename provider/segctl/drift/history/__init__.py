"""The history of drift in a database: what is open, since when, and who caused it."""

from __future__ import annotations

from segctl.drift.history.deliveries import claim, give_back
from segctl.drift.history.location import locate, shown
from segctl.drift.history.model import Entry, Filter, Observation, Recorded, Run, Seen, run_of
from segctl.drift.history.patience import consult, patience
from segctl.drift.history.reading import entries, standing
from segctl.drift.history.recording import record
from segctl.drift.history.store import must_exist, opened

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
    "must_exist",
    "opened",
    "patience",
    "record",
    "run_of",
    "shown",
    "standing",
]
