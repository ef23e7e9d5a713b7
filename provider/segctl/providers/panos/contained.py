"""Who is contained on a firewall: the addresses registered with our tag, and what is noted of them.

Sources: recorded answers of ``show object registered-ip`` (an entry for each address with all its
tags, and a count) and of ``show object dynamic-address-group``; pan-os-python and minemeld (the
selection by one tag, pages of 500 that begin at 1; from 8.0 on). The answer has no times: until
when is in a tag of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.compiler import naming
from segctl.model.errors import ParseError, Problem
from segctl.model.filled import Filled
from segctl.model.policy import AddressGroup
from segctl.providers.containing import CONTAINED, Held, contained_notes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segctl.model.policy import Policy
    from segctl.providers.panos.elements import Element

#: Part of a document: the addresses with the tag of those who are contained.
PART: Final = "contained"
PAGE: Final = 500
#: More pages are not read of one device: nobody contains so many.
_MOST_PAGES: Final = 40
#: A group of ours that a rule may name, in the text of a configuration, its own or pushed.
_USED: Final = re.compile(
    rf"<member(?:\s[^<>]*)?>({naming.CONTAINED}|{re.escape(naming.ISLAND)}[0-9A-Za-z._-]{{1,63}})</member>".encode()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """An address with a tag of ours, and all its tags."""

    address: str
    persistent: bool = False
    tags: tuple[str, ...] = ()

    def note(self, group: str) -> naming.ContainedNote | None:
        """Return what is noted of it as a member of a group; None: not by segctl."""
        notes = [note for tag in self.tags if (note := naming.decode_contained(tag, group))]
        return max(notes, key=lambda note: note.until, default=None)

    def ours(self, group: str) -> tuple[str, ...]:
        """Return those of its tags that segctl registers for a group."""
        return tuple(
            tag
            for tag in self.tags
            if tag == group
            or (group == naming.CONTAINED and tag == naming.AUTOMATIC)
            or naming.decode_contained(tag, group)
        )

    def held(self, group: str, *, enforced: bool) -> Held:
        """Return it as a member of a group, or as one that is to be."""
        automatic = group == naming.CONTAINED and naming.AUTOMATIC in self.tags
        return Held(
            address=self.address, note=self.note(group), enforced=enforced, automatic=automatic
        )


def part_of(group: str) -> str:
    """Return the part of a document that lists the addresses with the tag of a group."""
    return PART if group == naming.CONTAINED else f"{PART} {group}"


def command(start: int = 1, group: str = naming.CONTAINED) -> str:
    """Return the command that shows a page of the addresses with the tag of a group."""
    page = f"<limit>{PAGE}</limit><start-point>{start}</start-point>"
    tag = f'<tag><entry name="{group}"/></tag>'
    return f"<show><object><registered-ip>{page}{tag}</registered-ip></object></show>"


def ask(
    get: Callable[[Mapping[str, str]], bytes], configured: Iterable[bytes], vsys: str
) -> dict[str, bytes]:
    """Return the answers as parts of a document; nothing is asked where nothing is prepared."""
    used = {name.decode() for part in configured for name in _USED.findall(part)}
    return {
        part_of(group): get({"type": "op", "cmd": command(group=group), "vsys": vsys})
        for group in sorted(used)
    }


def read(root: Element, name: str, group: str = naming.CONTAINED) -> tuple[Registered, ...]:
    """Return the addresses of an answer that have the tag of a group.

    Raises:
        ParseError: the answer lists no entries although it is a success, or is an error.
    """
    result = root.find("result")
    if root.get("status") != "success" or result is None:
        raise ParseError(name, "its answer about registered addresses is not understood")
    if result.find(".//outfile") is not None:
        raise ParseError(name, "it writes registered addresses to a file instead of listing them")
    found = tuple(map(_registered, result.iterfind("entry")))
    return tuple(one for one in found if group in one.tags)


def pages(
    ask_page: Callable[[str], Element], name: str, group: str = naming.CONTAINED
) -> tuple[Registered, ...]:
    """Return the addresses of all pages, each asked for by its command.

    Raises:
        ParseError: an answer is not understood, or there are too many.
    """
    found: dict[str, Registered] = {}
    for number in range(_MOST_PAGES):
        page = ask_page(command(number * PAGE + 1, group))
        found |= {one.address: one for one in read(page, name, group)}
        if len(page.findall("result/entry")) < PAGE:
            return tuple(found.values())
    raise ParseError(name, f"it has more than {_MOST_PAGES * PAGE} addresses with our tag")


def _registered(entry: Element) -> Registered:
    tags = tuple(
        sorted({(member.text or "").strip() for member in entry.iterfind("tag/member")} - {""})
    )
    return Registered(
        address=(entry.get("ip") or "").strip(),
        persistent=entry.get("persistent") == "1",
        tags=tags,
    )


# --- in a document -------------------------------------------------------------------------------


def held(policy: Policy, filled: dict[str, Filled]) -> dict[str, Filled]:
    """Take who is in groups of ours, by group, out of what the objects hold that it fills."""
    own = [group.name for group in policy[AddressGroup] if group.contained]
    none = Filled(what="", unread="the device was not asked")
    return {name: filled.pop(name, none) for name in own}


def notes(
    parts: Mapping[str, Element], name: str, inside: Mapping[str, Filled]
) -> Iterator[Problem]:
    """Say who is contained, and what is an island, until when, by whom and why; that is no drift.

    An address that is registered and not in its group is not cut off, which is a warning.
    """
    for group, filled in inside.items():
        if (part := parts.get(part_of(group))) is None:
            continue
        try:
            registered = read(part, name, group)
        except ParseError as error:
            yield Problem(
                message=f"who is in {group} is not known: {error.message}",
                kind=CONTAINED,
                about=(CONTAINED, error.message),
            )
            continue
        known: dict[bool, list[Held]] = {True: [], False: []}
        for one in registered:
            enforced = not filled.unread and one.address in filled.addresses
            known[enforced].append(one.held(group, enforced=enforced))
        yield from contained_notes(group, known[True])
        yield from _not_inside(group, known[False], filled.unread)


def _not_inside(group: str, members: Iterable[Held], unread: str) -> Iterator[Problem]:
    label = naming.island_label(group)
    command_name = "island" if label else "contain"
    what = f"is to be part of island {label}" if label else "is to be contained"
    why = f"which cannot be told: {unread}" if unread else f"and is not in the group {group}"
    for held in members:
        yield Problem(
            message=f"{held.address} {what} {held.words}, {why}",
            hint=f"segctl {command_name} status says more",
            severity="warning",
            kind="boot",
            subject=held.address,
        )
