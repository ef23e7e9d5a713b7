"""An open session with one Linux host: read, lock, push with a guard, confirm or revert."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
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
from segctl.providers import holder
from segctl.providers.nftables import agent, names
from segctl.providers.nftables.document import Document
from segctl.providers.nftables.foreign import hooked_tables
from segctl.providers.nftables.listing import entries
from segctl.providers.nftables.render import transactions
from segctl.providers.ssh import Answer, SshSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segctl.providers.base import Target

NFT = "/usr/sbin/nft"
#: Commands of a session that only reads; nothing else leaves it.
READERS = (
    re.compile(r"id -u|uname -n -r|cat /etc/machine-id|/usr/sbin/nft --version|/usr/sbin/ip -j link"),
    re.compile(rf"(?:sudo -n )?{NFT} -j list (?:tables|chains|table inet segctl)"),
    re.compile(rf"(?:sudo -n )?{NFT} -j -t list table [a-z0-9]+ [0-9A-Za-z_./-]+"),
    re.compile(rf"ls {agent.BOOT_FILE}"),
)
#: Pauses before another try at going back or at unlocking, when the line has dropped.
_TRIES = (0.0, 0.5, 2.0, 5.0)
_LOCK_SET = "{ type mark; elements = { 1 comment "


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
        self._sudo = "" if self._answer("id -u").strip() == "0" else "sudo -n "
        version = self._answer(f"{NFT} --version")
        hostname, _, kernel = self._answer("uname -n -r").strip().partition(" ")
        tables = self._nft("-j list tables")
        chains = self._nft("-j list chains")
        self._had_table = self._ours(tables)
        document = Document(
            host=self._target.name,
            nft=version.strip(),
            kernel=kernel,
            hostname=hostname,
            machine=self._optional("cat /etc/machine-id").strip(),
            table=self._nft(f"-j list table {names.TABLE}") if self._had_table else "",
            chains=chains,
            links=self._answer("/usr/sbin/ip -j link"),
            foreign={table: self._foreign(table) for table in self._hooked(chains)},
            boot=bool(self._optional(f"ls {agent.BOOT_FILE}")),
        )
        return document.dump()

    def _ours(self, tables: str) -> bool:
        return any(
            kind == "table" and values["family"] == names.FAMILY and values["name"] == names.NAME
            for kind, values in self._entries(tables)
        )

    def _entries(self, listing: str) -> list[tuple[str, Any]]:
        try:
            return list(entries(listing))
        except ValueError as error:
            raise ParseError(self._target.name, "its answer is no listing of nft") from error

    def _hooked(self, chains: str) -> list[str]:
        self._entries(chains)
        return hooked_tables(chains)

    def _foreign(self, table: str) -> str:
        if not re.fullmatch(r"[a-z0-9]+ [0-9A-Za-z_./-]+", table):
            raise ParseError(self._target.name, f"has a table of an unusual name: {table!r}")
        return self._nft(f"-j -t list table {table}")

    def _answer(self, command: str) -> str:
        answer = self._ssh.run(command, timeout=self._target.timeout)
        if answer.code != 0:
            raise self._refused(command, answer)
        return answer.out

    def _optional(self, command: str) -> str:
        answer = self._ssh.run(command)
        return answer.out if answer.code == 0 else ""

    def _nft(self, words: str) -> str:
        return self._answer(f"{self._sudo}{NFT} {words}")

    def _refused(self, command: str, answer: Answer) -> SegctlError:
        name, reason = self._target.name, answer.reason
        if NFT in command and (answer.code == 127 or "command not found" in reason):
            if self._sudo and "sudo" in reason and "nft" not in reason:
                return AuthError(name, f"has no sudo, which {self._target.user!r} needs for nft")
            return UnsupportedError(f"{name}: has no {NFT}: install nftables")
        if "sudo" in reason or "Operation not permitted" in reason:
            return AuthError(
                name,
                f"{self._target.user!r} may not run nft ({reason}): log in as root, or give the "
                f"account a line in sudoers: {self._target.user} ALL=(root) NOPASSWD: {NFT}, …",
            )
        if answer.code in (134, 139, 255) or "dumped" in reason:
            return ParseError(name, f"nft ended abnormally while listing ({reason})")
        return ParseError(name, f"{command.split(' --')[0][:60]}: {reason}")

    # --- locking -----------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock, a set in our table that only one run can create.

        Raises:
            LockedError: another run holds it.
        """
        self._progress("locking")
        who = holder.new()
        try:
            self._take(who)
            try:
                yield
            finally:
                self._unlock(who)
        finally:
            holder.done(who)

    def _take(self, who: str) -> None:
        text = (
            f"add table {names.TABLE}\n"
            f'create set {names.TABLE} {names.LOCK} {_LOCK_SET}"{who}" }} }}\n'
        )
        for _ in range(3):
            answer = self._write_nft(text)
            if answer.code == 0:
                return
            if "File exists" not in answer.err:
                raise self._failed("lock", answer)
            held = self._holder()
            if held and not holder.abandoned(held):
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
        return self._ssh.run(f"{self._sudo}{NFT} -f -", text.encode())

    def _holder(self) -> str:
        answer = self._ssh.run(f"{self._sudo}{NFT} -j list set {names.TABLE} {names.LOCK}")
        found = re.search(r'"comment": ?"(segctl [^"]*)"', answer.out)
        return found[1] if found else ""

    def _unlock(self, who: str) -> None:
        """Release the lock, if it still is this run's; what fails the next run cleans up."""
        problem = ""
        for pause in _TRIES:
            time.sleep(pause)
            try:
                if pause:
                    self._again()
                if self._holder() == who:
                    self._write_nft(f"delete set {names.TABLE} {names.LOCK}\n")
                if not self._had_table and self._is_empty():
                    self._write_nft(f"delete table {names.TABLE}\n")
            except DeviceError as error:
                problem = error.message
            else:
                return
        self._progress(f"could not release the lock, the next run will: {problem}")

    def _is_empty(self) -> bool:
        answer = self._ssh.run(f"{self._sudo}{NFT} -j list table {names.TABLE}")
        if answer.code != 0:
            return False
        kinds = [kind for kind, _ in self._entries(answer.out)]
        return set(kinds) <= {"metainfo", "table"}

    # --- pushing -----------------------------------------------------------------------------

    def push(self, script: str, *, revert_in: float | None = None) -> None:
        """Check and run the transactions of `script`; the guard goes back after `revert_in` s.

        Raises:
            ApplyError: nft refuses it; nothing of it is live.
            ConnectError: the connection ended; what had begun was taken back.
        """
        try:
            parts = dict(zip(("prepare", "switch", "clean"), transactions(script), strict=True))
        except ValueError as error:
            raise ApplyError(self._target.name, f"the script is not segctl's: {error}") from error
        if parts["switch"].startswith("delete table") and "add table" in parts["switch"]:
            parts["switch"] += self._lock_again()
        self._push = uuid4().hex[:12]
        try:
            for name, text in parts.items():
                if text:
                    self._upload(name, text)
            self._progress("pushing")
            seconds = 0 if revert_in is None else max(1, round(revert_in))
            self._check(
                self._ssh.run(
                    agent.command(self._sudo, "go", self._push, str(seconds)),
                    timeout=self._target.commit_timeout,
                )
            )
        except BaseException:
            self._progress("going back")
            with suppress(DeviceError):
                self.revert()
            raise

    def _lock_again(self) -> str:
        held = self._holder()
        return f'create set {names.TABLE} {names.LOCK} {_LOCK_SET}"{held}" }} }}\n' if held else ""

    def _upload(self, name: str, text: str) -> None:
        data = text.encode()
        command = agent.command(self._sudo, "put", self._push, name, str(len(data)))
        self._check(self._ssh.run(command, data, timeout=self._target.commit_timeout))

    def _check(self, answer: Answer) -> None:
        if answer.code != 0:
            raise self._failed("push", answer)
        if answer.err.strip():
            self._progress(answer.reason)

    def _failed(self, what: str, answer: Answer) -> DeviceError:
        name, reason = self._target.name, answer.reason
        if "sudo" in reason or "Operation not permitted" in reason:
            return AuthError(name, f"{self._target.user!r} may not change nftables: {reason}")
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


