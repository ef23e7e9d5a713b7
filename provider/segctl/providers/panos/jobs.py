"""The jobs of a firewall: which are ours, how they end, how long segctl waits.

A job is ours by its number, or by its run's token in its description. segctl does not wait for jobs
of others, such as their downloads and commits.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from segctl.model.durations import format_duration
from segctl.model.errors import (
    ApplyError,
    BusyError,
    ConnectError,
    DeviceError,
    ParseError,
    UnknownError,
)
from segctl.providers.panos import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from segctl.providers.panos.client import Client
    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.location import Location
    from segctl.providers.panos.undo import Push
    from segctl.transports.target import Target

POLL_FIRST: Final = 0.1
POLL_MOST: Final = 2.0
#: Seconds within which a commit's job must appear if its answer was lost.
_TURNS_UP: Final = 1.0
_ALL: Final = "<show><jobs><all></all></jobs></show>"
_OVER: Final = "FIN"
#: Bytes of a commit's description (schema of operational commands: at most 512 characters).
DESCRIPTION_MOST: Final = 512
#: The type of a push to firewalls (recorded on 10.0): our own has the run's token, too.
PUSH: Final = "CommitAll"
#: Most places that a description names.
_MOST_BARE: Final = 16
#: Instead of digests: all of them are in records.
_RECORDED: Final = "recorded="

_ResultT = TypeVar("_ResultT")


#: Words for these types of jobs.
_WORDS = {"Commit": "commit", "Validate": "validation"}


class JobLostError(ApplyError):
    """The device has forgotten a job: only its configuration shows the outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The description of our commit in the lists of jobs and of versions.

    `doing` is ``apply`` or ``revert``, `token` is its run's, `before` a digest of what it replaces.
    Of a change in several places, `before` has those that it leaves without a record (`befores`).
    `note` is for people: it is cut where the whole would be too long.
    """

    doing: str
    token: str
    plan: str = ""
    before: str = ""
    note: str = ""

    def replaced(self, place: Location) -> str:
        """Return the digest of what it replaced in a place that has no record of it, or nothing."""
        if "=" not in self.before:
            return self.before
        return dict(one.split("=", 1) for one in self.before.split(",")).get(place.name, "")

    def __str__(self) -> str:
        """Return it as a description."""
        head = (
            f"segctl {self.doing} plan {self.plan or '-'} before {self.before or '-'} "
            f"run {self.token}"
        )
        whole = f"{head}; {self.note}" if self.note else head
        return whole.encode()[:DESCRIPTION_MOST].decode(errors="ignore")


def befores(pushes: Sequence[tuple[Location, Push]]) -> str:
    """Return the digests for the description of a commit that makes these pushes.

    Of several virtual systems, one with a record of the run has its digest there.
    """
    if len(pushes) > 1:
        pushes = [(place, push) for place, push in pushes if not push.recorded]
    elif pushes and pushes[0][0].rulebase:
        return pushes[0][1].before
    told = [f"{place.name}={push.before}" for place, push in pushes[:_MOST_BARE]]
    return ",".join(told) or _RECORDED


_DESCRIBED: Final = re.compile(
    r"segctl (apply|revert) plan (\S+) before (\S+) run ([0-9a-f]{8})(?:;\s?(.*))?", re.DOTALL
)


def read_commit(description: str) -> Commit | None:
    """Parse one of our descriptions; None for any other."""
    match = _DESCRIBED.fullmatch(description.strip())
    if match is None:
        return None
    doing, plan, before, token, note = match.groups("")
    return Commit(
        doing=doing, token=token, plan=plan.strip("-"), before=before.strip("-"), note=note
    )


@dataclass(slots=True)
class Jobs:
    """Waits for our jobs on one device; `warnings` collects their warnings."""

    client: Client
    target: Target
    progress: Callable[[str], None]
    warnings: list[str] = field(default_factory=list[str])
    last: int = 0

    def deadline(self) -> float:
        """Return the deadline of a step that begins now."""
        return time.monotonic() + self.target.commit_timeout

    def patiently(self, act: Callable[[], _ResultT], deadline: float) -> _ResultT:
        """Repeat a call that the device may refuse for now, until it succeeds or time is over.

        Raises:
            BusyError: it was still refused at `deadline`.
        """
        pause = POLL_FIRST
        while True:
            try:
                return act()
            except BusyError as error:
                if time.monotonic() + pause > deadline:
                    raise BusyError(
                        self.target.name,
                        f"{error.message}, and it did not end within "
                        f"{format_duration(self.target.commit_timeout)} (segctl_commit_timeout): "
                        "try again later",
                    ) from error
                self.progress(f"waiting: {error.message}")
            time.sleep(pause)
            pause = min(pause * 2, POLL_MOST)

    def wait(self, number: str, kind: str, deadline: float) -> None:
        """Wait for our job; an interrupt (Ctrl-C) takes effect once the device is done.

        Args:
            number: the job's number.
            kind: its type, ``Commit`` or ``Validate``.
            deadline: when to give up, by the monotonic clock.

        Raises:
            ApplyError: the job failed; the message has the device's own lines.
            JobLostError: the device no longer knows it.
            UnknownError: a commit did not end by `deadline`, or its end was not observed.
            BusyError: a validation did not end by `deadline`.
            ConnectError: the end of a validation was not observed.
        """
        self.last = max(self.last, _number(number))
        what, pause, interrupted = _WORDS[kind], POLL_FIRST, False
        while True:
            try:
                job = self._job(number)
                if job is not None and self._is_over(job, number, kind):
                    break
                if job is not None:
                    self.progress(f"{what} {job.findtext('progress') or '0'} %")
                if time.monotonic() > deadline:
                    raise self._endless(number, kind, seen=job is not None)
                time.sleep(pause)
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                self.progress(f"interrupted: waiting for the {what} to end, then going back")
            pause = min(pause * 2, POLL_MOST)
        self.note(job)
        if job.findtext("result") != "OK":
            why = answers.told(job.find("details"))
            raise ApplyError(
                self.target.name, f"{what} job {number} failed, nothing changed: {why}"
            )
        if interrupted:
            raise KeyboardInterrupt

    def _endless(self, number: str, kind: str, *, seen: bool = True) -> DeviceError:
        name, seconds = self.target.name, self.target.commit_timeout
        what = "did not end" if seen else "was not seen to end: the device gives no answer"
        limit = f"{format_duration(seconds)} (segctl_commit_timeout)"
        text = f"{_WORDS[kind]} job {number} {what} within {limit}"
        if kind == "Commit":
            return UnknownError(name, f"{text}; its change may still go live")
        error = BusyError if seen else ConnectError
        return error(name, f"{text}; nothing changed")

    def _is_over(self, job: Element, number: str, kind: str) -> bool:
        """Whether a job has ended; after a restart another one may have its number."""
        job_type = job.findtext("type") or ""
        if job_type == "Failed-Job":
            why = answers.told(job.find("details"))
            raise ApplyError(self.target.name, f"{_WORDS[kind]} job {number}: {why}")
        if not job_type.startswith(kind) or (job.findtext("user") or "") not in self._users():
            raise JobLostError(self.target.name, f"{_WORDS[kind]} job {number} is gone")
        return job.findtext("status") == _OVER

    def note(self, job: Element) -> None:
        """Record a job's warnings, each line once."""
        for line in answers.warnings_of(job):
            if line not in self.warnings:
                self.warnings.append(line)

    def _job(self, number: str) -> Element | None:
        try:
            answer = self.client.op(f"<show><jobs><id>{number}</id></jobs></show>")
        except (ConnectError, ParseError, BusyError):
            return None  # the management service may be busy; the deadline decides
        except ApplyError as error:
            raise JobLostError(
                self.target.name, f"job {number} is gone: {error.message}"
            ) from error
        return answer.find("result/job")

    def _users(self) -> Sequence[str]:
        """Return a job's users; some releases do not name them (recorded on 10.0)."""
        return ("", self.target.user)

    # --- jobs whose number is unknown ------------------------------------------------------

    def ours(self, tokens: Iterable[str]) -> list[Element]:
        """Return the commits of some of our runs, latest first.

        A job without description counts if it is newer than the last one we know.
        """
        wanted = tuple(tokens)
        answer = self.client.op(_ALL)
        numbered: list[tuple[int, Element]] = []
        for job in answer.iterfind("result/job"):
            if not (job.findtext("type") or "").startswith("Commit"):
                continue
            if (job.findtext("user") or "") not in self._users():
                continue
            text = job.findtext("description") or ""
            said, number = read_commit(text), _number(_id(job))
            nameless = not text and self.last and number > self.last
            if nameless or (said is not None and said.token in wanted):
                numbered.append((number, job))
        return [job for _, job in sorted(numbered, key=lambda pair: -pair[0])]

    def turned_up(self, token: str, deadline: float) -> str:
        """Return the number of a run's commit job whose answer was lost; empty for none.

        Raises:
            ConnectError: the device did not come back by `deadline`.
        """
        began, pause, told = time.monotonic(), POLL_FIRST, False
        while True:
            try:
                jobs = [
                    job
                    for job in self.ours([token])
                    if _number(_id(job)) > self.last and job.findtext("type") != PUSH
                ]
                told = True
            except (ConnectError, ParseError, BusyError):
                if time.monotonic() > deadline:
                    raise
                jobs = []
            if jobs:
                return _id(jobs[0])
            now = time.monotonic()
            if told and now > min(deadline, began + min(_TURNS_UP, self.target.timeout)):
                return ""
            time.sleep(pause)
            pause = min(pause * 2, POLL_MOST)

    def settle(self, tokens: Iterable[str], deadline: float) -> Sequence[Element]:
        """Wait until no commit of these runs is in progress; return their commits.

        Raises:
            UnknownError: a commit does not end by `deadline`.
            ConnectError: the device did not come back by `deadline`.
        """
        wanted, pause = tuple(tokens), POLL_FIRST
        while True:
            late = time.monotonic() > deadline
            try:
                jobs = self.ours(wanted)
            except (ConnectError, ParseError, BusyError):
                if late:
                    raise
            else:
                running = [job for job in jobs if job.findtext("status") != _OVER]
                if not running:
                    return jobs
                if late:
                    raise self._endless(_id(running[0]), "Commit")
            time.sleep(pause)
            pause = min(pause * 2, POLL_MOST)


def last_commit(jobs: Sequence[Element]) -> Commit | None:
    """Return the latest of our commits that succeeded."""
    for job in jobs:
        said = read_commit(job.findtext("description") or "")
        done = job.findtext("result") == "OK" and job.findtext("type") != PUSH
        if said is not None and done:
            return said
    return None


def _id(job: Element) -> str:
    return job.findtext("id") or ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
