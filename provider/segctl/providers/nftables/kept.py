"""Whether a reboot restores what a host enforces now: the boot file, and what loads it.

The second line of the boot file has the digest of the table it was written from, as segctl reads
it with any version of nft, and the digest of the file's own lines. The file holds what is live if
both digests still match.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from segctl.model.errors import Problem
from segctl.providers.nftables import agent, names
from segctl.providers.nftables.listing import read_table
from segctl.providers.nftables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.providers.nftables.document import Document
    from segctl.providers.state import Kept

_HEAD = re.compile(
    rf"{agent.BOOT_TITLE}\n{agent.BOOT_HEAD} table=(?P<table>[0-9a-f]{{64}}) "
    r"body=(?P<body>[0-9a-f]{64})(?:\n.*)?",
    re.ASCII | re.DOTALL,
)
_GREP = re.compile(r"(?P<file>/[^:\s]+):(?P<line>.*)")
_INCLUDE = re.compile(r"\s*include\s+[\"']?(?P<path>[^\"';\s]+)")
_CONF = re.compile(r"(?<![\w./-])(/etc/[\w./-]+)")
_SYSTEMD = "/run/systemd/system"
_SERVICE = "nftables.service"
#: Files that a distribution's service loads although its unit does not say so.
_DEFAULT = ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf")


def digest(table: Table) -> str:
    """Return the SHA-256 of a table as segctl reads it, without the records of runs."""
    sets = (one for one in table.sets.values() if one.name not in names.RECORDS)
    said = [
        [
            [chain.name, chain.hook, [[line.text, line.comment] for line in chain.lines]]
            for chain in sorted(table.chains.values(), key=lambda chain: chain.name)
        ],
        sorted([one.name, one.declaration, one.map, *sorted(one.elements)] for one in sets),
        sorted([one.name, one.comment] for one in table.counters.values()),
        sorted(table.strange),
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def table_digest(listing: str) -> str:
    """Return the digest of a table from its listing, which is empty if there is no table.

    Raises:
        ValueError: it is not a listing.
    """
    return digest(read_table(listing) if listing else Table())


class Boot(NamedTuple):
    """Whether the boot file holds what the host enforces; why it does not, in words and as one."""

    kept: Kept
    why: str = ""
    cause: str = ""


def kept(document: Document, table: Table) -> Boot:
    """Compare the boot file with what the host enforces."""
    said = document.boot
    if said is None:
        return Boot("unknown", "it was not read", "unread")
    if "No such file or directory" in said:
        if not table.chains:
            return Boot("same")
        return Boot("missing", f"there is no {agent.BOOT_FILE}", "absent")
    if not said.startswith("#") and re.match(r"(?:cat|sudo|sh|\S+/cat): ", said):
        reason = said.strip().splitlines()[0]
        why = f"the account may not read it ({reason}): see docs/nftables.md"
        return Boot("unknown", why, "refused")
    head = _HEAD.fullmatch(said)
    if head is None:
        if said.startswith(agent.BOOT_TITLE):
            return Boot("unknown", "an earlier segctl wrote it", "earlier")
        return Boot("differs", "somebody else wrote it", "others")
    if head["body"] != document.body:
        return Boot("differs", "it was edited after segctl wrote it", "edited")
    if head["table"] != digest(table):
        return Boot("differs", "the table was changed after segctl wrote it", "changed")
    return Boot("same")


def loading(document: Document, table: Table) -> Iterator[Problem]:
    """Yield a finding if nothing loads the boot file at boot, or if that is unknown."""
    if not table.chains or document.loads is None:
        return
    told = _loaded(document.loads)
    if told is True:
        return
    if told is None:
        yield Problem(
            message=f"whether anything loads {agent.BOOT_FILE} at boot cannot be told: the host "
            "has no systemd, or includes files that segctl does not follow",
            hint="see docs/nftables.md, At boot",
            severity="note",
            kind="boot",
            subject=agent.BOOT_FILE,
        )
        return
    yield Problem(
        message=f"nothing loads {agent.BOOT_FILE} at boot: no unit that is enabled names it, and "
        "no file that one loads includes it; a reboot leaves the host open",
        hint="enable a unit or an include as described in docs/nftables.md, At boot",
        severity="warning",
        kind="boot",
        subject=agent.BOOT_FILE,
    )


def _loaded(text: str) -> bool | None:
    """Return whether an enabled unit leads to the boot file; None if unknown."""
    lines = text.splitlines()
    includes: dict[str, list[str]] = {}
    loaded: set[str] = set()
    for line in lines:
        match = _GREP.fullmatch(line)
        if match is None:
            continue
        if include := _INCLUDE.match(match["line"]):
            includes.setdefault(match["file"], []).append(include["path"])
        elif match["file"].endswith(".service") and not match["line"].lstrip().startswith("#"):
            loaded.update(_CONF.findall(match["line"]))
            if posixpath.basename(match["file"]) == _SERVICE:
                loaded.update(_DEFAULT)
    paths = [path for name in sorted(loaded) for path in includes.get(name, ())]
    if agent.BOOT_FILE in loaded or any(map(_reaches, paths)):
        return True
    if paths or _SYSTEMD not in lines:
        return None
    return False


def _reaches(pattern: str) -> bool:
    """Whether the path of an include, which may have wildcards, matches the boot file."""
    path = posixpath.normpath(posixpath.join("/etc", pattern))
    return fnmatch.fnmatchcase(agent.BOOT_FILE, path) or path == agent.BOOT_FOLDER
