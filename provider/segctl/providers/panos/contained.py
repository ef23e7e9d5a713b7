"""Who is contained on a firewall: the addresses registered with our tag, and what is noted of them.

Sources: recorded answers of ``show object registered-ip`` (an entry for each address with all its
tags, and a count) and of ``show object dynamic-address-group``; pan-os-python and minemeld (the
selection by one tag, pages of 500 that begin at 1; from 8.0 on). The answer has no times: until
when is in a tag of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.compiler import naming
from segctl.model.errors import ParseError, Problem
from segctl.model.filled import Filled
from segctl.model.policy import AddressGroup
from segctl.providers.containing import CONTAINED, Held, contained_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segctl.model.policy import Policy
    from segctl.providers.panos.elements import Element

#: Part of a document: the addresses with our tag; further pages have numbers.
PART: Final = "contained"
PAGE: Final = 500
#: More pages are not read of one device: nobody contains so many.
_MOST_PAGES: Final = 40
_USED: Final = f"<member>{naming.CONTAINED}</member>".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """An address with our tag; `note` is None where it is not segctl that registered it."""

    address: str
    note: naming.ContainedNote | None = None
    persistent: bool = False
    tags: tuple[str, ...] = ()

    @property
    def ours(self) -> tuple[str, ...]:
        """Those of its tags that segctl registers."""
        return tuple(
            tag
            for tag in self.tags
            if tag in {naming.CONTAINED, naming.AUTOMATIC} or naming.decode_contained(tag)
        )

    def held(self, *, enforced: bool) -> Held:
        """Return it as contained, or to be."""
        automatic = naming.AUTOMATIC in self.tags
        return Held(address=self.address, note=self.note, enforced=enforced, automatic=automatic)


def command(start: int = 1) -> str:
    """Return the command that shows a page of the addresses with our tag."""
    page = f"<limit>{PAGE}</limit><start-point>{start}</start-point>"
    tag = f'<tag><entry name="{naming.CONTAINED}"/></tag>'
    return f"<show><object><registered-ip>{page}{tag}</registered-ip></object></show>"


def ask(
    get: Callable[[Mapping[str, str]], bytes], configured: Iterable[bytes], vsys: str
) -> dict[str, bytes]:
    """Return the answers as parts of a document; nothing is asked where nothing is prepared."""
    if not any(_USED in part for part in configured):
        return {}
    return {PART: get({"type": "op", "cmd": command(), "vsys": vsys})}


def read(root: Element, name: str) -> tuple[Registered, ...]:
    """Return the addresses of an answer.

    Raises:
        ParseError: the answer lists no entries although it is a success, or is an error.
    """
    result = root.find("result")
    if root.get("status") != "success" or result is None:
        raise ParseError(name, "its answer about registered addresses is not understood")
    if result.find(".//outfile") is not None:
        raise ParseError(name, "it writes registered addresses to a file instead of listing them")
    found = tuple(map(_registered, result.iterfind("entry")))
    return tuple(one for one in found if naming.CONTAINED in one.tags)


def pages(ask_page: Callable[[str], Element], name: str) -> tuple[Registered, ...]:
    """Return the addresses of all pages, each asked for by its command.

    Raises:
        ParseError: an answer is not understood, or there are too many.
    """
    found: dict[str, Registered] = {}
    for number in range(_MOST_PAGES):
        page = ask_page(command(number * PAGE + 1))
        found |= {one.address: one for one in read(page, name)}
        if len(page.findall("result/entry")) < PAGE:
            return tuple(found.values())
    raise ParseError(name, f"it has more than {_MOST_PAGES * PAGE} addresses with our tag")


def _registered(entry: Element) -> Registered:
    tags = tuple(
        sorted({(member.text or "").strip() for member in entry.iterfind("tag/member")} - {""})
    )
    notes = [note for tag in tags if (note := naming.decode_contained(tag)) is not None]
    return Registered(
        address=(entry.get("ip") or "").strip(),
        note=max(notes, key=lambda note: note.until, default=None),
        persistent=entry.get("persistent") == "1",
        tags=tags,
    )


# --- in a document -------------------------------------------------------------------------------


def held(policy: Policy, filled: dict[str, Filled]) -> Filled | None:
    """Take who is contained out of what the objects hold that the device fills.

    None where the device has no group of ours for them.
    """
    own = next((group.name for group in policy[AddressGroup] if group.contained), None)
    if own is None:
        return None
    return filled.pop(own, None) or Filled(what="", unread="the device was not asked")


def notes(part: Element | None, name: str, inside: Filled | None) -> Iterator[Problem]:
    """Say of each address that is contained until when, by whom and why; that is no drift.

    An address that is registered and not in the group is not contained, which is a warning.
    """
    if part is None or inside is None:
        return
    try:
        registered = read(part, name)
    except ParseError as error:
        yield Problem(
            message=f"who is contained is not known: {error.message}",
            kind=CONTAINED,
            about=("contained", error.message),
        )
        return
    for one in registered:
        if inside.unread or one.address not in inside.addresses:
            why = f"which cannot be told: {inside.unread}" if inside.unread else ""
            words = one.held(enforced=False).words
            yield Problem(
                message=f"{one.address} is to be contained {words}, "
                f"{why or f'and is not in the group {naming.CONTAINED}'}",
                hint="segctl contain status says more",
                severity="warning",
                kind="boot",
                subject=one.address,
            )
            continue
        yield contained_note(one.held(enforced=True))
