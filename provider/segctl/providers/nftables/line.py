"""The connection to a Linux host: login, running nft, and checking after a lost answer.

A lost answer leaves the outcome unknown: the caller checks the host again, and every such check is
limited in time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from segctl.model.errors import (
    ApplyError,
    AuthError,
    ConnectError,
    DeviceError,
    LostLockError,
    ParseError,
)
from segctl.providers.nftables import agent, names
from segctl.providers.nftables.records import Records, read_records
from segctl.providers.nftables.said import WORDS
from segctl.transports.ssh_exec import Answer, SshSession

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Sequence

    from segctl.transports.target import Target
    from segctl.transports.transcript import Transcript

NFT = "/usr/sbin/nft"
#: Reading a listing takes a multiple of its size: it may be this part of the largest answer.
SHARE = 3
#: Most bytes of an answer that is not a table's listing.
SHORT = 2**20
#: Seconds before each retry after the connection dropped; the last one repeats.
_PAUSES = (0.0, 0.5, 2.0, 5.0)
#: What helps if nft crashes: it reads all tables of a host before it changes one.
NEWER = (
    "an nft newer than the host's has probably written a table there, in a container for example: "
    "update nftables on the host, or remove that table (docs/nftables.md, Versions)"
)
#: A shell's message and exit code for a program that a signal has ended.
_SIGNALS = {134: "Aborted", 139: "Segmentation fault"}


def crash_of(answer: Answer) -> str:
    """Return how the program crashed; empty if it did not."""
    said = next((one for one in _SIGNALS.values() if one in answer.err), "")
    ours = answer.code in (agent.CHECK_FAILED, agent.APPLY_FAILED)
    return _SIGNALS.get(answer.code, said if ours else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The host's clock when read: seconds since 1970, since boot, and by our own clock."""

    epoch: float
    uptime: float
    read: float

    def now(self) -> float:
        """Return the host's time now, in seconds since 1970."""
        return self.epoch + time.monotonic() - self.read


class Line:
    """A login on a host, renewed when the connection drops."""

    readers: ClassVar[Sequence[re.Pattern[str]]] = ()

    def __init__(self, target: Target, *, read_only: bool, progress: Callable[[str], None]) -> None:
        self._target = target
        self._read_only = read_only
        self._progress = progress
        self._sudo = ""
        self._ssh = self._login()

    def _login(
        self, within: float | None = None, transcript: Transcript | None = None
    ) -> SshSession:
        return SshSession(
            self._target,
            device_type="terminal_server",
            read_only=self._read_only,
            readers=self.readers,
            progress=self._progress,
            within=within,
            words=WORDS,
            transcript=transcript,
        )

    def close(self) -> None:
        """Log out."""
        self._ssh.close()

    def _again(self, until: float | None = None) -> None:
        """Log in again: the old login may outlive a policy that lets nobody in.

        Args:
            until: when the host must have answered, by the monotonic clock.
        """
        within = None if until is None else max(1.0, until - time.monotonic())
        fresh = self._login(within, self._ssh.transcript)
        self._ssh.close()
        self._ssh = fresh

    @staticmethod
    def _tries(until: float) -> Iterator[int]:
        """Count tries, with pauses between them, until the time is over; there is always one."""
        number = 0
        while True:
            yield number
            pause = _PAUSES[min(number + 1, len(_PAUSES) - 1)]
            if time.monotonic() + pause >= until:
                return
            time.sleep(pause)
            number += 1

    # --- nft ---------------------------------------------------------------------------------

    @property
    def _nft(self) -> str:
        return f"{self._sudo} {NFT}".strip()

    def _write_nft(self, text: str) -> Answer:
        """Run one transaction."""
        # the shell stays, to report what happened to nft even if it crashes
        return self._ssh.run(
            f"{self._nft} -f - || exit $?", text.encode(), label="transaction", limit=SHORT
        )

    def _look(self) -> Records:
        """Return who holds the table now and what was pushed.

        Raises:
            ConnectError: no answer.
            ParseError: nft's answer is not understood.
        """
        lists = [f"{self._nft} -j list set {names.TABLE} {one}" for one in (names.LOCK, names.PUSH)]
        answer = self._ssh.run("; ".join(lists), label="look", limit=SHORT)
        said = [line for line in answer.err.splitlines() if line.startswith("Error")]
        if answer.code != 0 and not said and not answer.out:
            raise self._failed("looking", answer)
        if any(agent.ABSENT not in line for line in said):
            raise self._failed("looking", answer)
        try:
            records = [read_records(line) for line in answer.out.splitlines() if line.strip()]
        except ValueError as error:
            raise ParseError(self._target.name, "its answer is not an nft listing") from error
        return Records(
            locks=tuple(one for part in records for one in part.locks),
            lock_set=any(part.lock_set for part in records),
            pushed=tuple(one for part in records for one in part.pushed),
            applied=tuple(one for part in records for one in part.applied),
        )

    def _failed(self, what: str, answer: Answer) -> DeviceError:
        name, reason = self._target.name, answer.reason
        if "sudo" in reason or "Operation not permitted" in reason:
            return AuthError(name, f"{self._target.user!r} may not change nftables: {reason}")
        if crash := crash_of(answer):
            return ApplyError(name, f"nft crashed ({crash}); nothing was changed: {NEWER}")
        if answer.code == agent.CHECK_FAILED:
            return ApplyError(name, f"nft refuses the change; nothing was changed: {reason}")
        if answer.code == agent.INCOMPLETE:
            return ConnectError(name, "the upload was cut off: nothing was changed")
        if answer.code == agent.LOST_LOCK:
            return LostLockError(
                name,
                "this run no longer holds the lock, so it neither continues nor goes back: run "
                "`segctl plan` to see what the host holds and who has the lock now",
            )
        return ApplyError(name, f"{what} failed; nothing was changed: {reason}")
