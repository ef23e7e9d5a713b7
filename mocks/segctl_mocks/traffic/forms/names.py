"""What is asked and answered in made DNS: names of a plant, or what a tunnel carries in names."""

from __future__ import annotations

from base64 import b32encode
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segctl_mocks.traffic.sessions import Session

_NAMES = ("updates", "time", "licences", "mail", "directory", "reports", "files", "print")


def asked(session: Session) -> str:
    """Return the name that a session asks about: the same each time, long where it is a tunnel."""
    if session.conversation.kind != "tunnel":
        return f"{_NAMES[session.ident % len(_NAMES)]}.plant.example"
    cargo = b32encode(Random(session.ident).randbytes(60)).decode().rstrip("=").lower()  # noqa: S311  # no secret
    return f"{cargo[:48]}.{cargo[48:]}.cdn-sync.example"


def answered(session: Session) -> tuple[str, float]:
    """Return the answer and how long it may be kept, in seconds."""
    if session.conversation.kind == "tunnel":
        cargo = Random(session.ident + 1).randbytes(90)  # noqa: S311  # no secret
        return f"TXT 144 {b32encode(cargo).decode().lower()}", 0.0
    return f"10.40.8.{session.ident % len(_NAMES) + 10}", 3600.0
