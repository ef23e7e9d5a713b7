"""The releases of PAN-OS that segctl supports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segctl.model.errors import Problem, UnsupportedError

if TYPE_CHECKING:
    from segctl.transports.target import Target

#: The oldest release whose schema and answers segctl was built for (docs/panos.md).
OLDEST: Final = (9, 1)
VARIABLE: Final = "segctl_allow_unsupported_version"

_OLDEST: Final = ".".join(map(str, OLDEST))
_RELEASE: Final = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?![0-9])")


def is_supported(version: str) -> bool:
    """Whether segctl supports a release such as ``11.1.6-h3``; False for one it cannot parse."""
    return numbers(version) >= OLDEST


def numbers(version: str) -> tuple[int, int]:
    """Return the release that a version is of, for comparison; zeros for one it cannot parse."""
    match = _RELEASE.match(version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def check(target: Target, version: str) -> None:
    """Refuse a device whose release is too old, unless the inventory accepts the risk.

    Raises:
        UnsupportedError: the message names the release, and what to do.
    """
    if is_supported(version) or target.allow_unsupported_version:
        return
    message = (
        f"{target.name}: {_runs(version)}, but segctl supports {_OLDEST} and newer: nothing was "
        f"changed. Upgrade the device, or set {VARIABLE}: true for this host to go on at your own "
        "risk, and run segctl plan"
    )
    raise UnsupportedError(message)


def warnings(version: str) -> tuple[Problem, ...]:
    """Return the warnings in every plan for an unsupported release."""
    if is_supported(version):
        return ()
    return (
        Problem(
            message=f"{_runs(version)}, but segctl supports {_OLDEST} and newer: you go on at your "
            f"own risk ({VARIABLE}: true)",
            hint="upgrade the device",
            severity="warning",
        ),
    )


def _runs(version: str) -> str:
    return f"runs PAN-OS {version}" if version else "does not report its PAN-OS release"
