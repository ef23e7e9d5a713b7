"""An open session with one Linux host: read, lock, push with a guard, confirm or revert."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from segctl.errors import (
    ApplyError,
    AuthError,
    ConnectError,
    DeviceError,
    LockedError,
    ParseError,
    SegctlError,
    UnsupportedError,
)
from segctl.providers import lock_owner
from segctl.providers.nftables import agent, commands, names, versions
from segctl.providers.nftables.document import EVERY, Document
from segctl.providers.nftables.foreign import hooked_tables
from segctl.providers.nftables.render import transactions
from segctl.providers.ssh import Answer, SshSession

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from segctl.providers.base import Target

NFT = "/usr/sbin/nft"
#: Commands of a session that only reads; nothing else leaves it.
READERS = (
    re.compile(
        re.escape(agent.reader("")).removesuffix("''")
        + r"'[0-9a-f]+'(?: '[a-z0-9]+ [0-9A-Za-z_./-]+')*"
    ),
    re.compile(rf"(?:sudo -n )?{re.escape(NFT)}{commands.LIST}", re.ASCII),
)
#: An exit code, at the end of a part of an answer.
_CODE = re.compile(r"[0-9]{1,3}\b", re.ASCII)
#: What a part of an answer is that is not there.
_NOTHING = Answer(code=1, out="", err="")
#: Pauses before another try at going back or at unlocking, when the line has dropped.
_TRIES = (0.0, 0.5, 2.0, 5.0)


#: What helps where nft crashes: it reads all tables of a host before it changes one.
_NEWER = (
    "an nft newer than the host's has probably written a table there, in a container for "
    "example: update nftables on the host, or take that table away (docs/nftables.md, Versions)"
)
#: Tables whose names go into a command line.
_TABLE = re.compile(r"[a-z0-9]+ [0-9A-Za-z_./-]+", re.ASCII)
#: What a shell says, and with which exit code, of a program that a signal has ended.
_SIGNALS = {134: "Aborted", 139: "Segmentation fault"}


def _crash(answer: Answer) -> str:
    """Return how the program crashed; empty where it did not."""
    said = next((one for one in _SIGNALS.values() if one in answer.err), "")
    ours = answer.code in (agent.CHECK_FAILED, agent.APPLY_FAILED)
    return _SIGNALS.get(answer.code, said if ours else "")


class NftSession:
    """One host; read-only unless opened for writing."""

    def __init__(self, target: Target, *, read_only: bool, progress: Callable[[str], None]) -> None:
        self._target = target
        self._read_only = read_only
        self._progress = progress
        self._sudo = ""
        self._had_table = True
        self._push = ""
        self._ssh = self._login()

    def _login(self) -> SshSession:
        return SshSession(
            self._target,
            device_type="terminal_server",
            read_only=self._read_only,
            readers=READERS,
            progress=self._progress,
        )

    def close(self) -> None:
        """Log out."""
        self._ssh.close()

    def _again(self) -> None:
        """Log in anew: the old login may outlive a policy that lets nobody in."""
        fresh = self._login()
        self._ssh.close()
        self._ssh = fresh

    # --- reading -----------------------------------------------------------------------------

    def read(self) -> bytes:
        """Return what the host holds, in one document.

        Raises:
            UnsupportedError: the host has no nft.
            AuthError: the account may not use it.
        """
        self._progress("reading")
        found = self._ask()
        self._sudo = "" if self._part(found, "uid").strip() == "0" else "sudo -n"
        hostname, _, kernel = self._part(found, "host").strip().partition(" ")
        version = self._part(found, "nft").strip()
        versions.check(self._target.name, version)
        table = self._table(found)
        self._had_table = bool(table)
        chains, foreign, unread = self._others(found)
        return Document(
            host=self._target.name,
            nft=version,
            kernel=kernel,
            hostname=hostname,
            machine=found.get("machine", _NOTHING).out.strip(),
            table=table,
            chains=chains,
            links=self._part(found, "links"),
            foreign=foreign,
            boot=found.get("boot", _NOTHING).code == 0,
            unread=unread,
        ).dump()

    def _others(self, found: Mapping[str, Answer]) -> tuple[str, dict[str, str], dict[str, str]]:
        """Return all chains, the listings of others' tables, and why some could not be listed.

        A table of others at which nft fails keeps nobody from reading ours.
        """
        crash = _crash(found.get("chains", _NOTHING))
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
                crash = _crash(answer)
                unread[name] = f"nft crashed ({crash})" if crash else answer.reason
        return chains, foreign, unread

    def _ask(self, *tables: str) -> dict[str, Answer]:
        """Run the reader; return its answers by name, each with the exit code of its command."""
        word = uuid4().hex
        answer = self._ssh.run(agent.reader(word, *tables))
        found: dict[str, Answer] = {}
        parts = re.split(rf"^{word} begin (.*)\n", answer.out, flags=re.MULTILINE)[1:]
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            out, _, rest = text.rpartition(f"\n{word} end ")
            code = _CODE.match(rest)
            if code is None:
                raise ParseError(self._target.name, f"its answer breaks off in {name!r}")
            found[name] = Answer(code=int(code[0]), out=out, err=answer.err)
        if not found:
            raise ParseError(self._target.name, f"did not answer: {answer.reason}")
        return found

    def _part(self, found: Mapping[str, Answer], name: str) -> str:
        answer = found.get(name)
        if answer is None:
            raise ParseError(self._target.name, f"gave no answer for {name!r}")
        if answer.code != 0:
            raise self._refused(name, answer)
        return answer.out

    def _table(self, found: Mapping[str, Answer]) -> str:
        """Return the listing of our table, empty where nft says that there is none."""
        answer = found.get("table")
        if answer is None or answer.code == 0:
            return self._part(found, "table")
        if agent.ABSENT in answer.out:
            return ""
        raise self._refused("table", replace(answer, err=answer.out or answer.err))

    def _hooked(self, chains: str) -> list[str]:
        try:
            return hooked_tables(chains)
        except ValueError as error:
            raise ParseError(self._target.name, "its answer is no listing of nft") from error

    def _refused(self, part: str, answer: Answer) -> SegctlError:
        name, reason = self._target.name, answer.reason
        text = answer.err
        if part in ("table", "chains") and (crash := _crash(answer)):
            return ParseError(name, f"nft crashed ({crash}) while listing {part}; {_NEWER}")
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
            UnsupportedError: it is another command, or has words beyond names.
        """
        if why := commands.refusal(command):
            raise UnsupportedError(f"{self._target.name}: {why}")
        self._progress("asking")
        answer = self._ssh.run(f"{self._nft} {command.removeprefix('nft ')}")
        if answer.code != 0:
            raise ApplyError(self._target.name, f"{command}: {answer.reason}")
        return answer.out

    # --- locking -----------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Generator[None]:
        """Hold the lock, a set in our table that only one run can create.

        Raises:
            LockedError: another run holds it.
        """
        self._progress("locking")
        owner = lock_owner.new_owner()
        who = str(owner)
        had_table = self._had_table  # what is read under the lock has the table of the lock
        try:
            self._take(who)
            try:
                yield
            finally:
                self._unlock(who, had_table=had_table)
        finally:
            lock_owner.release(owner)

    def _take(self, who: str) -> None:
        text = (
            f"add table {names.TABLE}\n"
            f"create set {names.TABLE} {names.LOCK} {{ {names.LOCK_MADE} }}\n"
            f'add element {names.TABLE} {names.LOCK} {{ 1 comment "{who}" }}\n'
        )
        for _ in range(3):
            answer = self._write_nft(text)
            if answer.code == 0:
                return
            if "File exists" not in answer.err:
                raise self._failed("lock", answer)
            held = self._holder()
            owner = lock_owner.read_owner(held)
            if held and (owner is None or lock_owner.is_alive(owner) is not False):
                raise LockedError(
                    self._target.name,
                    f"another segctl run holds the lock ({held}); wait for it, or if it is dead: "
                    f"nft delete set {names.TABLE} {names.LOCK}",
                )
            if held:
                self._progress("cleaning up after a run that was cut off")
                self._write_nft(f"delete set {names.TABLE} {names.LOCK}\n")
        raise LockedError(self._target.name, "the lock comes and goes: try again")

    def _write_nft(self, text: str) -> Answer:
        # the shell stays, to tell what became of nft also when it crashes
        return self._ssh.run(f"{self._nft} -f - || exit $?", text.encode())

    @property
    def _nft(self) -> str:
        return f"{self._sudo} {NFT}".strip()

    def _holder(self) -> str:
        answer = self._ssh.run(f"{self._nft} -j list set {names.TABLE} {names.LOCK}")
        found = re.search(r'"comment": ?"(segctl [^"]*)"', answer.out)
        return found[1] if found else ""

    def _unlock(self, who: str, *, had_table: bool) -> None:
        """Release the lock, if it still is this run's; what fails the next run cleans up."""
        problem = ""
        gone = "0" if had_table else "1"
        for pause in _TRIES:
            time.sleep(pause)
            try:
                if pause:
                    self._again()
                self._check(self._ssh.run(agent.command(self._sudo, "unlock", who, gone)))
            except DeviceError as error:
                problem = error.message
            else:
                return
        self._progress(f"could not release the lock, the next run will: {problem}")

    # --- pushing -----------------------------------------------------------------------------

    def push(self, script: str, *, revert_in: float | None = None) -> None:
        """Check and run the transactions of `script`; the guard goes back after `revert_in` s.

        Raises:
            ApplyError: nft refuses it; nothing of it is live.
            ConnectError: the connection ended; what had begun was taken back.
        """
        try:
            _, switch, _ = transactions(script)
        except ValueError as error:
            raise ApplyError(self._target.name, f"the script is not segctl's: {error}") from error
        if f"delete table {names.TABLE}\n" in switch and "add table" in switch:
            script += self._lock_again()
        self._push = uuid4().hex[:12]
        try:
            self._progress("pushing")
            seconds = 0 if revert_in is None else max(1, round(revert_in))
            data = script.encode()
            size = str(len(data))
            command = agent.command(self._sudo, "go", self._push, str(seconds), size)
            self._check(self._ssh.run(command, data, timeout=self._target.commit_timeout))
        except BaseException:
            self._progress("going back")
            with suppress(DeviceError):
                self.revert()
            raise

    def _lock_again(self) -> str:
        """Return what takes the lock again in a script that makes the whole table anew."""
        held = self._holder()
        return (
            f"add set {names.TABLE} {names.LOCK} {{ {names.LOCK_MADE} }}\n"
            f'add element {names.TABLE} {names.LOCK} {{ 1 comment "{held}" }}\n'
        )

    def _check(self, answer: Answer) -> None:
        if answer.code != 0:
            raise self._failed("push", answer)
        if answer.err.strip():
            self._progress(answer.reason)

    def _failed(self, what: str, answer: Answer) -> DeviceError:
        name, reason = self._target.name, answer.reason
        if "sudo" in reason or "Operation not permitted" in reason:
            return AuthError(name, f"{self._target.user!r} may not change nftables: {reason}")
        if crash := _crash(answer):
            return ApplyError(name, f"nft crashed ({crash}), nothing was changed; {_NEWER}")
        if answer.code == agent.CHECK_FAILED:
            return ApplyError(name, f"nft refuses the change, nothing was changed: {reason}")
        if answer.code == agent.INCOMPLETE:
            return ConnectError(name, "the upload was cut off: nothing was changed")
        return ApplyError(name, f"{what} failed, nothing changed: {reason}")

    def confirm(self) -> None:
        """Keep what was pushed, now and after a restart, if a new login still succeeds.

        Raises:
            ConnectError: nobody can log in any more.
            ApplyError: the guard has already gone back.
        """
        self._progress("logging in anew")
        self._again()
        answer = self._ssh.run(
            agent.command(self._sudo, "confirm", self._push), timeout=self._target.commit_timeout
        )
        if answer.code == agent.NOT_PENDING:
            raise ApplyError(self._target.name, "the time to confirm was over: it has gone back")
        if answer.code == agent.NO_BOOT_FILE:
            self._progress(f"{agent.BOOT_FILE} could not be written: {answer.reason}")
        elif answer.code != 0:
            raise self._failed("confirm", answer)
        self._push = ""

    def revert(self) -> None:
        """Put the table back that was there before `push`.

        Raises:
            ApplyError: it could not be put back.
            ConnectError: the host cannot be reached; its guard goes back by itself.
        """
        if not self._push:
            return
        problem: DeviceError | None = None
        for pause in _TRIES:
            time.sleep(pause)
            try:
                if pause:
                    self._again()
                answer = self._ssh.run(
                    agent.command(self._sudo, "revert", self._push),
                    timeout=self._target.commit_timeout,
                )
            except ConnectError as error:
                problem = error
                continue
            if answer.code == 0:
                self._push = ""
                return
            problem = self._failed("going back", answer)
        raise ApplyError(
            self._target.name,
            f"could not go back ({problem.message if problem else ''}); unless the push is "
            "confirmed, the host goes back by itself: run `segctl plan` to see what it holds",
        ) from problem
