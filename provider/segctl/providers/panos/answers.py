"""The meaning of a firewall's refusal: which error it is, by its code and by complete sentences.

The sentences are PAN-OS's own (recorded on 8.1 to 11.1, and known to the vendor's pan-os-python).
A single word inside a message proves nothing: objects may be named after words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segctl.model.errors import ApplyError, AuthError, BusyError, DeviceError, LockedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.providers.panos.elements import Element

_UNAUTHORIZED: Final = "16"
#: Codes of refusals that name objects: missing, still referred to, invalid.
_ABOUT_OBJECTS: Final = ("7", "10", "12")
_LOCKED: Final = re.compile(
    r"Configuration is locked by \S+"
    r"|(?:Config|Commit) for scope \S+ is currently locked by \S+"
    r"|(?:Config|Commit) lock is already held by \S+"
    r"|Other administrators are holding (?:device wide )?commit locks\."
)
#: Temporary refusals and our words for them; the device's own advice may be "commit force".
_BUSY: Final = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (
            r"Commit job was not queued since auto-commit not yet finished successfully\..*",
            "its auto-commit after boot is still running",
        ),
        (r"Another commit/validate is in progress\..*", "another commit or validation is running"),
        (r"Another commit is in progress.*", "another commit is running"),
        (r"A commit is in progress\..*", "another commit is running"),
        (r"You cannot commit while an install is in progress\..*", "an installation is running"),
        (r"(?:Local )?[Cc]ommit jobs are queued\..*", "commit jobs of others are queued"),
        (
            r"The result of this commit would be the same as the previous commit queued.*",
            "the same commit is already queued",
        ),
        (r"Another sync is in progress\..*", "it is synchronising with its peer"),
    )
)
_ADVICE: Final = re.compile(r"(?<!\s)\s*Please use \"?commit force\"?[^.;]*\.?")


def lines(element: Element | None) -> list[str]:
    """Return the lines of a message, wherever they are in `element`."""
    if element is None:
        return []
    texts = [
        str(text).strip() for line in element.iter("line", "msg") for text in [line.text] if text
    ]
    told = [line for line in texts if line]
    if told:
        return told
    whole = " ".join(str(text).strip() for text in element.itertext()).strip()
    return [whole] if whole else []


def told(element: Element | None) -> str:
    """Return a message as one line, without the advice to force a commit."""
    text = "; ".join(lines(element)) or "no reason given"
    return _ADVICE.sub("", text)


def is_success(response: Element) -> bool:
    """Whether a response, or a part of one, reports success."""
    return response.get("status") == "success"


def refusal(device: str, response: Element, *, doing: str = "") -> DeviceError:
    """Return the error that an unsuccessful response means.

    `doing` begins the message if the device refused a change: ``refuses the change: ``.
    """
    code, found = response.get("code") or "", lines(response)
    if len(found) == 1 and code not in _ABOUT_OBJECTS:
        if _LOCKED.fullmatch(found[0]):
            return LockedError(device, found[0])
        for pattern, meaning in _BUSY:
            if pattern.fullmatch(found[0]):
                return BusyError(device, f"is busy: {meaning}")
    if response.get("status") == "unauth" or code == _UNAUTHORIZED:
        return AuthError(
            device,
            "the role of this account may not do this: give it XML API rights for configuration, "
            "operational requests and commit",
        )
    return ApplyError(device, doing + told(response))


def warnings_of(job: Element) -> Sequence[str]:
    """Return a job's warnings, one per line."""
    return lines(job.find("warnings"))
