"""Appliances with nothing but a command line, served by asyncssh: prompts, pages, modes, errors.

Written from the vendors' guides and recorded sessions, not from the client: what is typed ahead
waits, is repeated when it is read, and a pager takes it for a key.
"""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_ssh: Any = asyncssh
KEY = _ssh.generate_private_key("ssh-ed25519")
OTHER_KEY = _ssh.generate_private_key("ssh-ed25519")
PASSWORD, ENABLE = "operator-secret", "enable-secret"

#: Steps of an answer besides text and pauses in seconds: wait for the client to hang up, cut.
HANG, CUT = object(), object()


@dataclass(frozen=True)
class Later:
    """A step: text that comes by itself, so many seconds later."""

    text: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Style:
    """How one vendor's command line looks."""

    prompts: dict[str, str]
    pager: str
    erase: str
    invalid: str
    comment: str = ""
    start: str = "user"


ASA = Style(
    prompts={"user": "\rfw1> ", "enable": "\rfw1# ", "config": "\rfw1(config)# "},
    pager="<--- More --->",
    erase="\r              \r",
    invalid="      ^\r\nERROR: % Invalid input detected at '^' marker.\r\n",
    comment="!",
)
FORTI = Style(
    prompts={"user": "FGT1 # ", "config": "FGT1 (policy) # "},
    pager="--More-- ",
    erase="\r         \r",
    invalid="command parse error before 'nonsense'\r\nCommand fail. Return code -61\r\n\r\n",
    comment="#",
)
JUNOS = Style(
    prompts={"user": "{primary:node0}\r\nop@srx1> ", "config": "\r\n[edit]\r\nop@srx1# "},
    pager="---(more 42%)---",
    erase="\r                                        \r",
    invalid="                     ^\r\nunknown command.\r\n",
)


@dataclass(kw_only=True)
class Appliance:
    """One device and all that was said to it."""

    style: Style = ASA
    listings: dict[str, Sequence[Any]] = field(default_factory=dict[str, "Sequence[Any]"])
    motd: Sequence[Any] = ()
    accept: str = ""
    width: int = 0
    scroll: bool = False
    rows: int = 24
    repeats: bool = True
    prompting: bool = True
    exchanges: Sequence[str] = ()
    key: Any = KEY
    port: int = 0
    lines: list[str] = field(default_factory=list[str])
    typed: bytearray = field(default_factory=bytearray)
    logins: int = 0
    connections: list[Any] = field(default_factory=list[Any])
    opened: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def serving(self) -> Generator[Appliance]:
        """Serve on loopback until left."""
        loop, ready = asyncio.new_event_loop(), threading.Event()
        stop = asyncio.Event()

        async def serve() -> None:
            options: dict[str, Any] = {"kex_algs": list(self.exchanges)} if self.exchanges else {}
            server = await asyncssh.create_server(
                lambda: _Server(self),
                "127.0.0.1",
                0,
                server_host_keys=[self.key],
                process_factory=self._terminal,
                encoding=None,
                line_editor=False,
                **options,
            )
            self.port = server.get_port()
            ready.set()
            await stop.wait()
            server.close()
            await server.wait_closed()
            for line in self.connections:
                line.abort()
                await line.wait_closed()
            tasks = asyncio.all_tasks(loop) - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
        thread.start()
        assert ready.wait(30)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(30)
            loop.close()

    async def _terminal(self, process: Any) -> None:
        self.opened.set()
        with suppress(asyncssh.BreakReceived, asyncssh.ConnectionLost, EOFError, BrokenPipeError):
            await _Terminal(self, process).run()
        process.exit(0)


class _Server(asyncssh.SSHServer):
    def __init__(self, appliance: Appliance) -> None:
        self.appliance = appliance

    def connection_made(self, conn: Any) -> None:
        self.appliance.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        del username
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self.appliance.logins += 1
        return (username, password) == ("operator", PASSWORD)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.appliance.closed.set()


