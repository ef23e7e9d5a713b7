"""Turn the error on a device into a result: a failed plan, or the outcome of an apply."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from traceback import extract_tb

from segctl.model.errors import DeviceError, SegctlError
from segctl.planning.outcome import Outcome, outcome_of
from segctl.transports.masking import masked

#: What to do after a worker was lost.
AGAIN = "safe to run again: apply first checks whether the device is as desired"


class DefectError(SegctlError):
    """An unforeseen error, described where it happened."""

    code = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A device whose plan could not be made."""

    device: str
    code: str
    message: str


class FailedError(SegctlError):
    """A device failed before: what is to be said of it is known."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


def failure_of(device: str, error: BaseException) -> Failure:
    """Return a failure that says why a device has no plan."""
    if isinstance(error, FailedError):
        return error.failure
    if isinstance(error, DeviceError):
        return Failure(device=device, code=error.code, message=error.message)
    if isinstance(error, SegctlError):
        return Failure(
            device=device, code=error.code, message=str(error).removeprefix(f"{device}: ")
        )
    if isinstance(error, KeyboardInterrupt):
        return Failure(device=device, code="interrupted", message="interrupted: nothing was read")
    return Failure(device=device, code="internal", message=internal(error))


def failed(device: str, error: BaseException) -> Outcome:
    """Return the outcome of a device whose apply ended with `error`."""
    if isinstance(error, SegctlError | KeyboardInterrupt) and not isinstance(error, DefectError):
        found = outcome_of(device, error)
        return replace(found, message=found.message.removeprefix(f"{device}: "))
    text = str(error) if isinstance(error, DefectError) else internal(error)
    message = f"{text}; run segctl plan to see what the device holds"
    return Outcome(device=device, status="failed", code="internal", message=message)


def internal(error: BaseException) -> str:
    """Describe an unforeseen error: what it is, and where in the code."""
    frames = extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    what = masked(f"{type(error).__name__}: {error}")
    return f"a defect in segctl, please report it: {what}{where}"
