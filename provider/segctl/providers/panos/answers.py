"""What a firewall's refusal means: which error it is, told by code and by whole sentences.

The sentences are PAN-OS's own (recorded on 8.1 to 11.1, and the vendor's pan-os-python, which
knows them too). A word inside a message tells nothing: objects are called after words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segctl.model.errors import ApplyError, AuthError, BusyError, DeviceError, LockedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.providers.panos.elements import Element

_UNAUTHORIZED: Final = "16"
#: Codes of refusals that name objects: not there, still referred to, invalid.
_ABOUT_OBJECTS: Final = ("7", "10", "12")
_LOCKED: Final = re.compile(
    r"Configuration is locked by \S+"
    r"|(?:Config|Commit) for scope \S+ is currently locked by \S+"
    r"|(?:Config|Commit) lock is already held by \S+"
    r"|Other administrators are holding (?:device wide )?commit locks\."
)
#: What passes by itself, and how it is told; the device's own advice may be "commit force".
_BUSY: Final = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (
            r"Commit job was not queued since auto-commit not yet finished successfully\..*",
            "its auto-commit after boot has not ended",
        ),
        (r"Another commit/validate is in progress\..*", "another commit or validation runs on it"),
        (r"Another commit is in progress.*", "another commit runs on it"),
        (r"A commit is in progress\..*", "another commit runs on it"),
        (r"You cannot commit while an install is in progress\..*", "an installation runs on it"),
        (r"(?:Local )?[Cc]ommit jobs are queued\..*", "commit jobs of others wait on it"),
        (
            r"The result of this commit would be the same as the previous commit queued.*",
            "the same commit is queued on it already",
        ),
        (r"Another sync is in progress\..*", "it is synchronised with its peer"),
    )
)
_ADVICE: Final = re.compile(r"\s*Please use \"?commit force\"?[^.;]*\.?")


def lines(element: Element | None) -> list[str]:
    """Return the lines of a message, wherever in `element` they stand."""
    if element is None:
        return []
    found = [
        str(text).strip() for line in element.iter("line", "msg") for text in [line.text] if text
    ]
    told = [line for line in found if line]
    if told:
        return told
    whole = " ".join(str(text).strip() for text in element.itertext()).strip()
    return [whole] if whole else []


def told(element: Element | None) -> str:
    """Return a message as one line, without the advice to force a commit."""
    text = "; ".join(lines(element)) or "no reason given"
    return _ADVICE.sub("", text)


def is_success(response: Element) -> bool:
    """Whether a response, or a part of one, says that it succeeded."""
    return response.get("status") == "success"


def refusal(device: str, response: Element, *, doing: str = "") -> DeviceError:
    """Return what a response that is no success means.

    `doing` begins the message where the device refused a change: ``refuses the change: ``.
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
    """Return what a job warns of, a line each."""
    return lines(job.find("warnings"))
