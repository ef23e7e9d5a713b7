"""An open session with a Linux host: reading it, and showing commands' output.

Locks are in `locking`, changes in `pushing`.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from segctl.compiler import naming
from segctl.model.errors import ApplyError, AuthError, ParseError, SegctlError, UnsupportedError
from segctl.providers.counting import Counts, Hits
from segctl.providers.nftables import agent, commands, names, versions, watching
from segctl.providers.nftables.containing import HostCell
from segctl.providers.nftables.document import EVERY, Document
from segctl.providers.nftables.foreign import hooked_tables, sets_of_marks
from segctl.providers.nftables.gates import lasting_sets
from segctl.providers.nftables.line import NEWER, NFT, SHARE, Clock, crash_of
from segctl.providers.nftables.listing import read_table
from segctl.providers.nftables.pushing import Pushing
from segctl.providers.nftables.records import read_records
from segctl.providers.nftables.said import PARTS
from segctl.providers.nftables.standing import standing
from segctl.system.loading import weight
from segctl.transports.ssh_exec import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.providers.nftables.table import Counter
    from segctl.providers.watching import Answer as Told
    from segctl.providers.watching import Watch

#: A name that may go into a command line.
_WORD = r"[0-9A-Za-z_./-]+"
#: The commands that a read-only session may send.
READERS = (
    re.compile(
        re.escape(agent.reader("")).removesuffix("''")
        + rf"'[0-9a-f]+'(?:(?: '[a-z0-9]+ {_WORD}')*"
        + rf"| '{agent.ELEMENTS}'(?: '(?:set|map) [a-z0-9]+ {_WORD} {_WORD}')+)"
    ),
    re.compile(rf"(?:sudo -n )?{re.escape(NFT)}{commands.LIST}", re.ASCII),
    *watching.READERS,
)
#: An exit code at the end of a part of an answer.
_CODE = re.compile(r"[0-9]{1,3}\b", re.ASCII)
#: Stands for a missing part of an answer.
_NOTHING = Answer(code=1, out="", err="")
#: Reading an answer may take this many times its largest size in memory.
_HEAVY = 2.5
#: So many sets of others are listed by themselves, each with a command of its own.
_MOST_SETS = 200
#: So many sets of others that only rules look up are listed, all with one command.
_MOST_HELD = 32
#: Characters that no listing contains, and that take six bytes each in a document.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


#: Why a counter at nought says nothing.
_UNTOLD = "nftables does not tell since when a rule counts"
#: No host runs for longer than this.
_OLDEST = timedelta(days=36_500)
#: Names of tables that may go into a command line.
_TABLE = re.compile(rf"[a-z0-9]+ {_WORD}", re.ASCII)
_SET = re.compile(rf"(set|map) [a-z0-9]+ {_WORD} {_WORD}", re.ASCII)


class NftSession(Pushing):
    """A session with one host; read-only unless opened for writing."""

    readers = READERS

    # --- reading -----------------------------------------------------------------------------

    def read(self) -> bytes:
        """Return what the host holds, as one document.

        Raises:
            UnsupportedError: the host has no nft.
            AuthError: the account may not use it.
        """
        self._progress("reading")
        answers = self._ask()
        self._sudo = "" if self._part(answers, "uid").strip() == "0" else "sudo -n"
        hostname, _, kernel = self._part(answers, "host").strip().partition(" ")
        version = self._part(answers, "nft").strip()
        versions.check(self._target.name, version)
        table = self._table(answers)
        chains, foreign, unread = self._others(answers)
        elements = self._elements(foreign, unread)
        elements |= self._held(foreign, elements)
        return Document(
            host=self._target.name,
            nft=version,
            kernel=kernel,
            hostname=hostname,
            machine=answers.get("machine", _NOTHING).out.strip(),
            table=table,
            chains=chains,
            links=self._part(answers, "links"),
            foreign=foreign,
            unread=unread,
            state=self._standing(answers, table),
            boot=self._told(answers, "boot") if self._told(answers, "body") else None,
            body=(self._told(answers, "body") or "").partition(" ")[0],
            loads=self._told(answers, "loads"),
            needs=self._told(answers, "needs"),
            forwarding=self._told(answers, "forwarding"),
            elements=elements,
        ).dump()

    def counts(
        self, _rules: Sequence[str], _window: timedelta, *, risky: bool = False
    ) -> Sequence[Counts]:
        """Return what the table's counters say; asking is never risky.

        Raises:
            DeviceError: the table cannot be listed.
        """
        del risky
        self._progress("reading counters")
        answers = self._ask()
        self._sudo = "" if self._part(answers, "uid").strip() == "0" else "sudo -n"
        name = self._target.name
        counters = self._counters(self._table(answers))
        started = self._started(answers)  # no counter outlives its kernel
        hits = tuple(
            Hits(rule=rule, count=one.packets, doubt=_UNTOLD, not_before=started)
            for one in counters
            if (rule := names.counted_rule(one.name)) is not None
        )
        return (Counts(member=name, hits=hits),)

    def _started(self, answers: Mapping[str, Answer]) -> datetime | None:
        """Return when the host was started; None where it does not tell."""
        try:
            lasted = timedelta(seconds=float(self._part(answers, "uptime").split()[0]))
        except (ValueError, IndexError, OverflowError):
            return None
        return datetime.now(UTC) - lasted if timedelta() <= lasted < _OLDEST else None

    def seen(self, watch: Watch) -> Sequence[Told]:
        """Return the host's connections, what it logged to the kernel, and what rules counted.

        Raises:
            DeviceError: the host does not answer, or its table cannot be listed.
        """
        self._progress("reading its traffic")
        answers = self._ask()
        self._sudo = "" if self._part(answers, "uid").strip() == "0" else "sudo -n"
        listing, host, now = self._table(answers), self._target.name, datetime.now(UTC)
        told = [watching.connections(host, self._shown, now)]
        log = watching.kernel_log(host, self._printed, watch.since, now, listing)
        told += [] if log is None else [log]
        return [*told, watching.counters(host, self._counters(listing), now)]

    def cells(self, group: str = naming.CONTAINED) -> Sequence[HostCell]:
        """Return the host, which can contain."""
        if self._clock is None:  # nothing was read yet
            self._sudo = "" if self._part(self._ask(), "uid").strip() == "0" else "sudo -n"
        name = self._target.name
        return (
            HostCell(
                name=name,
                shown=self._shown,
                write=self._write_nft,
                failed=self._failed,
                group=group,
            ),
        )

    def _shown(self, command: str) -> Answer:
        """Return what root gets to see of a command."""
        return self._printed(f"{self._sudo} {command}".strip())

    def _printed(self, command: str) -> Answer:
        limit = self._target.max_answer // SHARE
        return self._ssh.run(command, label="traffic", limit=limit)

    def _counters(self, listing: str) -> Iterable[Counter]:
        try:
            return read_table(listing).counters.values() if listing else ()
        except ValueError as error:
            message = "its listing of table inet segctl is not understood"
            raise ParseError(self._target.name, message) from error

    def _others(self, found: Mapping[str, Answer]) -> tuple[str, dict[str, str], dict[str, str]]:
        """Return all chains, the listings of others' tables, and why some could not be listed.

        If nft fails on another's table, ours can still be read.
        """
        crash = crash_of(found.get("chains", _NOTHING))
        if crash:
            return "", {}, {EVERY: f"nft crashed ({crash})"}
        chains = self._part(found, "chains")
        hooked = self._hooked(chains)
        unread = {name: "its name is unusual" for name in hooked if not _TABLE.fullmatch(name)}
        asked = [name for name in hooked if name not in unread]
        answers = self._ask(*asked) if asked else {}
        foreign: dict[str, str] = {}
        for name in asked:
            answer = answers.get(name)
            if answer is None or answer.code == 0:
                foreign[name] = self._part(answers, name)
            else:
                crash = crash_of(answer)
                unread[name] = f"nft crashed ({crash})" if crash else answer.reason
        return chains, foreign, unread

    def _elements(self, foreign: Mapping[str, str], unread: dict[str, str]) -> dict[str, str]:
        """Return what those sets of others hold that decide who writes our marks.

        One that cannot be listed makes its table `unread`.
        """
        found: dict[str, str] = {}
        limit = self._target.max_answer // SHARE  # of all of them: they are kept together
        asked = 0
        for table, listing in foreign.items():
            try:
                named = sets_of_marks(table, listing)
            except ValueError:
                continue  # the parser says what is wrong with it
            if asked + len(named) > _MOST_SETS:
                unread[table] = f"its rules that set marks rest on more than {_MOST_SETS} sets"
                continue
            for kind, name in named:
                command = f" -j list {kind} {table} {name}"
                if not re.fullmatch(commands.LIST, command, re.ASCII):
                    unread[table] = f"the name of its {kind} {name!r} is unusual"
                    break
                asked += 1
                left = limit - sum(map(len, found.values()))
                answer = self._ssh.run(
                    f"{self._nft}{command}", label="read set", limit=max(left, 1)
                )
                if answer.code != 0:
                    unread[table] = f"its {kind} {name} cannot be listed: {answer.reason}"
                    break
                found[f"{table} {name}"] = answer.out
                self._check_light("".join(found.values()))
        return found

    def _held(self, foreign: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
        """Return what those sets of others hold that decide about packets, in one request.

        Of more than can be read at once the rest is left out: what they hold is not known then.
        """
        asked: list[str] = []
        for table, listing in foreign.items():
            with suppress(ValueError):  # the parser says what is wrong with it
                asked += (
                    f"{kind} {table} {name}"
                    for kind, name in lasting_sets(listing)
                    if f"{table} {name}" not in known
                )
        asked = [one for one in asked if _SET.fullmatch(one)][:_MOST_HELD]
        if not asked:
            return {}
        answers = self._ask(agent.ELEMENTS, *asked)
        return {one.partition(" ")[2]: answers[one].out for one in asked if one in answers}

    def _standing(self, answers: Mapping[str, Answer], table: str) -> Mapping[str, Any]:
        """Remember the records of runs in the table; return them in the document's form."""
        try:
            self._clock = Clock(
                epoch=float(self._part(answers, "clock")),
                uptime=float(self._part(answers, "uptime").split()[0]),
                read=time.monotonic(),
            )
            self._records = read_records(table)
        except (ValueError, IndexError) as error:
            raise ParseError(
                self._target.name, "its clock or the lock of its table is not understood"
            ) from error
        self._table_text = table
        self._read_back = True
        own = self._lock.comment if self._lock else ""
        return standing(self._records, self._clock, own).as_json()

    def _ask(self, *tables: str) -> dict[str, Answer]:
        """Run the reader; return its answers by name, each with the exit code of its command."""
        word = uuid4().hex
        limit = self._target.max_answer // SHARE
        answer = self._ssh.run(
            agent.reader(word, *tables), label="read tables" if tables else "read", limit=limit
        )
        self._check_light(answer.out)
        found: dict[str, Answer] = {}
        said = answer.out
        begins = [*re.finditer(rf"^{word} begin (.*)\n", said, flags=re.MULTILINE)]
        for begin, following in zip_longest(begins, begins[1:]):
            stop = following.start() if following else len(said)
            end = said.rfind(f"\n{word} end ", begin.end(), stop)
            code = _CODE.match(said, end + len(f"\n{word} end "), stop) if end >= 0 else None
            if code is None:
                raise ParseError(
                    self._target.name, f"its answer ends in the middle of {begin[1]!r}"
                )
            out = said[begin.end() : end]
            found[begin[1]] = Answer(code=int(code[0]), out=out, err=answer.err)
        if not tables:
            self._ssh.note("read", {one: found[one].code for one in PARTS if one in found})
        if not found:
            raise ParseError(self._target.name, f"did not answer: {answer.reason}")
        return found

    def _check_light(self, text: str) -> None:
        """Refuse an answer that would take too much memory to read.

        Raises:
            ParseError: the answer is too large, or has control characters.
        """
        if weight(text) > _HEAVY * self._target.max_answer:
            raise ParseError(
                self._target.name,
                f"answers with {len(text) / 2**20:.1f} MB that would take more than "
                f"{_HEAVY * self._target.max_answer / 2**20:.0f} MB to read (segctl_max_answer_mb)",
            )
        if _CONTROL.search(text):
            raise ParseError(self._target.name, "answers with control characters")

    def _part(self, answers: Mapping[str, Answer], name: str) -> str:
        answer = answers.get(name)
        if answer is None:
            raise ParseError(self._target.name, f"gave no answer for {name!r}")
        if answer.code != 0:
            raise self._refused(name, answer)
        return answer.out

    def _told(self, answers: Mapping[str, Answer], name: str) -> str | None:
        """Return an answer that a host may lack the tools for; None if it does."""
        answer = answers.get(name)
        return None if answer is not None and answer.code else self._part(answers, name)

    def _table(self, answers: Mapping[str, Answer]) -> str:
        """Return the listing of our table; empty if nft says that there is none."""
        answer = answers.get("table")
        if answer is None or answer.code == 0:
            return self._part(answers, "table")
        if agent.ABSENT in answer.out:
            return ""
        raise self._refused("table", replace(answer, err=answer.out or answer.err))

    def _hooked(self, chains: str) -> list[str]:
        try:
            return hooked_tables(chains)
        except ValueError as error:
            raise ParseError(self._target.name, "its answer is not an nft listing") from error

    def _refused(self, part: str, answer: Answer) -> SegctlError:
        name, reason = self._target.name, answer.reason
        text = answer.err
        if part in ("table", "chains") and (crash := crash_of(answer)):
            return ParseError(name, f"nft crashed ({crash}) while listing {part}: {NEWER}")
        if part == "nft" or ("nft" in text and "not found" in text):
            return UnsupportedError(f"{name}: has no {NFT}: install nftables")
        if part == "links":
            return ParseError(name, f"cannot list its interfaces: {reason}")
        if "sudo" in text and "not found" in text:
            return AuthError(name, f"has no sudo, which {self._target.user!r} needs for nft")
        if "sudo" in text or "Operation not permitted" in text:
            return AuthError(
                name,
                f"{self._target.user!r} may not run nft ({reason}): log in as root, or give the "
                f"account its line in sudoers (docs/nftables.md)",
            )
        return ParseError(name, f"nft failed while listing {part} (exit {answer.code}): {reason}")

    def show(self, command: str) -> str:
        """Return what ``nft list …`` prints.

        Raises:
            UnsupportedError: it is another command, or has words other than names.
        """
        if why := commands.refusal(command):
            raise UnsupportedError(f"{self._target.name}: {why}")
        self._progress("asking")
        limit = self._target.max_answer // SHARE
        answer = self._ssh.run(
            f"{self._nft} {command.removeprefix('nft ')}", label="show", limit=limit
        )
        if answer.code != 0:
            raise ApplyError(self._target.name, f"{command}: {answer.reason}")
        return answer.out
