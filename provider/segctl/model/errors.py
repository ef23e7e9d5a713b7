"""Every error segctl raises on purpose.

SegctlError
├ UsageError                    the command line asks for something that cannot be done
├ FileError(problems)           all problems of a file, each with file:line:column and a hint
│ ├ InventoryError              in the inventory
│ ├ PlaybookError               in a playbook
│ └ ChecksError                 in a file of checks
├ UnsupportedError              the platform cannot express what is declared
├ PlanError ─ StalePlanError, PlanFormatError
├ SnapshotError                 a snapshot file is damaged, or belongs to another device
├ SignatureError                a file is not signed with a trusted key
├ JournalError                  the journal of a run cannot be written
├ HistoryError                  the history cannot be opened, written or read
├ DeliveryError                 metrics or a notice did not arrive
├ ExecutorError                 the requested workers cannot be used
├ ChildError                    a local program does not run, or prints too much
│ └ ChildTimeoutError           it did not end in time
├ LostWorkerError               a worker was lost while it worked on a device
└ DeviceError(device, message)
  ├ ConnectError                no connection, or the other end is not who it should be
  ├ AuthError                   the device refuses the account
  ├ ParseError                  the device's answer cannot be parsed
  ├ LockedError                 somebody else holds the device
  │ └ LostLockError             this run lost its lock, and changes nothing more
  ├ BusyError                   the device is busy with something else
  ├ UnsettledError              a change of a dead run must be kept or taken back first
  ├ UnknownError                segctl cannot tell whether a change is live
  ├ ForeignChangesError         another administrator's uncommitted change is in the way
  ├ ApplyError                  the device refused a change
  └ VerifyError                 the device does not hold what was pushed

Every error can be pickled: its arguments are in ``args``.
``code`` is for programs (``error.code`` in JSON output).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class SegctlError(Exception):
    """Root of all errors that segctl raises on purpose."""

    code: ClassVar[str] = "error"


class UsageError(SegctlError):
    """The command line asks for something that cannot be done."""

    code = "usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem in an inventory or on a device: where, what, and what to do about it.

    `kind` is for programs; `subject` is the name of the rule or object concerned. `about` holds the
    facts behind the message: a baseline that accepts a finding is bound to them, and still holds
    when the message is reworded. Documents do not show it.
    """

    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    path: str = ""
    hint: str = ""
    severity: str = "error"
    kind: str = ""
    subject: str = ""
    about: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """``file:line:column``, as far as known (lines and columns count from 1)."""
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        """One line: place, key path, message, hint."""
        head = ": ".join(part for part in (self.where, self.path, self.message) if part)
        return f"{head} ({self.hint})" if self.hint else head


def problem_json(problem: Problem) -> dict[str, Any]:
    """Return a problem as it stands in documents."""
    document = asdict(problem)
    del document["about"]
    return document


class FileError(SegctlError):
    """A file of the user's cannot be used; ``problems`` holds every reason."""

    #: What has the problems, in messages.
    subject: ClassVar[str] = "the file"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        """Return one line per problem."""
        return "\n".join(str(problem) for problem in self.problems)


class InventoryError(FileError):
    """The inventory cannot be used."""

    code = "inventory"
    subject = "the inventory"


class PlaybookError(FileError):
    """The playbook cannot be used."""

    code = "playbook"
    subject = "the playbook"


class ChecksError(FileError):
    """The file of checks cannot be used."""

    code = "checks"
    subject = "the file of checks"


class UnsupportedError(SegctlError):
    """The platform cannot express what the inventory declares."""

    code = "unsupported"


class PlanError(SegctlError):
    """A plan cannot be made, read or applied."""

    code = "plan"


class WideningError(PlanError):
    """A plan permits more than was permitted, or may, and the user refuses that."""

    code = "widens"


class NotRehearsedError(PlanError):
    """A plan was not rehearsed on real traffic, or not as is asked."""

    code = "not_rehearsed"


