"""From a host's answers to `Live`: our table, interfaces, and what others do to forwarding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from segctl.model.errors import ParseError, Problem
from segctl.model.filled import Filled
from segctl.model.policy import AddressGroup, FirewallZone, Policy
from segctl.model.scope import Scope
from segctl.providers import parsed
from segctl.providers.base import Identity, Live
from segctl.providers.containing import contained_notes
from segctl.providers.nftables import containing, forwarding, functions, names, versions
from segctl.providers.nftables.agent import BOOT_FILE
from segctl.providers.nftables.build import Names
from segctl.providers.nftables.document import Document, load
from segctl.providers.nftables.foreign import foreign_findings
from segctl.providers.nftables.gates import gates
from segctl.providers.nftables.interpret import Meaning, interpret
from segctl.providers.nftables.kept import kept, loading
from segctl.providers.nftables.listing import read_table
from segctl.providers.nftables.needs import management
from segctl.providers.nftables.table import Table
from segctl.providers.state import DeviceState, read_state
from segctl.system.json_text import read_listing
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.providers.containing import Held


@dataclass(frozen=True, slots=True, kw_only=True)
class NftLive(Live):
    """A host's state, plus what only this provider's `render` needs."""

    table: Table = field(default_factory=Table)
    names: Names = field(default_factory=Names)


def parse(document: bytes) -> NftLive:
    """Parse a document of `NftSession.read`, or load one that was parsed before.

    Raises:
        ParseError: an answer is not understood, or the table named like ours is not ours.
        UnsupportedError: the host's nft is too old.
    """
    if parsed.is_parsed(document):
        return parsed.load(document, NftLive)
    with uncollected():
        return _parse(document)


def _parse(document: bytes) -> NftLive:
    host = load(document)
    versions.check(host.host, host.nft)
    table = _table(host)
    meaning = interpret(table) if table.chains else Meaning(policy=Policy(), names=Names())
    links = _links(host)
    boot = kept(host, table)
    who = _members(host, meaning.policy)
    return NftLive(
        identity=Identity(
            serial=host.machine,
            os_version=versions.version_of(host.nft),
            content_version="",
            scope=Scope(name=names.TABLE),
            model=f"Linux {host.kernel}",
            hostname=host.hostname,
        ),
        policy=meaning.policy,
        others=Policy(),
        order=tuple(rule.name for rule in meaning.policy.rules),
        zones=meaning.policy[FirewallZone],
        known={
            "application": frozenset(functions.NAMES),
            "interface": frozenset(str(link.get("ifname")) for link in links),
            "port": frozenset(
                f"{link['ifname']} {link['master']}" for link in links if "master" in link
            ),
        },
        gates=(*forwarding.gates(host.forwarding or ""), *gates(host)),
        contained={
            group: Filled(what="timed sets", addresses=tuple(one.address for one in members))
            for group, members in who.items()
        },
        counts={"rule": len(meaning.policy.rules)},
        findings=(
            *forwarding.findings(host.forwarding or ""),
            *foreign_findings(host),
            *_debris(meaning.debris),
            *loading(host, table),
            *(note for group, members in who.items() for note in contained_notes(group, members)),
        ),
        state=replace(
            _state(host),
            kept=boot.kept,
            why_not_kept=boot.why,
            cause=boot.cause,
            kept_where=BOOT_FILE,
        ),
        management=None if host.needs is None else management(host.needs),
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
    sets = {name: one for name, one in table.sets.items() if name not in names.RECORDS}
    table = replace(table, sets=sets)
    filled = table.chains or table.counters or table.sets or table.strange
    if filled and (held is None or not held.comment.startswith("made by segctl")):
        raise ParseError(
            found.host,
            f"has a table {names.TABLE} that segctl did not create: rename or delete it there",
        )
    if held is not None and held.comment not in (names.FORMAT, names.FORMER):
        raise ParseError(
            found.host,
            f"its table {names.TABLE} is {held.comment!r}, but this segctl writes "
            f"{names.FORMAT!r}: use the segctl that wrote it",
        )
    return table


def _members(found: Document, policy: Policy) -> dict[str, tuple[Held, ...]]:
    """Return who is cut off, by group that is prepared for that."""
    own = [group.name for group in policy[AddressGroup] if group.contained]
    try:
        return {group: containing.members(found.table, group) for group in own}
    except ValueError as error:
        raise ParseError(found.host, "who is contained there is not understood") from error


def _links(found: Document) -> Sequence[Mapping[str, Any]]:
    try:
        links = cast("list[dict[str, Any]]", read_listing(found.links))
        return [{str(key): value for key, value in link.items()} for link in links]
    except (ValueError, TypeError, AttributeError) as error:
        raise ParseError(found.host, "its list of interfaces is not understood") from error


def _state(found: Document) -> DeviceState:
    try:
        return read_state(found.state)
    except (TypeError, AttributeError) as error:
        raise ParseError(
            found.host, "the records that runs left on it are not understood"
        ) from error


def _debris(debris: Sequence[str]) -> Iterator[Problem]:
    if debris:
        yield Problem(
            message=f"our table holds {len(debris)} items that no packet reaches: "
            f"{', '.join(debris[:5])}{' …' if len(debris) > 5 else ''}",
            hint="the next apply removes them",
            severity="note",
        )
