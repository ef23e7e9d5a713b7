"""From a host's answers to `Live`: our table, interfaces, and what others do to forwarding."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from segctl.errors import ParseError, Problem
from segctl.policy import Policy
from segctl.providers import parsed
from segctl.providers.base import Identity, Live
from segctl.providers.loading import uncollected
from segctl.providers.nftables import functions, names, versions
from segctl.providers.nftables.agent import BOOT_FILE
from segctl.providers.nftables.build import Names
from segctl.providers.nftables.document import Document, load
from segctl.providers.nftables.foreign import foreign_findings
from segctl.providers.nftables.interpret import Meaning, interpret
from segctl.providers.nftables.listing import read_table
from segctl.providers.nftables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class NftLive(Live):
    """A host's state with what only this provider's `render` needs of it."""

    table: Table = field(default_factory=Table)
    names: Names = field(default_factory=Names)


def parse(document: bytes) -> NftLive:
    """Read a document of `NftSession.read`, or what was parsed of one before.

    Raises:
        ParseError: an answer is not understood, or the table named like ours is not ours.
        UnsupportedError: the host's nft is too old.
    """
    if parsed.is_parsed(document):
        return parsed.load(document, NftLive)
    with uncollected():
        return _parse(document)


def _parse(document: bytes) -> NftLive:
    found = load(document)
    versions.check(found.host, found.nft)
    table = _table(found)
    meaning = interpret(table) if table.chains else Meaning(policy=Policy(), names=Names())
    links = _links(found)
    return NftLive(
        identity=Identity(
            serial=found.machine,
            os_version=versions.version_of(found.nft),
            content_version="",
            scope=names.TABLE,
            model=f"Linux {found.kernel}",
            hostname=found.hostname,
        ),
        policy=meaning.policy,
        others=Policy(),
        order=tuple(rule.name for rule in meaning.policy.rules),
        zones=meaning.policy.zones,
        known={
            "application": frozenset(functions.NAMES),
            "interface": frozenset(str(link.get("ifname")) for link in links),
            "port": frozenset(
                f"{link['ifname']} {link['master']}" for link in links if "master" in link
            ),
        },
        pending=tuple((who, "its lock") for who in _holders(table)),
        counts={"rule": len(meaning.policy.rules)},
        findings=(
            *foreign_findings(found),
            *_debris(meaning.debris),
            *_unkept(found, table),
        ),
        table=table,
        names=meaning.names,
    )


def _table(found: Document) -> Table:
    if not found.table:
        return Table(exists=False)
    try:
        table = read_table(found.table)
    except ValueError as error:
        raise ParseError(
            found.host, "its listing of table inet segctl is not understood"
        ) from error
    held = table.counters.get(names.MARK)
    filled = table.chains or table.counters or {*table.sets} - {names.LOCK} or table.strange
    if filled and (held is None or not held.comment.startswith("made by segctl")):
        raise ParseError(
            found.host,
            f"has a table {names.TABLE} that segctl did not make: rename or delete it there",
        )
    if held is not None and held.comment != names.FORMAT:
        raise ParseError(
            found.host,
            f"its table {names.TABLE} is {held.comment!r}, this segctl writes {names.FORMAT!r}: "
            "use the segctl that wrote it",
        )
    return table


def _links(found: Document) -> Sequence[Mapping[str, Any]]:
    try:
        links = cast("list[dict[str, Any]]", json.loads(found.links))
        return [{str(key): value for key, value in link.items()} for link in links]
    except (ValueError, TypeError, AttributeError) as error:
        raise ParseError(found.host, "its list of interfaces is not understood") from error


def _holders(table: Table) -> tuple[str, ...]:
    lock = table.sets.get(names.LOCK)
    return tuple(lock.comments.values()) if lock else ()


def _unkept(found: Document, table: Table) -> Iterator[Problem]:
    if table.chains and not found.boot:
        yield Problem(
            message=f"there is no {BOOT_FILE}: after a restart the host has no policy of ours",
            hint="let the account write it (docs/nftables.md) and apply again",
            severity="warning",
        )


def _debris(debris: Sequence[str]) -> Iterator[Problem]:
    if debris:
        yield Problem(
            message=f"our table holds {len(debris)} things that no packet meets: "
            f"{', '.join(debris[:5])}{' …' if len(debris) > 5 else ''}",
            hint="the next apply removes them",
            severity="note",
        )
