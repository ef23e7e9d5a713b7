"""A session over SSH for every platform with a command line, on netmiko.

The host's key is checked before anything else is sent; nothing is written at login; each command
is one call with its own bounds; a read-only session lets pass only the commands it was opened
with. What netmiko and paramiko raise does not leave this module.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segctl import inert, storage
from segctl.errors import ApplyError, AuthError, ConnectError, ParseError, UnsupportedError
from segctl.folders import file_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from segctl.providers.base import Target

#: Printable ASCII without what a command line could take for its own.
_TEXT = re.compile(r"[ #$%&()*+,./0-9:=@A-Z\[\]^_a-z{|}~<>-]*", re.ASCII)
_CHUNK = 1 << 16
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02
#: What a device gets beyond its time before the line is cut under a call that does not return.
_GRACE = 2.0
#: A login takes at most this many times ``segctl_timeout``.
LOGIN = 3
_KEY_TYPES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)


def token(kind: str, text: str, allowed: re.Pattern[str] = _TEXT, limit: int = 255) -> str:
    """Return `text` if it may stand in a command line.

    Raises:
        UnsupportedError: it holds a newline, quote, ``?``, ``!``, ``;``, backslash, control
            character or anything else that is not allowed there, or is too long.
    """
    if len(text) > limit or not allowed.fullmatch(text):
        message = f"{kind} {text!r} holds characters that must not reach a command line"
        raise UnsupportedError(message)
    return text


#: A comment in a listing, as text, as JSON or as JSON in JSON, that is not one of segctl's marks.
_REMARK = re.compile(
    r"""(\bcomment(?:\s+|\\?"\s*:\s*)\\?")(?!(?:made by )?segctl\b)(?:[^"\\]|\\[^"])+"""
)
_PRIVATE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command returned."""

    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """The first line that says what is wrong."""
        said = (self.err or self.out)[:4096]  # more could be an answer without end
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return lines[0][:300] if lines else f"exit code {self.code}"


class SshSession:
    """One login on one device."""

    def __init__(
        self,
        target: Target,
        *,
        device_type: str,
        read_only: bool,
        readers: Sequence[re.Pattern[str]] = (),
        progress: Callable[[str], None],
        within: float | None = None,
    ) -> None:
        """Log in.

        Args:
            target: the device and how its key is known.
            device_type: netmiko's word for its platform.
            read_only: refuse every command that none of `readers` matches whole.
            readers: commands that change nothing.
            progress: told each step.
            within: seconds that the login may take in all; `LOGIN` times ``segctl_timeout``
                otherwise.

        Raises:
            ConnectError: no connection, or the host key is unknown, changed or not the pinned one;
                the transcript that is asked for cannot be written.
            AuthError: the device refuses the account.
        """
        self._target = target
        self._read_only = read_only
        self._readers = tuple(readers)
        self._progress = progress
        _check_transcript(target)
        progress("connecting")
        seconds = LOGIN * target.timeout if within is None else within
        self._connection = _connect(target, device_type, time.monotonic() + seconds)

    def close(self) -> None:
        """Log out."""
        with suppress(Exception):
            self._connection.disconnect()

    @property
    def transport(self) -> Any:
        """The transport of paramiko."""
        return self._connection.remote_conn_pre.get_transport()

    def run(
        self,
        command: str,
        data: bytes = b"",
        *,
        timeout: float | None = None,
        limit: int | None = None,
    ) -> Answer:
        """Run one command on a channel of its own, with `data` as its input.

        Args:
            command: what the account's shell is given.
            data: its input.
            timeout: seconds instead of ``segctl_timeout``.
            limit: bytes that the answer may have, instead of ``segctl_max_answer_mb``.

        Raises:
            ApplyError: the session is read-only and this is no command that only reads.
            ConnectError: the connection ended, or no answer within `timeout` seconds.
            ParseError: the answer is larger than ``segctl_max_answer_mb``.
        """
        if self._read_only and not any(one.fullmatch(command) for one in self._readers):
            raise ApplyError(self._target.name, "this session is read-only: nothing was sent")
        seconds = timeout or self._target.timeout
        deadline = time.monotonic() + seconds
        try:
            with _bounded(seconds + _GRACE, self.transport.close):
                answer = self._exchange(command, data, deadline, limit or self._target.max_answer)
        except (OSError, EOFError, _ssh_error()) as error:
            if time.monotonic() >= deadline:
                setting = "segctl_commit_timeout" if timeout else "segctl_timeout"
                raise ConnectError(
                    self._target.name, f"no answer within {seconds:g} s ({setting})"
                ) from error
            reason = str(error) or type(error).__name__
            raise ConnectError(
                self._target.name, f"the connection ended during a command: {reason}"
            ) from error
        self._record(command, data, answer)
        return answer

    def _exchange(self, command: str, data: bytes, deadline: float, limit: int) -> Answer:
        channel = self._open(deadline)
        try:
            channel.exec_command(command)
            flow = _Flow(channel, data)
            pause = _FIRST_PAUSE
            while True:
                ended = self._ended(channel)  # asked first: what came before the end is taken below
                moved = flow.step(send=not ended)
                self._check_size(flow.size, limit)
                if ended and not moved:
                    break
                if time.monotonic() >= deadline:
                    raise TimeoutError
                pause = _FIRST_PAUSE if moved else min(2 * pause, _LONGEST_PAUSE)
                if not moved:
                    time.sleep(pause)
            self._check_whole(channel, deadline)
            code: int = channel.recv_exit_status()
            return Answer(code=code, out=self._text(flow.out), err=self._text(flow.err))
        finally:
            channel.close()

    def _open(self, deadline: float) -> Any:
        seconds = max(deadline - time.monotonic(), 0.0)
        channel = self.transport.open_session(timeout=seconds)
        channel.settimeout(seconds)
        return channel

    def _check_whole(self, channel: Any, deadline: float) -> None:
        """Take an answer only if the device has ended it: a lost line looks like an end too."""
        if channel.exit_status < 0:
            raise EOFError("it was cut off before the command ended")
        if not channel.eof_received:  # nor need it be sent: a line that still works was not lost
            with suppress(_refusal()):
                self._open(deadline).close()

    def _check_size(self, size: int, limit: int) -> None:
        if size > limit:
            raise ParseError(
                self._target.name,
                f"answers with more than {limit / 2**20:g} MB (segctl_max_answer_mb)",
            )

    def _ended(self, channel: Any) -> bool:
        if channel.exit_status_ready() and channel.eof_received:
            return True
        return bool(channel.closed) or not self.transport.is_active()

    def _text(self, said: bytearray) -> str:
        """Return what was said as text, and let go of the bytes: both at once may be large."""
        try:
            text = said.decode()
            said.clear()
        except UnicodeDecodeError as error:
            raise ParseError(self._target.name, "answers with text that is not UTF-8") from error
        return text

    def _record(self, command: str, data: bytes, answer: Answer) -> None:
        """Write one exchange to the transcript.

        The password, private keys and what others wrote into comments are masked; what steers a
        terminal is an escape.
        """
        folder = self._target.transcript
        if folder is None:
            return
        parts = [
            f"# {datetime.now(UTC).isoformat()} {self._target.name}\n$ {command}\n",
            *([data.decode(errors="replace")] if data else []),
            *([f"\n{answer.out}"] if answer.out else []),
            *([f"\n! {answer.err}"] if answer.err else []),
            f"\n= {answer.code}\n",
        ]
        text = "".join(parts)
        secret = self._target.password.reveal()
        if secret:
            text = text.replace(secret, "***")
        text = "\n".join(inert.lines(_REMARK.sub(r"\g<1>***", _PRIVATE.sub("***", text))))
        try:
            storage.append(_transcript(self._target, folder), text.encode(), durable=False)
        except OSError as error:  # what was begun on the device is not left for that
            self._progress(f"the transcript was not continued: {error.strerror}")


class _Flow:
    """What goes into a channel and comes out of it, a step at a time."""

    def __init__(self, channel: Any, data: bytes) -> None:
        self._channel = channel
        self._rest = memoryview(data)
        self._open = True
        self.out = bytearray()
        self.err = bytearray()
        self.size = 0

    def step(self, *, send: bool) -> bool:
        """Move what can be moved without waiting; say whether anything was."""
        moved = send and self._send()
        channel = self._channel
        if channel.recv_ready():
            moved = self._take(self.out, channel.recv(_CHUNK)) or moved
        if channel.recv_stderr_ready():
            moved = self._take(self.err, channel.recv_stderr(_CHUNK)) or moved
        return moved

    def _send(self) -> bool:
        channel = self._channel
        if self._open and not self._rest:
            channel.shutdown_write()
            self._open = False
        if not (self._open and channel.send_ready()):
            return False
        try:
            sent: int = channel.send(self._rest[:_CHUNK])
        except OSError:
            if not channel.closed:
                raise
            sent = 0
        # nothing goes into a command that ended without reading all of its input
        self._rest = self._rest[sent:]
        return sent > 0

    def _take(self, said: bytearray, part: bytes) -> bool:
        self.size += len(part)
        said += part
        return bool(part)


@contextmanager
def _bounded(seconds: float, cut: Callable[[], None]) -> Generator[None]:
    """Cut the line when the time is over: paramiko has waits of its own that do not end."""
    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


# --- transcripts ---------------------------------------------------------------------------------


def _transcript(target: Target, folder: Path) -> Path:
    return folder / file_name(target.name, ".txt")


def _check_transcript(target: Target) -> None:
    """Refuse to begin where no transcript can be written although one is asked for.

    Raises:
        ConnectError: it cannot.
    """
    if target.transcript is None:
        return
    path = _transcript(target, target.transcript)
    try:
        storage.append(path, b"", durable=False)
    except OSError as error:
        raise ConnectError(
            target.name,
            f"the transcript {path} (segctl_transcript) cannot be written: {error.strerror}; "
            "nothing was sent",
        ) from error


# --- logging in ----------------------------------------------------------------------------------


def _ssh_error() -> type[Exception]:
    import paramiko

    error: type[Exception] = paramiko.SSHException
    return error


def _refusal() -> type[Exception]:
    import paramiko

    error: type[Exception] = paramiko.ChannelException
    return error


def _left(target: Target, until: float) -> float:
    """Return the seconds that one step of a login has.

    Raises:
        ConnectError: the time for the whole of it is over.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise ConnectError(
            target.name, f"no login within {LOGIN} times {target.timeout:g} s (segctl_timeout)"
        )
    return min(target.timeout, left)


def _connect(target: Target, device_type: str, until: float) -> Any:
    import paramiko

    # without a handler Python prints what paramiko logs; what matters of it is in our errors
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    _check_key_file(target)
    key = _host_key(target, until)
    known = paramiko.HostKeys()
    known.add(_known_name(target.host, target.port or 22), key.get_name(), key)
    with storage.temporary_folder("segctl-") as folder:
        path = folder / "known_hosts"
        known.save(str(path))
        sock = _dial(target, until)
        connection = _connection(target, device_type, path, sock, _left(target, until))
        try:
            _establish(target, connection, sock, until)
        except BaseException:
            connection.disconnect()
            _hang_up(sock)
            raise
    return connection


def _connection(
    target: Target, device_type: str, known: Path, sock: socket.socket, seconds: float
) -> Any:
    """Return a connection of netmiko, not yet established."""
    import netmiko

    return netmiko.ConnectHandler(
        device_type=device_type,
        host=target.host,
        port=target.port or 22,
        sock=sock,
        username=target.user,
        password=target.password.reveal(),
        use_keys=target.key_file is not None,
        key_file=str(target.key_file) if target.key_file else None,
        allow_agent=False,
        ssh_strict=True,
        system_host_keys=False,
        alt_host_keys=True,
        alt_key_file=str(known),
        allow_auto_change=False,
        conn_timeout=seconds,
        auth_timeout=seconds,
        banner_timeout=seconds,
        blocking_timeout=seconds,
        keepalive=15,
        auto_connect=False,  # that which connects by itself writes a newline
    )


def _establish(target: Target, connection: Any, sock: socket.socket, until: float) -> None:
    import netmiko
    import paramiko

    try:
        with _bounded(until - time.monotonic() + _GRACE, lambda: _hang_up(sock)):
            connection.establish_connection()
    except netmiko.NetmikoAuthenticationException as error:
        if "timeout" in str(error).lower():
            raise ConnectError(
                target.name, f"no answer to the login within {target.timeout:g} s (segctl_timeout)"
            ) from error
        how = f"key {target.key_file}" if target.key_file else "password"
        raise AuthError(
            target.name, f"refuses the account {target.user!r} with this {how}"
        ) from error
    except (
        netmiko.NetMikoTimeoutException,
        netmiko.ReadTimeout,
        netmiko.NetmikoBaseException,
        paramiko.SSHException,
        OSError,
        EOFError,
        ValueError,
    ) as error:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise ConnectError(target.name, f"no SSH session: {text}") from error


def _dial(target: Target, until: float) -> socket.socket:
    """Open the line.

    Raises:
        ConnectError: nobody answers there.
    """
    port = target.port or 22
    try:
        return socket.create_connection((target.host, port), timeout=_left(target, until))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConnectError(
            target.name, f"no connection to {target.host} port {port}: {reason}"
        ) from error


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def _check_key_file(target: Target) -> None:
    """Say what is wrong with our key: to the device a key that cannot be read is a wrong one.

    Raises:
        AuthError: it is not there, no key, or encrypted and there is no password.
    """
    import paramiko
    from paramiko.pkey import UnknownKeyType

    if target.key_file is None:
        return
    where = f"key {target.key_file}"
    try:
        paramiko.PKey.from_path(target.key_file.expanduser())
    except OSError as error:
        raise AuthError(target.name, f"cannot read {where}: {error.strerror}") from error
    except TypeError as error:
        if not target.password.reveal():
            raise AuthError(target.name, f"{where} is encrypted: use one that is not") from error
    except (ValueError, UnknownKeyType, paramiko.SSHException) as error:
        raise AuthError(target.name, f"{where} is no private key that segctl can use") from error


def _known_name(host: str, port: int) -> str:
    return host if port == 22 else f"[{host}]:{port}"


def _host_key(target: Target, until: float) -> Any:
    """Return the device's key once it is known to be the right one.

    Raises:
        ConnectError: it is unknown, another than known, or not the pinned one.
    """
    if target.ssh_fingerprint:
        wanted = _fingerprint_text(target.ssh_fingerprint)
        seen: list[str] = []
        for family in _KEY_TYPES:
            key = _offered_key(target, family, until)
            if key is None:
                continue
            if fingerprint(key) == wanted:
                return key
            seen.append(fingerprint(key))
        raise ConnectError(
            target.name,
            f"its host key is {' or '.join(seen) or 'of no kind that segctl takes'}, not the "
            f"pinned {wanted} (segctl_ssh_fingerprint): find out why before you change the pin",
        )
    path, entries = _known_keys(target)
    name = _known_name(target.host, target.port or 22)
    held = dict(entries)
    if not held:
        kinds = tuple(kind for family in _KEY_TYPES for kind in family)
        key = _offered_key(target, kinds, until)
        shown = f"{key.get_name()} {fingerprint(key)}" if key else "not offered"
        raise ConnectError(
            target.name,
            f"its host key ({shown}) is unknown: {path} has no entry for {name}; compare the key "
            "at the device, then add it, or pin it with segctl_ssh_fingerprint",
        )
    kinds = tuple(
        kind
        for name_ in held
        for kind in (("rsa-sha2-512", "rsa-sha2-256") if name_ == "ssh-rsa" else (name_,))
    )
    key = _offered_key(target, kinds, until)
    if key is None or held.get(key.get_name()) != key:
        shown = fingerprint(key) if key else "of another kind"
        raise ConnectError(
            target.name,
            f"its host key changed: it is {shown}, {path} has "
            f"{' or '.join(fingerprint(one) for one in held.values())} for {name}: somebody may be "
            "in between; find out why before you change the file",
        )
    return key


def _known_keys(target: Target) -> tuple[Path, Iterator[tuple[str, Any]]]:
    import paramiko

    path = (target.known_hosts or Path("~/.ssh/known_hosts")).expanduser()
    known = paramiko.HostKeys()
    try:
        if path.exists() or target.known_hosts is not None:
            known.load(str(path))
    except (OSError, paramiko.SSHException) as error:
        raise ConnectError(target.name, f"cannot read known hosts {path}: {error}") from error
    found: Any = known.lookup(_known_name(target.host, target.port or 22)) or {}
    return path, iter(found.items())


def _offered_key(target: Target, kinds: tuple[str, ...], until: float) -> Any | None:
    """Return the key that the device proves to have, of one of these kinds; None if none."""
    import paramiko

    sock = _dial(target, until)
    try:
        transport = paramiko.Transport(sock)
        transport.banner_timeout = _left(target, until)
        try:
            options = transport.get_security_options()
            options.key_types = tuple(kind for kind in kinds if kind in options.key_types)
            transport.start_client(timeout=_left(target, until))
            return transport.get_remote_server_key()
        finally:
            transport.close()
    except ValueError:
        return None
    except (paramiko.SSHException, OSError, EOFError) as error:
        if type(error).__name__ == "IncompatiblePeer":
            return None
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConnectError(target.name, f"does not speak SSH with segctl: {text}") from error
    finally:
        sock.close()


def fingerprint(key: Any) -> str:
    """Return a host key's fingerprint as OpenSSH prints it: ``SHA256:…``."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _fingerprint_text(text: str) -> str:
    return f"SHA256:{text.removeprefix('SHA256:').rstrip('=')}"
