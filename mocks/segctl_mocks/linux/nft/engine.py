"""The nft program: options, scripts, listings, and the ruleset they work on."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import errors, grammar
from segctl_mocks.linux.nft.errors import NftError, Source
from segctl_mocks.linux.nft.jsonlist import JsonListing
from segctl_mocks.linux.nft.listing import Options, TextListing
from segctl_mocks.linux.nft.state import NamedSet, Ruleset, Table
from segctl_mocks.linux.nft.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from segctl_mocks.linux.nft.syntax import Command
    from segctl_mocks.linux.nft.types import Json

RELEASES = {
    "0.9.3": "Topsy",
    "0.9.8": "E.D.S.",
    "1.0.6": "Lester Gooch #5",
    "1.0.9": "Old Doc Yak #3",
    "1.1.3": "Commodore Bullmoose #4",
    "1.1.7": "Commodore Bullmoose #8",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What a program printed, and its exit status."""

    status: int = 0
    out: str = ""
    err: str = ""


@dataclass(slots=True)
class Nft:
    """The nftables of one host. ``history`` holds every ruleset that was live."""

    version: str = "1.0.6"
    interfaces: list[str] = field(default_factory=lambda: ["lo"])
    live: Ruleset = field(default_factory=Ruleset)
    history: list[Ruleset] = field(default_factory=list[Ruleset])
    in_flight: list[tuple[int, Ruleset]] = field(default_factory=list["tuple[int, Ruleset]"])
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        if not self.history:
            self.history.append(self.live)

    @property
    def banner(self) -> str:
        """The line ``nft --version`` prints."""
        return f"nftables v{self.version} ({RELEASES.get(self.version, 'Unknown')})\n"

    def main(self, arguments: Sequence[str], stdin: str, read: Callable[[str], str]) -> Result:
        """Run nft with its arguments; ``read`` returns the text of a file or raises OSError."""
        flags, file, rest, problem = _options(arguments)
        if problem:
            return Result(1, "", problem)
        if "version" in flags:
            return Result(0, self.banner)
        if file is None and not rest:
            return Result(1, "", "nft: no command specified\n")
        if file is None:
            source = Source("", " ".join(rest))
        elif file in {"-", "/dev/stdin"}:
            source = Source("/dev/stdin", stdin)
        else:
            try:
                source = Source(file, read(file))
            except OSError as error:
                text = (
                    f'internal:0:0-0: Error: Could not open file "{file}": {error.strerror}\n\n\n'
                )
                return Result(1, "", text)
        return self.script(source, flags)

    def script(self, source: Source, flags: frozenset[str] = frozenset()) -> Result:
        """Run the commands of a text."""
        try:
            commands = grammar.parse(source.text, destroy=_at_least(self.version, (1, 0, 7)))
        except NftError as error:
            return Result(1, "", source.show(error))
        self.expire()
        transaction = Transaction(self.live, self.interfaces, self.clock())
        changes = [each for each in commands if each.verb not in {"list", "reset"}]
        done = transaction.run(changes)
        if not done or "check" in flags:
            transaction.use_handles()
        if not done:
            return Result(1, "", "".join(source.show(each) for each in transaction.errors))
        out: list[str] = []
        try:
            out += [
                self.listing(transaction.new, command, flags)
                for command in commands
                if command.verb in {"list", "reset"}
            ]
        except NftError as error:
            return Result(1, "", source.show(error))
        if changes and "check" not in flags:
            self._commit(transaction)
        return Result(0, "".join(out))

    def expire(self) -> None:
        """Take out the elements whose time is over, as the kernel does by itself."""
        self.live = self.live.after(self.clock())

    def _commit(self, transaction: Transaction) -> None:
        new = transaction.new
        between = _half_way(transaction)
        if between is not None:
            self.in_flight.append((len(self.history), between))
        self.live = new
        self.history.append(new)

    # -- listing -------------------------------------------------------------------

    def listing(self, rules: Ruleset, command: Command, flags: frozenset[str]) -> str:
        """Return what ``list`` or ``reset`` prints."""
        options = Options(
            handles="handles" in flags,
            stateless="stateless" in flags,
            terse="terse" in flags,
            numeric="numeric" in flags,
            typeof=_at_least(self.version, (1, 1)),
            now=self.clock(),
        )
        tables = _tables(rules, command)
        if "json" in flags:
            return self._json(tables, command, options)
        return _text(tables, command, options)

    def _json(self, tables: list[Table], command: Command, options: Options) -> str:
        found: list[Json] = [
            {
                "metainfo": {
                    "version": self.version,
                    "release_name": RELEASES.get(self.version, "Unknown"),
                    "json_schema_version": 1,
                }
            }
        ]
        listing = JsonListing(options)
        for table in tables:
            found += _json_parts(table, command, listing)
        return json.dumps({"nftables": found}, ensure_ascii=False) + "\n"

    def text(self, rules: Ruleset | None = None, options: Options | None = None) -> str:
        """Return a whole ruleset as ``nft list ruleset`` prints it."""
        listing = TextListing(options or Options(now=self.clock()))
        chosen = self.live if rules is None else rules
        return "".join(listing.table(table) for table in chosen.tables.values())

    def reset_history(self) -> None:
        """Forget what was live before."""
        self.history, self.in_flight = [self.live], []


def _at_least(version: str, wanted: tuple[int, ...]) -> bool:
    return tuple(int(part) for part in version.split(".")) >= wanted


