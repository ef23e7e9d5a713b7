"""Everything that one read of a Linux host returned, as a JSON document of named answers."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

from segctl.model.errors import ParseError
from segctl.system.json_text import read_listing

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "segctl-nftables 1"
#: Stands for all tables, if it is unknown which ones exist.
EVERY = "*"
_MAY_LACK = ("boot", "loads", "needs", "forwarding")
#: A counter's values, in nft's JSON inside our own.
_COUNTED = re.compile(rb'(\\"packets\\": ?)[0-9]+(, ?\\"bytes\\": ?)[0-9]+')
#: The time that an element has left.
_EXPIRES = re.compile(rb'(\\"expires\\": ?)[0-9]+')


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The answers by name; `table` is empty where the host has no table of ours.

    `unread` maps tables of others, by ``family name``, to the reason they could not be listed;
    `EVERY` maps to the reason the list of tables is unknown. `state` is what runs left in our
    table, as `DeviceState` writes it, by the host's clock. `boot` is the start of the boot file or
    the reason it cannot be read, `body` the SHA-256 of its lines without the first two, `loads`
    what loads it, `needs` the lines that name servers, `forwarding` those that say what the kernel
    hands on; None if the document does not say.
    `elements` are the listings of those sets and maps of others that decide about our marks, or
    about forwarded packets, by ``family table name``.
    """

    host: str
    nft: str
    kernel: str
    hostname: str
    machine: str
    table: str
    chains: str
    links: str
    foreign: Mapping[str, str]
    unread: Mapping[str, str] = field(default_factory=dict[str, str])
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    boot: str | None = None
    body: str = ""
    loads: str | None = None
    needs: str | None = None
    forwarding: str | None = None
    elements: Mapping[str, str] = field(default_factory=dict[str, str])

    def dump(self) -> bytes:
        """Return the document."""
        return json.dumps({"format": FORMAT, **asdict(self)}).encode()


def steady(document: bytes) -> bytes:
    """Return a document with every counter, and the time that each element has left, at zero."""
    return _EXPIRES.sub(rb"\g<1>0", _COUNTED.sub(rb"\g<1>0\g<2>0", document))


def load(document: bytes) -> Document:
    """Parse a document.

    Raises:
        ParseError: it is not ours, or damaged.
    """
    try:
        fields = cast("dict[str, Any]", read_listing(document))
        if fields.pop("format") != FORMAT:
            raise ValueError  # noqa: TRY301 - one place says what a damaged document is
        if isinstance(fields.get("boot"), bool):  # the form of earlier documents
            del fields["boot"]
        if not all(_fits(name, value) for name, value in fields.items()):
            raise TypeError  # noqa: TRY301 - as above
        return Document(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ParseError("nftables", "not a document of this version, or damaged") from error


def _fits(name: str, value: object) -> bool:
    """Whether a value has the type of its field."""
    if name in ("foreign", "unread", "elements"):
        listings = cast("dict[str, object]", value) if isinstance(value, dict) else {"": None}
        return all(isinstance(listing, str) for listing in listings.values())
    if name == "state":
        return isinstance(value, dict)
    return isinstance(value, str) or (value is None and name in _MAY_LACK)
