"""An SSH server in a thread of its own; what runs on a channel is given by the caller."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_CHUNK = 65536
_START_SECONDS = 10


class Channel(Protocol):
    """One channel: its command, who opened it, and how to answer."""

    @property
    def command(self) -> str | None:
        """The command, None for an interactive shell."""
        ...

    @property
    def user(self) -> str:
        """Who logged in."""
        ...

    @property
    def ends(self) -> str:
        """The client's address and port and the server's, as ``SSH_CONNECTION`` has them."""
        ...

    def write(self, data: bytes) -> None:
        """Write to standard output."""
        ...

    def write_error(self, data: bytes) -> None:
        """Write to standard error."""
        ...

    def cut(self) -> None:
        """Cut the whole connection."""
        ...


class Handler(Protocol):
    """What a channel talks to; called in the server's thread but for ``work``."""

    def received(self, data: bytes) -> None:
        """Take input."""
        ...

    def ended(self) -> None:
        """Take the end of the input, also when the connection is lost."""
        ...

    def work(self) -> int | None:
        """Do the work in a thread; return the exit status, None to give none."""
        ...


@dataclass(slots=True)
class Accounts:
    """Who may log in, by password or by key."""

    passwords: Mapping[str, str]
    keys: Mapping[str, Sequence[str]]
    refused: int = 0
    logins: list[str] = field(default_factory=list[str])


class SshServer:
    """Listens on loopback until it is stopped."""

    def __init__(
        self,
        host_key: bytes,
        accounts: Accounts,
        handler: Callable[[Channel], Handler],
        *,
        banner: str = "OpenSSH_9.2p1 Debian-2+deb12u3",
    ) -> None:
        self._host_key = host_key
        self._accounts = accounts
        self._handler = handler
        self._banner = banner
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="ssh-server", daemon=True)
        self._pool = ThreadPoolExecutor(64, "ssh-channel")
        self._ready: Future[int] = Future()
        self._connections: set[Any] = set()
        self._port = 0
        self._stopped: asyncio.Event | None = None

    def start(self, port: int) -> int:
        """Listen; return the port."""
        self._port = port
        self._thread.start()
        return self._ready.result(_START_SECONDS)

    def stop(self) -> None:
        """Cut all connections and stop listening."""
        if self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(_START_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def cut_all(self) -> None:
        """Cut every connection."""
        for connection in [*self._connections]:
            self._loop.call_soon_threadsafe(connection.abort)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except OSError as error:
            self._ready.set_exception(error)
        finally:
            with contextlib.suppress(RuntimeError):
                self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _main(self) -> None:
        import asyncssh

        self._stopped = asyncio.Event()
        key = asyncssh.import_private_key(self._host_key)
        server = await asyncssh.create_server(
            self._login(),
            "127.0.0.1",
            self._port,
            server_host_keys=[key],
            process_factory=self._process,
            encoding=None,
            line_editor=False,
            server_version=self._banner,
            allow_scp=False,
            agent_forwarding=False,
            reuse_address=True,
        )
        self._ready.set_result(server.get_port())
        await self._stopped.wait()
        server.close()
        for connection in [*self._connections]:
            connection.abort()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 1)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _login(self) -> type:
        """Return the class that asyncssh asks about each connection."""
        import asyncssh

        connections, accounts, may_enter = self._connections, self._accounts, self._may_enter

        class Login(asyncssh.SSHServer):
            def connection_made(self, conn: Any) -> None:
                self.connection = conn
                connections.add(conn)

            def connection_lost(self, exc: Exception | None) -> None:
                del exc
                connections.discard(self.connection)

            def begin_auth(self, username: str) -> bool:
                lines = accounts.keys.get(username)
                if lines:
                    text = "".join(f"{line.strip()}\n" for line in lines)
                    self.connection.set_authorized_keys(asyncssh.import_authorized_keys(text))
                return True

            def password_auth_supported(self) -> bool:
                return True

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return may_enter(username, password)

            def auth_completed(self) -> None:
                accounts.logins.append(str(self.connection.get_extra_info("username")))

        return Login

    def _may_enter(self, username: str, password: str) -> bool:
        if self._accounts.refused > 0:
            self._accounts.refused -= 1
            return False
        known = self._accounts.passwords.get(username)
        return known is not None and known == password

    async def _process(self, process: Any) -> None:
        channel = _Channel(process, self._loop)
        handler = self._handler(channel)
        feeding = asyncio.ensure_future(_feed(process, handler))
        try:
            status = await self._loop.run_in_executor(self._pool, handler.work)
            await channel.drained()
            if status is None:
                process.close()
            else:
                with contextlib.suppress(OSError):
                    process.stdout.write_eof()
                process.exit(status)
        except RuntimeError:
            return
        finally:
            feeding.cancel()
            handler.ended()


async def _feed(process: Any, handler: Handler) -> None:
    import asyncssh

    try:
        while True:
            data = await process.stdin.read(_CHUNK)
            if not data:
                break
            handler.received(data)
    except (asyncssh.Error, OSError, asyncssh.TerminalSizeChanged, asyncssh.BreakReceived):
        pass
    finally:
        handler.ended()


class _Channel:
    """A channel of the server."""

    def __init__(self, process: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._process = process
        self._loop = loop
        command = process.command
        self.command: str | None = command.decode() if isinstance(command, bytes) else command
        self.user = str(process.get_extra_info("username"))
        far, near = process.get_extra_info("peername"), process.get_extra_info("sockname")
        self.ends = f"{far[0]} {far[1]} {near[0]} {near[1]}"
        self.lost = False

    def write(self, data: bytes) -> None:
        """Write to standard output."""
        self._put(self._process.stdout, data)

    def write_error(self, data: bytes) -> None:
        """Write to standard error."""
        self._put(self._process.stderr, data)

    def _put(self, stream: Any, data: bytes) -> None:
        if not self.lost:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._send, stream, data)

    def _send(self, stream: Any, data: bytes) -> None:
        if not self.lost:
            with contextlib.suppress(OSError):
                stream.write(data)

    async def drained(self) -> None:
        """Wait until all that was written is on its way."""
        with contextlib.suppress(OSError):
            await self._process.stdout.drain()

    def cut(self) -> None:
        """Cut the whole connection, once what was written is on its way."""
        done: Future[None] = Future()

        async def leave() -> None:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(self._process.stdout.drain(), 1)
            self.lost = True
            connection = self._process.channel.get_connection()
            transport = connection.get_extra_info("socket")
            del transport
            connection.abort()
            done.set_result(None)

        with contextlib.suppress(RuntimeError):
            asyncio.run_coroutine_threadsafe(leave(), self._loop)
            done.result(5)