class _Terminal:
    def __init__(self, appliance: Appliance, process: Any) -> None:
        self.appliance = appliance
        self.style = appliance.style
        self.process = process
        self.mode = self.style.start
        self.rows = appliance.rows
        self.shown = 0

    async def run(self) -> None:
        if self.appliance.accept:
            self.say(self.appliance.accept)
            while await self.key() != "a":
                pass
            self.say("\r\n")
        await self.steps(self.appliance.motd)
        while self.appliance.prompting:
            self.say(self.style.prompts[self.mode])
            line = await self.line(self.style.prompts[self.mode].rpartition("\n")[2])
            self.appliance.lines.append(line)
            await self.obey(line.strip())
        await self.process.stdin.read()

    async def obey(self, line: str) -> None:
        if not line or (self.style.comment and line.startswith(self.style.comment)):
            return
        if line in self.appliance.listings:
            await self.steps(self.appliance.listings[line])
        elif line == "enable" and self.mode == "user":
            await self.enable()
        elif line in {"terminal pager 0", "set cli screen-length 0"}:
            self.rows = 0
            self.say("" if "pager" in line else "Screen length set to 0\r\n")
        elif line.startswith("set cli "):
            self.say("Done\r\n")
        elif line in {"configure terminal", "configure", "config firewall policy"}:
            self.mode = "config"
        elif line in {"end", "exit configuration-mode"} and self.mode == "config":
            self.mode = "enable" if "enable" in self.style.prompts else "user"
        elif not (self.mode == "config" and re.match(r"(set|access-list|hostname) ", line)):
            self.say(self.style.invalid)

    async def enable(self) -> None:
        for _ in range(3):
            self.say("Password: ")
            if await self.line(echo=False) == ENABLE:
                self.mode = "enable"
                return
            self.say("Invalid password\r\n")

    async def steps(self, steps: Sequence[Any]) -> None:
        self.shown = 0
        for step in steps:
            if step is HANG:
                await self.process.stdin.channel.wait_closed()
            elif step is CUT:
                self.process.channel.get_connection().abort()
                await asyncio.sleep(0)
                raise EOFError
            elif isinstance(step, Later):
                asyncio.get_running_loop().call_later(step.seconds, self.say, step.text)
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, bytes):
                self.process.stdout.write(step)
            elif not self.rows:
                self.say(str(step).replace("\n", "\r\n"))
            elif not await self.pages(str(step)):
                return

    async def pages(self, text: str) -> bool:
        """Show a text page by page; say whether all of it was wanted."""
        for line in text.splitlines(keepends=True):
            if self.shown >= self.rows:
                key = await self.page()
                if key not in " \r\n":
                    return False
                self.shown = 0 if key == " " else self.shown - 1
            self.say(line.replace("\n", "\r\n"))
            self.shown += line.endswith("\n")
        return True

    async def page(self) -> str:
        self.say(self.style.pager)
        key = await self.key()
        self.say(self.style.erase)
        return key

    async def key(self) -> str:
        byte: bytes = await self.process.stdin.read(1)
        if not byte:
            raise EOFError
        self.appliance.typed += byte
        return byte.decode()

    async def line(self, prompt: str = "", *, echo: bool = True) -> str:
        line, column, width = "", len(prompt.strip("\r")), self.appliance.width
        while (key := await self.key()) not in "\r\n":
            line += key
            if not (echo and self.appliance.repeats):
                continue
            if width and column == width and self.appliance.scroll:
                column = len(prompt) + 10  # what stood there goes to the left, behind a sign
                self.say(f"\r{prompt}${line[-10:-1]}")
            elif width and column == width:
                column = 0
                self.say("\r\n")
            column += 1
            self.say(key)
        self.say("\r\n")
        return line

    def say(self, text: str) -> None:
        self.process.stdout.write(text.encode())
