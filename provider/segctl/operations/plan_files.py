"""Saved plans: written with their signature, read, compared, and applied once only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl.model.errors import PlanError, SignatureError, StalePlanError
from segctl.operations.files import check, save
from segctl.operations.signatures import (
    read_verified,
    remove_signatures,
    signed_by,
    signer,
    write_signature,
)
from segctl.system import storage
from segctl.system.handed import read_note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from segctl.fleet import Failure
    from segctl.operations.progress import Progress
    from segctl.planning.plan import Plan
    from segctl.planning.rehearsal import Requirement
    from segctl.planning.review import Difference
    from segctl.signing import Signature, Signer
    from segctl.transports.credentials import Secret


# --- writing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A plan that stands in a file, with the signature beside it if it was signed."""

    file: Path
    signature: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Where a plan is saved, what signs it there, and for how many hours it is good."""

    out: Path | None = None
    signing: Callable[[bytes, str], Signature] | None = None
    valid_for: float = 24.0

    @classmethod
    def to(
        cls,
        out: Path | None,
        key: Path | None,
        valid_for: float,
        password: Callable[[Path], Secret],
    ) -> Saving:
        """Return how a plan is saved to `out`, signed with `key`, before any device is read.

        `password` returns the password of a key that has one.

        Raises:
            UsageError: there is no such folder, or nothing is saved that could be signed.
            SignatureError: the key cannot be used.
        """
        if out is not None:
            check(out)
        signing = signer(key, out, password) if key is not None else None
        return cls(out=out, signing=signing, valid_for=valid_for)

    def save(self, made: Plan, failures: Sequence[Failure]) -> Saved | None:
        """Save a plan, if that is asked for and every device could be planned.

        Raises:
            PlanError: the file cannot be written.
            SignatureError: the signature cannot be written.
        """
        if self.out is None or failures:
            return None
        return Saved(file=self.out, signature=save_plan(made, self.out, self.signing))


def save_plan(
    made: Plan, out: Path, signing: Callable[[bytes, str], Signature] | None
) -> Path | None:
    """Save a plan, its signature first: at no moment is there a plan without one."""
    from segctl.planning.documents import plan_file

    text = plan_file(made)
    if signing is None:
        remove_signatures(out)
        save(out, text)
        return None
    path = write_signature(signing(text.encode(), out.name), out)
    save(out, text)
    return path


# --- showing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan read from a file, and who signed it; `doubt` is why it is not signed as asked."""

    file: Path
    plan: Plan
    signers: tuple[Signer, ...] = ()
    doubt: SignatureError | None = None


def show(file: Path, keys: Path | None = None) -> SavedPlan:
    """Read a saved plan, also one that could not be applied; with `keys`, say who signed it.

    Raises:
        PlanFormatError: it is no plan, was edited, or has another version.
    """
    from segctl.planning.documents import parse_plan, plan_bytes

    data = plan_bytes(file)
    made = parse_plan(data, file)
    if keys is None:
        return SavedPlan(file=file, plan=made)
    try:
        return SavedPlan(file=file, plan=made, signers=signed_by(data, file, keys))
    except SignatureError as error:
        return SavedPlan(file=file, plan=made, doubt=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a plan differs from the one that was reviewed; without differences it does the same."""

    reviewed: Plan
    made: Plan
    differences: tuple[Difference, ...]


def compare(file: Path, reviewed: Path, keys: Path | None = None) -> Comparison:
    """Compare the plan in `file` with the reviewed one, which `keys` must have signed if given.

    Raises:
        PlanFormatError: one of them is no plan, was edited, or has another version.
        SignatureError: nobody trusted signed the reviewed one.
    """
    from segctl.planning.documents import load_plan
    from segctl.planning.review import differences

    made = load_plan(file)
    before = read_verified(reviewed, keys)
    return Comparison(reviewed=before, made=made, differences=differences(before, made))


# --- applying ------------------------------------------------------------------------------------


def read_plan(file: Path, keys: Path | None = None) -> Plan:
    """Read a plan that is to be applied; with `keys`, one that was signed with one of them.

    Raises:
        SignatureError: keys are given, and none of them signed it.
        PlanFormatError: it is no plan, was edited, or has another version.
        StalePlanError: it has expired.
    """
    made = read_verified(file, keys)
    if expired(made):
        raise StalePlanError(f"{file} expired at {made.expires}: run segctl plan again")
    return made


def expired(made: Plan) -> bool:
    """Whether a plan is older than it may be to be applied."""
    return datetime.now(UTC) > datetime.fromisoformat(made.expires)


def refuse_unrehearsed(made: Plan | None, requirement: Requirement) -> None:
    """Refuse a plan whose rehearsal does not show what is asked; None is one made only now.

    Raises:
        NotRehearsedError: it was not rehearsed as is asked, or nothing could be told.
        DropsTrafficError: it would drop what must go on.
    """
    from segctl.planning import rehearsal
    from segctl.planning.documents import policy_digest

    policy = policy_digest(made) if made is not None else ""
    rehearsal.refuse_unrehearsed(made, requirement, policy, datetime.now(UTC))


def _marker(file: Path) -> Path:
    return file.with_name(f"{file.name}.applied")


def refuse_used(file: Path, made: Plan) -> None:
    """Refuse a plan that was applied.

    Raises:
        PlanError: it was.
    """
    if used(file, made):
        raise PlanError(f"{file} was applied already ({_marker(file).name}): run segctl plan again")


def used(file: Path, made: Plan) -> bool:
    """Whether the plan in a file was applied.

    Raises:
        PlanError: what lies beside the plan cannot be read.
    """
    marker = _marker(file)
    try:
        return made.plan_id in read_note(marker).decode(errors="replace")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise PlanError(
            f"{marker}, which says whether {file.name} was applied, cannot be read "
            f"({error.strerror})"
        ) from error


def mark_used(file: Path, made: Plan, progress: Progress) -> None:
    """Note beside a plan file that it was applied."""
    moment = datetime.now(UTC).replace(microsecond=0).isoformat()
    try:
        storage.write(_marker(file), f"{made.plan_id} {moment}\n".encode())
    except OSError as error:
        progress.note(f"applied, but {error.filename}: {error.strerror}")
