"""A PAN-OS provider's harness for a high-availability pair: two mock firewalls that are one."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from segctl.providers.panos.snapshot import load
from segctl.transports.target import Member
from support.panos import ANCHOR, RULES, PanosBench, PanosHarness, boot, other_rule, target_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from segctl.transports.target import Target
    from segctl_mocks import PanosMock, PanosPair


@dataclass(slots=True)
class PairBench(PanosBench):
    """Two mock firewalls under test; `mock` is the one that others work on."""

    pair: PanosPair = field(kw_only=True)
    patience: float = 60
    severed: int = 0

    @property
    def target(self) -> Target:
        first, second = (target_of(mock, commit_timeout=self.patience) for mock in self.pair.mocks)
        return replace(first, members=(Member(name=second.name, host=second.host, way=second),))

    @property
    def locks(self) -> int:
        return sum(len(mock.device.locks.held) for mock in self.pair.mocks)

    @property
    def writes(self) -> int:
        return sum(mock.writes for mock in self.pair.mocks)

    def printed(self) -> str:
        """Return what enforces now, with a mark where a failover would change it."""
        alike = "" if self.pair.synchronized else "not synchronized\n"
        return alike + PanosBench.printed(self)

    def sever(self, request: int, how: Literal["before", "after", "within"]) -> None:
        """Let the line to one of the two drop: to the active one more often."""
        kind = {"before": "drop_before", "after": "drop_after", "within": "drop_at"}[how]
        mock = self.pair.passive if request % 4 == 3 else self.pair.active
        mock.fail(kind, skip=request)

    def mend(self) -> None:
        for mock in self.pair.mocks:
            mock.device.faults.waiting.clear()

    def failover(self) -> None:
        """Let the members change places; others work on the one that is active then."""
        self.pair.failover()
        self.mock = self.pair.active

    def holds(self, text: bytes) -> tuple[bool, bool]:
        """Whether each member enforces, or would, what has this text in it."""
        first, second = (text in mock.running() for mock in self.pair.mocks)
        return first, second


@dataclass(slots=True)
class PairHarness(PanosHarness):
    """The PAN-OS provider against pairs; fresh devices for each example."""

    pair: PanosPair = field(kw_only=True)

    @contextmanager
    def workbench(self) -> Generator[PairBench]:
        for mock in self.pair.mocks:
            boot(mock, self.config)
        self.pair.boot(self.pair.first.device, self.pair.second.device)
        self.mock.edit("set", RULES, other_rule(ANCHOR), commit=True)
        bench = PairBench(self.mock, self.parts, pair=self.pair)
        if not self.parts:
            with self.provider.connect(bench.target, read_only=True) as session:
                found = load(session.read()).parts
            self.parts = {name: bytes(part) for name, part in found.items()}
            bench.parts = self.parts
        yield bench


def harness(pair: PanosPair, parts: Mapping[str, bytes] | None = None) -> PairHarness:
    """Return a harness for a pair that is served."""
    first: PanosMock = pair.first
    return PairHarness(first, parts=parts or {}, pair=pair)