_LONG = {
    "--version": "version",
    "--check": "check",
    "--json": "json",
    "--stateless": "stateless",
    "--handle": "handles",
    "--terse": "terse",
    "--numeric": "numeric",
    "--echo": "echo",
    "--debug": "debug",
    "--reversedns": "reversedns",
    "--service": "service",
    "--guid": "guid",
    "--numeric-priority": "numeric",
    "--optimize": "optimize",
}
_SHORT = {
    "v": "version",
    "V": "version",
    "c": "check",
    "j": "json",
    "s": "stateless",
    "a": "handles",
    "t": "terse",
    "n": "numeric",
    "y": "numeric",
    "e": "echo",
    "N": "reversedns",
    "S": "service",
    "u": "guid",
    "o": "optimize",
}


def _options(arguments: Sequence[str]) -> tuple[frozenset[str], str | None, list[str], str]:
    flags: set[str] = set()
    file: str | None = None
    rest = [*arguments]
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word in {"--file", "-f"}:
            if not rest:
                return frozenset(), None, [], "nft: option requires an argument -- 'f'\n"
            file = rest.pop(0)
        elif word in _LONG:
            flags.add(_LONG[word])
        elif word.startswith("--"):
            return frozenset(), None, [], f"nft: unrecognized option '{word}'\n"
        else:
            letters = word[1:]
            while letters:
                letter, letters = letters[0], letters[1:]
                if letter == "f":
                    file = letters or (rest.pop(0) if rest else "")
                    letters = ""
                elif letter in _SHORT:
                    flags.add(_SHORT[letter])
                else:
                    return frozenset(), None, [], f"nft: invalid option -- '{letter}'\n"
    return frozenset(flags), file, rest, ""


def _tables(rules: Ruleset, command: Command) -> list[Table]:
    place = command.place
    if not place.table:
        return [table for key, table in rules.tables.items() if place.family in {"", key[0]}]
    table = rules.tables.get((place.family, place.table))
    if table is None:
        raise NftError(errors.NO_FILE, place.table_span)
    known: dict[str, Container[str]] = {
        "chain": table.chains,
        "set": table.sets,
        "map": table.sets,
        "counter": table.counters,
    }
    if place.name and place.name not in known.get(command.what, {}):
        raise NftError(errors.NO_FILE, place.name_span)
    return [table]


def _chosen_sets(table: Table, *, maps: bool) -> list[NamedSet]:
    return [each for each in table.sets.values() if each.declaration.is_map == maps]


def _text(tables: list[Table], command: Command, options: Options) -> str:
    listing = TextListing(options)
    return "".join(_table_text(table, command, listing) for table in tables)


def _table_text(table: Table, command: Command, listing: TextListing) -> str:
    what, name = command.what, command.place.name
    if what == "tables":
        return f"table {table.family} {table.name}\n"
    if what in {"ruleset", "table"}:
        return listing.table(table)
    if what == "counters" and not table.counters:
        return ""
    parts: list[str] = []
    match what:
        case "chains":
            parts = [listing.bare_chain(each) for each in table.chains.values()]
        case "chain":
            parts = [listing.chain(table.chains[name])]
        case "set" | "map":
            parts = [listing.set(table.sets[name])]
        case "sets" | "maps":
            parts = [listing.set(each) for each in _chosen_sets(table, maps=what == "maps")]
        case "counter":
            parts = [listing.counter(table.counters[name])]
        case "counters":
            parts = [listing.counter(each) for each in table.counters.values()]
        case _:
            pass
    return listing.table(table, parts)


def _json_parts(table: Table, command: Command, listing: JsonListing) -> list[Json]:
    name = command.place.name
    match command.what:
        case "tables":
            return [listing.table(table)]
        case "ruleset" | "table":
            return listing.everything(table)
        case "chains":
            return [listing.chain(table, each) for each in table.chains.values()]
        case "chain":
            chain = table.chains[name]
            return [listing.chain(table, chain), *listing.rules(table, chain)]
        case "set" | "map":
            return [listing.set(table, table.sets[name])]
        case "sets" | "maps":
            found = _chosen_sets(table, maps=command.what == "maps")
            return [listing.set(table, each) for each in found]
        case "counter":
            return [listing.counter(table, table.counters[name])]
        case "counters":
            return [listing.counter(table, each) for each in table.counters.values()]
        case _:
            return []


def _half_way(transaction: Transaction) -> Ruleset | None:
    """Return what packets meet for milliseconds: new rules, new interval sets still empty.

    Measured on a kernel: rules switch at once, the content of an interval set that the
    same transaction made becomes visible only at the end of the commit.
    """
    empty: dict[tuple[str, str], list[str]] = {}
    for family, owner, name in transaction.fresh_sets:
        found = transaction.new.tables.get((family, owner))
        if found is not None and name in found.sets:
            fresh = found.sets[name]
            if fresh.declaration.interval and fresh.elements:
                empty.setdefault((family, owner), []).append(name)
    if not empty:
        return None
    half = Ruleset(
        {**transaction.new.tables}, transaction.new.last_handle, transaction.new.generation
    )
    for key, names in empty.items():
        table = half.tables[key].clone()
        for name in names:
            table.sets[name] = NamedSet(name, table.sets[name].handle, table.sets[name].declaration)
        half.tables[key] = table
    return half
