"""Which releases of PAN-OS segctl answers for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segctl.model.errors import Problem, UnsupportedError

if TYPE_CHECKING:
    from segctl.transports.target import Target

#: The oldest release whose schema and answers segctl was made for (docs/panos.md).
OLDEST: Final = (9, 1)
VARIABLE: Final = "segctl_allow_unsupported_version"

_OLDEST: Final = ".".join(map(str, OLDEST))
_RELEASE: Final = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?![0-9])")


def is_supported(version: str) -> bool:
    """Whether segctl answers for a release such as ``11.1.6-h3``; not for one it cannot read."""
    found = _RELEASE.match(version)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST


def check(target: Target, version: str) -> None:
    """Refuse a device whose release is too old, unless the inventory takes the risk.

    Raises:
        UnsupportedError: names the release, and what to do.
    """
    if is_supported(version) or target.allow_unsupported_version:
        return
    message = (
        f"{target.name}: {_runs(version)}, and segctl supports {_OLDEST} and newer: nothing was "
        f"changed. Upgrade the device, or set {VARIABLE}: true for this host to go on at your own "
        "risk, and run segctl plan"
    )
    raise UnsupportedError(message)


def warnings(version: str) -> tuple[Problem, ...]:
    """Return what every plan for an unsupported release says aloud."""
    if is_supported(version):
        return ()
    return (
        Problem(
            message=f"{_runs(version)}, and segctl supports {_OLDEST} and newer: you go on at your "
            f"own risk ({VARIABLE}: true)",
            hint="upgrade the device",
            severity="warning",
        ),
    )


def _runs(version: str) -> str:
    return f"runs PAN-OS {version}" if version else "does not say which PAN-OS it runs"
