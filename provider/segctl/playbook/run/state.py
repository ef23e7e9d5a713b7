"""The state file of a rollout: what to resume, and which devices are done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from segctl.model.errors import UsageError
from segctl.system import storage
from segctl.system.inert import json_text
from segctl.system.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from segctl.playbook import Playbook
    from segctl.playbook.run.results import PlayResult

FORMAT_VERSION = "1.0"
KIND = "segctl rollout"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far a rollout has come.

    `done` are the completed devices by play (from 1). `begun` are those whose wave was started; a
    killed run may have changed them without probing them. The rollout was started with `tags` and
    `skip_tags`. `reviewed` is the id and digest of the reviewed plan, if one was given.
    """

    rollout_id: str
    playbook: str
    digest: str
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    reviewed: tuple[str, str] | None = None
    done: Mapping[int, frozenset[str]] = field(default_factory=dict[int, frozenset[str]])
    begun: Mapping[int, frozenset[str]] = field(default_factory=dict[int, frozenset[str]])
    soak_until: datetime | None = None

    def after(self, plays: Iterable[PlayResult], soak_until: datetime | None) -> State:
        """Return the state after these plays' waves have ended."""
        done = {number: set(names) for number, names in self.done.items()}
        for play in plays:
            for wave in play.waves:
                found = done.setdefault(play.number, set())
                found.update(one.device for one in wave.devices if one.well)
        return replace(
            self,
            done={number: frozenset(names) for number, names in done.items()},
            soak_until=soak_until,
        )

    def beginning(self, play: int, devices: Iterable[str]) -> State:
        """Return the state when a wave of these devices is about to begin."""
        found = self.begun.get(play, frozenset()) | frozenset(devices)
        return replace(self, begun={**self.begun, play: found})

    def dumps(self) -> str:
        """Return the text of the state file."""
        document = {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "rollout_id": self.rollout_id,
            "playbook": self.playbook,
            "digest": self.digest,
            "tags": list(self.tags),
            "skip_tags": list(self.skip_tags),
            "reviewed": list(self.reviewed) if self.reviewed else None,
            "done": {str(number): sorted(names) for number, names in sorted(self.done.items())},
            "begun": {str(number): sorted(names) for number, names in sorted(self.begun.items())},
            "soak_until": self.soak_until.isoformat() if self.soak_until else None,
        }
        return json_text(document) + "\n"


def load_state(path: Path, playbook: Playbook) -> State:
    """Read a state file.

    Raises:
        UsageError: it cannot be read, is not a state file, or belongs to another playbook.
    """
    try:
        found = read_json(storage.read(path))
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}: a rollout cannot be resumed without its state file; "
            "run it without --resume: devices that are done are recognised and left alone"
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is not the state file of a rollout: {error}") from error
    try:
        state = _state(cast("dict[str, Any]", found))
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UsageError(f"{path} is not the state file of a rollout, or it is damaged") from error
    if state.digest != playbook.digest:
        raise UsageError(
            f"{path} belongs to another playbook than {playbook.file}, or {playbook.file} has "
            "changed since: start again without --resume; devices that are done are recognised "
            "and left alone"
        )
    return state


def _state(document: Mapping[str, Any]) -> State:
    if document["kind"] != KIND or str(document["format_version"]).split(".")[0] != "1":
        raise KeyError(KIND)
    until = document["soak_until"]
    reviewed = document["reviewed"]
    return State(
        rollout_id=_text(document["rollout_id"]),
        playbook=_text(document["playbook"]),
        digest=_text(document["digest"]),
        tags=_texts(document["tags"]),
        skip_tags=_texts(document["skip_tags"]),
        reviewed=(_text(reviewed[0]), _text(reviewed[1])) if reviewed else None,
        done=_by_play(document["done"]),
        begun=_by_play(document.get("begun", {})),
        soak_until=_moment(_text(until)) if until else None,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_text, cast("list[object]", value)))


def _by_play(value: Mapping[str, object]) -> dict[int, frozenset[str]]:
    return {int(number): frozenset(_texts(names)) for number, names in value.items()}


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError
    return found.astimezone(UTC)
