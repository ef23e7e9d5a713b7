"""What an error makes of a device: a failure to plan, an outcome of an apply."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from traceback import extract_tb

from segctl.model.errors import DeviceError, SegctlError
from segctl.planning.apply import Outcome, outcome_of
from segctl.transports.masking import masked

#: What a lost worker leaves to do.
AGAIN = "safe to run again: apply asks first whether the device is as desired"


class DefectError(SegctlError):
    """An error nobody foresaw, described where it happened."""

    code = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A device whose plan could not be made."""

    device: str
    code: str
    message: str


def failure_of(device: str, error: BaseException) -> Failure:
    """Return why a device has no plan."""
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
    """Describe an error nobody foresaw: what, and where in the code."""
    frames = extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    what = masked(f"{type(error).__name__}: {error}")
    return f"a defect in segctl, please report it: {what}{where}"
