"""What became of applying a plan: for a device, and for each firewall of a group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from segctl.model.errors import ApplyError, LostLockError, SegctlError, UnknownError, VerifyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.providers.state import Delivery, Receiver

#: The code of a change that a manager holds and that a firewall of its does not enforce.
NOT_ENFORCED = "not_enforced"

#: `unknown`: segctl could not tell whether the change is live.
Status = Literal["applied", "unchanged", "failed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome for one device.

    `warnings` are the device's own, about the change, and that another member of a pair made it.
    `members` are the outcomes for the firewalls to which a manager pushed the change; the peer of
    one is `of` it. `before` and `after` are digests of what segctl manages on the device, as it was
    read before and after; empty where it was not. `notes` say what is missing as evidence although
    the device is as planned; `audit_comments` counts the comments, each a request beside those of
    the change.
    """

    device: str
    status: Status
    code: str = ""
    message: str = ""
    changes: int = 0
    warnings: tuple[str, ...] = ()
    members: tuple[Outcome, ...] = ()
    before: str = ""
    after: str = ""
    notes: tuple[str, ...] = ()
    audit_comments: int = 0
    of: str = ""


def with_members(
    outcome: Outcome, members: Sequence[Receiver], deliveries: Sequence[Delivery]
) -> Outcome:
    """Return the outcome of a group with those of its firewalls; it fails where one of them does.

    A firewall that could not be reached, or did not accept the change, does not enforce it; of one
    whose push was not seen to end it is unknown.
    """
    pushed = {one.name: one for one in deliveries}
    found = tuple(_of_member(one, pushed.get(one.name)) for one in members if one.asked)
    bad = [one for one in found if one.status in ("failed", "unknown")]
    if not bad:
        return replace(outcome, members=found)
    good = [one.device for one in found if one not in bad]
    what = "committed, " if outcome.changes else ""
    where = f"pushed to {', '.join(good)}" if good else "pushed to no firewall"
    lost = "; ".join(f"{one.device} does not enforce it: {one.message}" for one in bad)
    told = "; ".join(filter(None, (outcome.message, f"{what}{where}; {lost}")))
    unknown = all(one.status == "unknown" for one in bad)
    return replace(
        outcome,
        status="unknown" if unknown else "failed",
        code=UnknownError.code if unknown else NOT_ENFORCED,
        message=f"{told}. Run segctl apply again to push to them",
        members=found,
    )


def _of_member(member: Receiver, delivery: Delivery | None) -> Outcome:
    if member.enforces:
        done = delivery is not None  # what it enforces counts, whatever became of the result
        status: Status = "applied" if done else "unchanged"
        return Outcome(device=member.name, status=status, of=member.of)
    unknown = delivery is not None and delivery.result == "unknown"
    why = delivery.why if delivery is not None and delivery.why else member.why
    return Outcome(
        device=member.name,
        status="unknown" if unknown else "failed",
        code=UnknownError.code if unknown else NOT_ENFORCED,
        message=why,
        of=member.of,
    )


def outcome_of(name: str, error: BaseException) -> Outcome:
    """Return the outcome for a device whose apply raised an error."""
    code = error.code if isinstance(error, SegctlError) else "interrupted"
    message = str(error) or "the device holds what it held before"
    if isinstance(error, ApplyError | VerifyError | LostLockError | UnknownError):
        message = error.message
    status: Status = "unknown" if isinstance(error, UnknownError) else "failed"
    return Outcome(device=name, status=status, code=code, message=message)
