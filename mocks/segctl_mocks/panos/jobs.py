"""Jobs: queued, active, finished, by the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from xml.sax.saxutils import escape

from segctl_mocks.panos.answers import ApiError

Clock: TypeAlias = Callable[[], float]


#: Jobs that wait for each other; downloads and the like run beside them.
COMMITTING = frozenset({"Commit", "CommitAll", "Validate", "AutoCom"})


def stamp(seconds: float) -> str:
    """Write a time as the device does."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y/%m/%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended."""

    ok: bool
    details: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Job:
    """One job; ``begin`` runs when it starts, ``work`` when its time is over.

    Work that has no outcome yet is asked again. ``tail`` writes what follows the progress of a job
    that reports something else than details and warnings.
    """

    number: int
    kind: str
    user: str
    description: str
    queued_at: float
    starts_at: float
    ends_at: float
    work: Callable[[], Outcome | None]
    outcome: Outcome | None = None
    stuck: bool = False
    lost: bool = False
    begin: Callable[[], None] | None = None
    tail: Callable[[], str] | None = None

    def status(self, now: float) -> str:
        """Say PEND, ACT or FIN."""
        if self.outcome is not None:
            return "FIN"
        return "PEND" if now < self.starts_at else "ACT"

    def progress(self, now: float) -> int:
        """Say how far it is, in percent."""
        if self.outcome is not None:
            return 100
        span = max(self.ends_at - self.starts_at, 1e-9)
        return max(0, min(99, int(100 * (now - self.starts_at) / span)))

    def to_xml(self, now: float, release: tuple[int, ...]) -> str:
        """Write the job as ``show jobs`` does (observed on 8.1, 10.0 and 11.1)."""
        if self.lost:
            # A job lost in a restart has neither id nor status (vendor's Ansible issue 533).
            return (
                "<job><type>Failed-Job</type><details><line>job failed because of configd restart"
                "</line></details><warnings/></job>"
            )
        status, percent = self.status(now), self.progress(now)
        active = status != "FIN"
        outcome = self.outcome or Outcome(ok=False, details=())
        verdict = "PEND" if active else ("OK" if outcome.ok else "FAIL")
        stoppable = "yes" if status == "ACT" and percent < 99 else "no"
        full_date = release >= (11,)
        ended = stamp(self.ends_at) if full_date else stamp(self.ends_at)[11:]
        queued = "YES" if status == "PEND" else "NO"
        return (
            f"<job><tenq>{stamp(self.queued_at)}</tenq><tdeq>{stamp(self.starts_at)[11:]}</tdeq>"
            f"<id>{self.number}</id><user>{escape(self.user)}</user><type>{self.kind}</type>"
            f"<status>{status}</status><queued>{queued}</queued>"
            f"<stoppable>{stoppable}</stoppable><result>{verdict}</result>"
            f"<tfin>{'Still Active' if active else ended}</tfin>"
            f"<description>{escape(self.description)}</description>"
            f"<positionInQ>{1 if status == 'PEND' else 0}</positionInQ>"
            f"<progress>{percent}</progress>"
            f"{self.tail() if self.tail is not None else _tail(outcome)}</job>"
        )


def _tail(outcome: Outcome) -> str:
    return (
        f"<details>{lines_xml(outcome.details)}</details>"
        f"<warnings>{lines_xml(outcome.warnings)}</warnings>"
    )


def lines_xml(lines: tuple[str, ...]) -> str:
    """Write lines as jobs report them: marked characters and leading blanks in CDATA."""
    written: list[str] = []
    for line in lines:
        special = "<" in line or "&" in line or line.startswith(" ")
        cdata = special and "]]>" not in line
        written.append(f"<line><![CDATA[{line}]]></line>" if cdata else _plain(line))
    return "".join(written)


def _plain(line: str) -> str:
    return f"<line>{escape(line)}</line>"


@dataclass(slots=True)
class Jobs:
    """All jobs of a device; of commits and validations one runs at a time."""

    clock: Clock
    jobs: list[Job] = field(default_factory=list[Job])
    last_number: int = 0

    def submit(
        self,
        kind: str,
        user: str,
        description: str,
        seconds: float,
        work: Callable[[], Outcome | None],
        *,
        stuck: bool = False,
        lost: bool = False,
        begin: Callable[[], None] | None = None,
        tail: Callable[[], str] | None = None,
    ) -> Job:
        """Queue a job; a stuck one never ends, a lost one is forgotten by the device."""
        now = self.clock()
        waiting = [job.ends_at for job in self.committing if not job.stuck]
        starts = max([now, *waiting]) if kind in COMMITTING else now
        self.last_number += 1
        job = Job(
            number=self.last_number,
            kind=kind,
            user=user,
            description=description,
            queued_at=now,
            starts_at=starts,
            ends_at=starts + seconds,
            work=work,
            stuck=stuck,
            lost=lost,
            begin=begin,
            tail=tail,
        )
        self.jobs.append(job)
        self.settle()
        return job

    def settle(self) -> None:
        """End the jobs whose time is over, in order."""
        now = self.clock()
        for job in self.jobs:
            if job.begin is not None and now >= job.starts_at:
                begin, job.begin = job.begin, None
                begin()
            if job.outcome is None and not job.stuck and now >= job.ends_at:
                job.outcome = job.work()
                job.ends_at = job.ends_at if job.outcome is not None else now

    @property
    def committing(self) -> list[Job]:
        """The jobs that are not over and stand in the queue of commits."""
        return [job for job in self.active if job.kind in COMMITTING]

    @property
    def active(self) -> list[Job]:
        """The jobs that are not over."""
        return [job for job in self.jobs if job.outcome is None]

    def find(self, number: str) -> Job:
        """Return a job; an unknown one is error 7 (observed on 11.1)."""
        for job in self.jobs:
            if str(job.number) == number:
                return job
        raise ApiError("7", f"job {number} not found")