class OtherRehearsalError(NotRehearsedError):
    """The rehearsal in a plan is of another policy."""

    code = "other_policy"


class UntoldRehearsalError(NotRehearsedError):
    """The rehearsal of a plan could not tell what becomes of traffic that counts."""

    code = "cannot_tell"


class DropsTrafficError(PlanError):
    """The rehearsal of a plan shows that it drops traffic that must go on."""

    code = "drops_traffic"


class StalePlanError(PlanError):
    """The device has changed since the plan was made."""

    code = "stale"


class PlanFormatError(PlanError):
    """The plan file is damaged, was edited, or has another version."""

    code = "plan_format"


class SnapshotError(SegctlError):
    """A snapshot file is damaged, was edited, has another version or is of another device."""

    code = "snapshot"


class EvidenceError(SegctlError):
    """A folder of evidence is incomplete, was changed, or has another version."""

    code = "evidence"


class SignatureError(SegctlError):
    """A file is not signed, not with a trusted key, or was changed after it was signed."""

    code = "signature"


class JournalError(SegctlError):
    """The journal of a run cannot be written, so the run changes nothing more."""

    code = "journal"


class ContainmentError(SegctlError):
    """Nobody was contained, because that is not asked for rightly, or is not prepared."""

    code = "containment"


class HistoryError(SegctlError):
    """The history of drift cannot be opened, written or read."""

    code = "history"


class DeliveryError(SegctlError):
    """Metrics or a notice did not reach their recipient."""

    code = "delivery"


class ExecutorError(SegctlError):
    """The requested workers cannot be used."""

    code = "executor"


class ChildError(SegctlError):
    """A local program that segctl calls is missing, does not run, or prints too much."""

    code = "child"


class ChildTimeoutError(ChildError):
    """A local program did not finish in time and was killed."""


class LostWorkerError(SegctlError):
    """A worker was lost while it worked, on a device or on records: the result is unknown."""

    code = "unknown"


#: Longest message about a device; it may quote a long answer.
_LONGEST = 2000


class DeviceError(SegctlError):
    """Something went wrong between segctl and one device.

    A message of more than 2,000 characters is cut in its middle.
    """

    code = "device"

    def __init__(self, device: str, message: str) -> None:
        shown = _clipped(message)
        super().__init__(device, shown)
        self.device = device
        self.message = shown

    def __str__(self) -> str:
        """Name the device first."""
        return f"{self.device}: {self.message}"


def _clipped(text: str) -> str:
    half = _LONGEST // 2 - 2
    return text if len(text) <= _LONGEST else f"{text[:half]} … {text[-half:]}"


class ConnectError(DeviceError):
    """No connection, a timeout, or an identity that does not verify."""

    code = "unreachable"


class AuthError(DeviceError):
    """The device refuses the account or its role."""

    code = "auth"


class ParseError(DeviceError):
    """The device's answer cannot be parsed."""

    code = "parse"


class LockedError(DeviceError):
    """Somebody else holds a lock on the device."""

    code = "locked"


class LostLockError(LockedError):
    """This run lost its lock: it changes nothing more, not even to revert."""

    code = "lost_lock"


class BusyError(DeviceError):
    """The device is busy: other jobs or another commit run on it."""

    code = "busy"


class UnsettledError(DeviceError):
    """A change that a dead run left must be kept or taken back before anything is compared."""

    code = "unsettled"


class UnknownError(DeviceError):
    """The answer to a change was lost, and reading the device did not show its result."""

    code = "unknown"


class ForeignChangesError(DeviceError):
    """Uncommitted changes of somebody else are in the way."""

    code = "foreign_changes"


class HaStateError(DeviceError):
    """A high-availability pair is not in the state that reading or changing it needs."""

    code = "ha_state"


class ApplyError(DeviceError):
    """The device refused a change; nothing of it is live."""

    code = "apply_failed"


class VerifyError(DeviceError):
    """The device does not hold what was pushed."""

    code = "verify_failed"


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return a hint that names the closest of the `known` words, or `otherwise`."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else otherwise
