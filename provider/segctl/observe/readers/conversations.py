"""Functions of protocols, kept until the connection that they belong to is told of.

Sensors write them to a log of their own, at once; the connection follows when it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from segctl.observe.duplicates import marked
from segctl.observe.functions import MOST_FUNCTIONS, functions_of
from segctl.observe.observation import Group, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.observe.observation import Flow, Function

#: So many conversations are kept; of more, the oldest stand by themselves.
MOST_KEPT: Final = 100_000


@dataclass(slots=True, kw_only=True)
class _Talk:
    """What was seen of one conversation."""

    flow: Flow
    witness: str
    source_port: int
    start: float
    end: float
    functions: set[Function] = field(default_factory=set["Function"])


class Conversations:
    """Functions by the key that a sensor gave to the conversation, and who asked."""

    def __init__(self, most: int = MOST_KEPT, *, alone: bool = False) -> None:
        """Keep `most` conversations; `alone`, remember which were asked for, to be joined."""
        self._most, self._peak = most, 0
        self._touched: set[int] | None = set() if alone else None
        self._talks: dict[tuple[str, str], _Talk] = {}

    def add(  # noqa: PLR0917 - called for every message
        self,
        key: str,
        flow: Flow,
        witness: str,
        source_port: int,
        when: float,
        function: Function,
    ) -> Observation | None:
        """Take down a function; return a conversation that is too old to be kept."""
        talk = self._talks.get((key, flow.source))
        if talk is None:
            self._touch(key, flow.source)
            talk = self._talks[key, flow.source] = _Talk(
                flow=flow, witness=witness, source_port=source_port, start=when, end=when
            )
        talk.start, talk.end = min(talk.start, when), max(talk.end, when)
        if len(talk.functions) <= MOST_FUNCTIONS:
            talk.functions.add(function)
        self._peak = max(self._peak, len(self._talks))
        if len(self._talks) <= self._most:
            return None
        return _alone(self._talks.pop(next(iter(self._talks))))

    def take(self, key: str, source: str) -> tuple[Function, ...]:
        """Return the functions that a source asked for in a conversation, and forget them."""
        self._touch(key, source)
        if not self._talks:
            return ()
        talk = self._talks.pop((key, source), None)
        return functions_of(talk.functions) if talk is not None else ()

    def _touch(self, key: str, source: str) -> None:
        if self._touched is not None:
            self._touched.add(marked((key, source)))

    def apart(self, other: Conversations) -> bool:
        """Whether nobody in `other` asked for what is kept here, and there is room for both."""
        if not self._talks:
            return other._peak <= self._most
        touched = other._touched or ()
        room = len(self._talks) + other._peak <= self._most
        return room and not any(marked(key) in touched for key in self._talks)

    def join(self, other: Conversations) -> None:
        """Keep what was kept there."""
        self._talks |= other._talks

    def alone(self) -> Iterator[Observation]:
        """Yield conversations of which no connection was told: they may last on."""
        yield from map(_alone, self._talks.values())
        self._talks.clear()


def _alone(talk: _Talk) -> Observation:
    functions = functions_of(talk.functions)
    group = Group(
        flow=talk.flow,
        witness=talk.witness,
        applications=tuple(sorted({one.protocol for one in functions})),
        functions=functions,
        reason="no record of the connection",
        completed="unknown",
    )
    return Observation(group, talk.start, talk.end, talk.source_port, 1, 0)
