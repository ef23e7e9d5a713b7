"""Descriptions of rules, and the mark in them that says whose a rule is.

Where a platform has room for prose a rule's description is ``[segctl conduit=c flow=f] ``, with
`` essential=seal`` where it is, and what the inventory says of the conduit. Where there is only
room for a comment it is ``c/f``, with the same additions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

#: Longest description with its mark; what is longer ends in an ellipsis.
LONGEST = 1023
#: Of the rule that closes our block.
CLOSING_DESCRIPTION = "nothing else passes between these zones"
#: Of the rule that denies what is not recognised.
UNKNOWN_DESCRIPTION = "denies what is not recognised between these zones and no conduit declares"
#: Of the rules that contain.
CONTAINING_DESCRIPTION = "denies whoever segctl contain has put into its group"
#: Of the rules that cut an island off.
ISLAND_DESCRIPTION = "denies what passes between an island and what is above it, while it is one"
_CUT = "…"

_MARK = re.compile(r"\[segctl(?: conduit=(\S+) flow=(\S+))?(?: essential=(\w*))?\] ?")
#: Also one that somebody edited.
_ANY_MARK = re.compile(r"\[segctl\b[^\]]*\] ?")
_COMMENT = re.compile(
    r"(?P<conduit>[0-9A-Za-z._-]*)/(?P<flow>[0-9A-Za-z._-]*)"
    r"(?: essential=(?P<seal>[0-9a-f]*))?(?P<plain> not-enforced)?",
    re.ASCII,
)
_DESCRIPTION = re.compile(
    r"(?P<reason>.*); owner (?P<owner>.*?)(?:; ticket (?P<ticket>.*?))?"
    r"(?:; expires (?P<expires>[0-9]{4}-[0-9]{2}-[0-9]{2}))?(?P<monitor>; monitor)?",
    re.DOTALL,
)
_INTRAZONE = re.compile(r"zone (\S+) denies traffic inside itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What the mark of a rule says.

    `conduit` is a label. `seal` is None where the rule is not essential (see
    `segctl.model.policy.sealed`). `enforced` is false where functions are not.
    """

    conduit: str = ""
    flow: str = ""
    seal: str | None = None
    enforced: bool = True


def encode_mark(mark: Mark) -> str:
    """Return the beginning of a description; whether functions are enforced is not told there."""
    flow = f" conduit={mark.conduit} flow={mark.flow}" if mark.flow else ""
    essential = f" essential={mark.seal}" if mark.seal is not None else ""
    return f"[segctl{flow}{essential}] "


def decode_mark(description: str) -> Mark | None:
    """Return what the mark of a description says, None where it has none, or an edited one."""
    match = _MARK.match(description)
    if match is None:
        return None
    conduit, flow, seal = match.groups()
    return Mark(conduit=conduit or "", flow=flow or "", seal=seal)


def is_marked(description: str) -> bool:
    """Whether a description begins with a mark, be it an edited one."""
    return _ANY_MARK.match(description) is not None


def without_mark(description: str) -> str:
    """Return a description without its mark, be it an edited one."""
    match = _ANY_MARK.match(description)
    return description[match.end() :] if match else description


def encode_comment(mark: Mark) -> str:
    """Return the mark as a comment; at most 128 bytes for labels of 47 characters."""
    essential = f" essential={mark.seal}" if mark.seal is not None else ""
    return f"{mark.conduit}/{mark.flow}{essential}{'' if mark.enforced else ' not-enforced'}"


def decode_comment(comment: str) -> Mark | None:
    """Return what a comment says, None where it is not one of ours."""
    match = _COMMENT.fullmatch(comment)
    if match is None:
        return None
    return Mark(
        conduit=match["conduit"],
        flow=match["flow"],
        seal=match["seal"],
        enforced=not match["plain"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the inventory says of a conduit, as the descriptions of its rules tell it."""

    reason: str
    owner: str
    ticket: str = ""
    expires: date | None = None
    monitor: bool = False

    def __str__(self) -> str:
        """Return it as text, without a mark."""
        parts = [self.reason, f"owner {self.owner}"]
        parts += [f"ticket {self.ticket}"] if self.ticket else []
        parts += [f"expires {self.expires}"] if self.expires else []
        parts += ["monitor"] if self.monitor else []
        return "; ".join(parts)


def decode_description(text: str) -> Description | None:
    """Return what a description without its mark says, None where it is not one of ours.

    A reason or an owner that itself holds ``; owner`` and the like may come back divided in another
    place; the text it encodes to is the same.
    """
    match = _DESCRIPTION.fullmatch(text)
    if match is None or not match["reason"].strip() or not match["owner"].strip():
        return None
    ticket, expires = match["ticket"], match["expires"]
    if ticket is not None and not ticket.strip():
        return None
    try:
        day = date.fromisoformat(expires) if expires else None
    except ValueError:
        return None
    return Description(
        reason=match["reason"],
        owner=match["owner"],
        ticket=ticket or "",
        expires=day,
        monitor=bool(match["monitor"]),
    )


def intrazone_description(zone: str) -> str:
    """Return the description of the rule that denies traffic inside a zone, by its label."""
    return f"zone {zone} denies traffic inside itself"


def decode_intrazone_description(text: str) -> str | None:
    """Return the label of the zone that a description without its mark is about."""
    match = _INTRAZONE.fullmatch(text)
    return match[1] if match else None


def cut(text: str, limit: int = LONGEST) -> str:
    """Return a description, with its end left out where it is longer than `limit`."""
    return text if len(text) <= limit else f"{text[: limit - 1]}{_CUT}"


def is_cut(description: str, limit: int = LONGEST) -> bool:
    """Whether the end of a description with its mark was left out."""
    return len(description) >= limit and description.endswith(_CUT)
