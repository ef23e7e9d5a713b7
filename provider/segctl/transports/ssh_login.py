"""Logging in over SSH: netmiko's session, whose host key is judged within the key exchange.

The host proves its key, and the key is judged, before the client answers: no password, no name
and no encrypted byte is sent to a wrong host. The same holds for every later key exchange in that
session. paramiko treats host certificates as keys; this module reads them again as certificates.
"""

from __future__ import annotations

import errno
import logging
import socket
import stat
import threading
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from segctl.model.durations import format_duration
from segctl.model.errors import AuthError, ConnectError
from segctl.system import storage
from segctl.transports.host_keys import (
    ALGORITHMS,
    Known,
    Shown,
    Status,
    algorithms,
    fingerprint,
    judge,
    kind_of,
    lookup,
    place,
    shown,
    too_short,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Sequence

    from segctl.transports.target import Target

#: Extra time for a call that does not return, before the connection is cut under it.
GRACE: Final = 2.0
#: A login takes at most this many times ``segctl_timeout``.
LOGIN: Final = 3
#: OpenSSH's default files.
DEFAULT_FILES: Final = (
    Path("~/.ssh/known_hosts"),
    Path("~/.ssh/known_hosts2"),
    Path("/etc/ssh/ssh_known_hosts"),
    Path("/etc/ssh/ssh_known_hosts2"),
)
#: Most bytes of a known_hosts file: 16 MiB hold more than 100,000 keys.
_LARGEST: Final = 1 << 24
#: Most bytes of a packet: OpenSSH sends and takes 256 KiB at most.
_LARGEST_PACKET: Final = 1 << 20
#: Algorithms that prove a key of one kind.
_FAMILIES: Final = (ALGORITHMS[:1], ALGORITHMS[1:4], ALGORITHMS[4:])


def connect(target: Target, device_type: str, until: float) -> Any:
    """Return netmiko's connection to a device whose identity was verified, logged in.

    Args:
        target: the device.
        device_type: netmiko's word for its platform.
        until: deadline of the whole login, by the monotonic clock.

    Raises:
        ConnectError: no connection in time, or the host key is unknown, changed, revoked or not
            pinned.
        AuthError: the device refuses the account, or our key cannot be used.
    """
    # without a handler Python prints paramiko's log; our errors say what matters
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    key = _own_key(target)
    if not target.ssh_fingerprint:
        return _log_in(target, device_type, _known(target), key, until)
    pin = f"SHA256:{target.ssh_fingerprint.removeprefix('SHA256:').rstrip('=')}"
    met: list[str] = []
    for family in _FAMILIES:
        proof = _Pinned(family, pin)
        try:
            return _log_in(target, device_type, proof, key, until)
        except _OtherKeyError:
            met += proof.met
    raise ConnectError(
        target.name,
        f"its host key is {' or '.join(met) or 'of a kind that segctl does not accept'}, not the "
        f"pinned {pin} (segctl_ssh_fingerprint): find out why before you change the pin",
    )


# --- the expected identity ------------------------------------------------------------------------


class _OtherKeyError(Exception):
    """The device has no key of this family, or not the pinned one."""


class _Proof(ABC):
    """The proof required of a host in one session, and its outcome."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self.algorithms = tuple(wanted)
        self.refusal = ""
        self._accepted: bytes | None = None

    @property
    def met_a_host(self) -> bool:
        """Whether a host has proved to hold any key."""
        return bool(self._accepted is not None or self.refusal)

    def check(self, blob: bytes) -> None:
        """Judge the key that a host has proved to hold.

        Raises:
            SSHException: it is not the required one; `refusal` says why.
        """
        import paramiko

        if blob == self._accepted:
            return
        short = too_short(blob)
        self.refusal = (
            f"its host key is {short}: give the device a new key"
            if short
            else self._objection(blob)
        )
        if self.refusal:
            raise paramiko.SSHException(self.refusal)
        self._accepted = blob

    @abstractmethod
    def _objection(self, blob: bytes) -> str:
        """Return why the required key is not this one; empty if it is."""


class _Pinned(_Proof):
    """The key with one fingerprint."""

    def __init__(self, wanted: Sequence[str], pin: str) -> None:
        super().__init__(wanted)
        self._pin = pin
        self.met: list[str] = []

    def _objection(self, blob: bytes) -> str:
        seen = fingerprint(blob)
        if seen == self._pin:
            return ""
        self.met.append(seen)
        return "not the pinned key"


class _KnownHost(_Proof):
    """A key or an authority of known_hosts files."""

    def __init__(self, target: Target, files: Sequence[Path], texts: Sequence[bytes]) -> None:
        self._files = " or ".join(map(str, files))
        self._find = partial(lookup, texts)
        self._place = place(target.host, target.port or 22)
        super().__init__(algorithms(self._find, self._place))

    def _objection(self, blob: bytes) -> str:
        try:
            kind = kind_of(blob)
        except ValueError as error:
            return f"its host key is unreadable: {error}"
        try:
            seen = shown(blob)
        except ValueError as error:
            return (
                f"its host certificate ({kind}) is not accepted: {error}; have its authority sign "
                "a new one"
            )
        verdict = judge(self._find, self._place, seen)
        if verdict.status is Status.OK:
            return ""
        why = self._why(verdict.status, seen)
        if not verdict.objection:
            return why
        return f"its host certificate is not valid here ({verdict.objection}), and {why}"

    def _why(self, status: Status, seen: Shown) -> str:
        name = self._place.name
        if status is Status.REVOKED:
            return (
                f"its host key ({seen}) or the authority of its certificate is marked @revoked in "
                f"{self._files}: whoever answers may hold a stolen key; give the device a new key"
            )
        if status is Status.CHANGED:
            known: Known = self._find(name)
            held = " or ".join(map(fingerprint, known.keys)) or "none of a host"
            return (
                f"its host key changed: it is {fingerprint(seen.key)}, but {self._files} has "
                f"{held} for {name}: somebody may be in between; find out why before you change "
                "the file"
            )
        return (
            f"its host key ({seen}) is unknown: {self._files} has no entry for {name}; compare "
            "the key at the device, then add it, or pin it with segctl_ssh_fingerprint"
        )


def _known(target: Target) -> _KnownHost:
    """Return the proof that the device's known_hosts files require.

    Raises:
        ConnectError: a file that exists, or that the inventory names, cannot be read, or others
            could decide what is in it.
    """
    files: list[Path] = []
    texts: list[bytes] = []
    for path in target.known_hosts or DEFAULT_FILES:
        try:
            texts.append(_text(path))
        except (FileNotFoundError, NotADirectoryError, RuntimeError) as error:  # RuntimeError: no ~
            if target.known_hosts:
                raise _unreadable(target, path, error) from error
            continue
        except OSError as error:
            raise _unreadable(target, path, error) from error
        files.append(path)
    return _KnownHost(target, files or DEFAULT_FILES[:1], texts)


def _text(path: Path) -> bytes:
    """Return a file's content.

    Raises:
        UnsafePlaceError: others could decide what is in it.
        OSError: it cannot be read, is not a regular file or is far too large.
        RuntimeError: its ``~`` names no user.
    """
    path = path.expanduser()
    _check_text(path.stat())  # before it is opened: a pipe would be waited for
    return storage.read(path, _check_text)


def _check_text(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a file")
    if status.st_size > _LARGEST:
        raise OSError(errno.EFBIG, f"larger than {_LARGEST >> 20} MiB")


def _unreadable(target: Target, path: Path, error: Exception) -> ConnectError:
    reason = getattr(error, "strerror", None) or str(error)
    return ConnectError(target.name, f"cannot read known hosts {path}: {reason}")


# --- the session ---------------------------------------------------------------------------------


def _left(target: Target, until: float) -> float:
    """Return the seconds that one step of a login may take.

    Raises:
        ConnectError: the time for the whole login is over.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise ConnectError(
            target.name,
            f"no login within {LOGIN} times {format_duration(target.timeout)} (segctl_timeout)",
        )
    return min(target.timeout, left)


def _log_in(target: Target, device_type: str, proof: _Proof, key: Any, until: float) -> Any:
    sock = _dial(target, until)
    connection = _connection(target, device_type, proof, key, sock, seconds=_left(target, until))
    try:
        _establish(target, connection, sock, proof, until)
    except BaseException:
        connection.disconnect()
        hang_up(sock)
        raise
    return connection


def _connection(
    target: Target,
    device_type: str,
    proof: _Proof,
    key: Any,
    sock: socket.socket,
    *,
    seconds: float,
) -> Any:
    """Return a connection of netmiko, not yet established."""
    from netmiko.ssh_dispatcher import ssh_dispatcher

    return _verified(ssh_dispatcher(device_type), proof)(
        device_type=device_type,
        host=target.host,
        port=target.port or 22,
        sock=sock,
        username=target.user,
        password=target.password.reveal(),
        pkey=key,  # not by its path, and no others from ~/.ssh
        allow_agent=False,
        ssh_strict=True,
        system_host_keys=False,
        alt_host_keys=False,
        allow_auto_change=False,
        conn_timeout=seconds,
        auth_timeout=seconds,
        banner_timeout=seconds,
        blocking_timeout=seconds,
        keepalive=15,
        auto_connect=False,  # connecting through it would write a newline
    )


def _verified(base: Any, proof: _Proof) -> Any:
    """Return netmiko's class for a platform, on a transport that requires this proof."""
    import paramiko

    transport = _transport(paramiko.Transport, _packets(), proof)

    class Policy(paramiko.MissingHostKeyPolicy):  # type: ignore[misc] # the base is untyped
        """Checks that the proof was given; paramiko asks, since its own lists hold no key."""

        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            """Refuse a key that did not pass through `transport`."""
            del hostname, key
            if not getattr(client.get_transport(), "verified", False):
                raise paramiko.SSHException("the host key was not verified")

    class Verified(base):  # type: ignore[misc] # the base is untyped
        """A platform's session, which sends nothing by itself.

        netmiko's classes change settings at login and restore them at logout. One of them offers
        only key exchanges that today's devices refuse, so paramiko's own list is offered.
        """

        def session_preparation(self) -> None:
            """Send nothing."""

        def cleanup(self, command: str = "") -> None:
            """Send nothing."""

        def _connect_params_dict(self) -> dict[str, Any]:
            platform: Any = super()
            given = platform._connect_params_dict()  # noqa: SLF001 - the base's own
            return {**given, "transport_factory": transport, "disabled_algorithms": None}

        def _build_ssh_client(self) -> Any:
            platform: Any = super()
            client = platform._build_ssh_client()  # noqa: SLF001 - the base's own
            client.set_missing_host_key_policy(Policy())
            return client

    return Verified


def _packets() -> Any:
    """Return paramiko's reader of packets, which takes none larger than `_LARGEST_PACKET`.

    Their length comes first, up to 4 GiB, before a host has proved anything; paramiko would store
    whatever follows.
    """
    import paramiko
    from paramiko.packet import Packetizer

    class Packets(Packetizer):  # type: ignore[misc] # the base is untyped
        """Refuses a packet that no host sends."""

        def read_all(self, n: int, check_rekey: bool = False) -> bytes:  # noqa: FBT001, FBT002 - the base's signature
            """Read so many bytes.

            Raises:
                SSHException: they are more than a packet has.
            """
            if n > _LARGEST_PACKET:
                raise paramiko.SSHException(f"it announces a packet of {n} bytes")
            packets: Any = super()
            read: bytes = packets.read_all(n, check_rekey)
            return read

    return Packets


def _transport(base: Any, packets: Any, proof: _Proof) -> Any:
    """Return paramiko's transport, which requires a proof at every key exchange."""

    class Transport(base):  # type: ignore[misc] # the base is untyped
        """Offers the proof's algorithms and has each answer judged."""

        verified = False

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            transport: Any = super()
            transport.__init__(*args, **kwargs, packetizer_class=packets)

        @property
        def preferred_keys(self) -> tuple[str, ...]:
            """The algorithms by which the host may prove its key."""
            return proof.algorithms

        def _verify_key(self, host_key: bytes, sig: bytes) -> None:
            self.verified = False
            transport: Any = super()
            _check_kinds(self.host_key_type, host_key, sig)
            transport._verify_key(host_key, sig)  # noqa: SLF001 - the base's own
            proof.check(host_key)
            self.verified = True

    return Transport


def _check_kinds(algorithm: str, host_key: bytes, signature: bytes) -> None:
    """Hold a host to the agreed algorithm: paramiko accepts others of the same family.

    Raises:
        SSHException: the key or the signature is of another kind.
    """
    import paramiko

    key = algorithm.replace("rsa-sha2-256", "ssh-rsa").replace("rsa-sha2-512", "ssh-rsa")
    made = algorithm.removesuffix("-cert-v01@openssh.com")
    try:
        kinds = kind_of(host_key), kind_of(signature)
    except ValueError as error:
        raise paramiko.SSHException("an unreadable host key") from error
    if kinds != (key, made):
        raise paramiko.SSHException(f"a host key of another kind than {algorithm}")


def _establish(
    target: Target, connection: Any, sock: socket.socket, proof: _Proof, until: float
) -> None:
    import netmiko
    import paramiko

    try:
        with bounded(until - time.monotonic() + GRACE, lambda: hang_up(sock)):
            connection.establish_connection()
    except netmiko.NetmikoAuthenticationException as error:
        if "timeout" in str(error).lower():
            raise ConnectError(
                target.name,
                f"no answer to the login within {format_duration(target.timeout)} (segctl_timeout)",
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
        raise _no_session(target, proof, error) from error


def _no_session(target: Target, proof: _Proof, error: Exception) -> Exception:
    """Return the error to raise when a session could not be opened."""
    from paramiko.ssh_exception import IncompatiblePeer

    cause = error.__context__ or error  # netmiko's own text names causes that are impossible here
    if isinstance(proof, _Pinned) and (
        proof.refusal or (isinstance(cause, IncompatiblePeer) and "host key" in str(cause))
    ):
        return _OtherKeyError()
    if proof.refusal:
        return ConnectError(target.name, proof.refusal)
    text = " ".join(str(cause).split())[:300] or type(cause).__name__
    what = "no SSH session" if proof.met_a_host else "does not speak SSH with segctl"
    return ConnectError(target.name, f"{what}: {text}")


def _dial(target: Target, until: float) -> socket.socket:
    """Open the connection.

    Raises:
        ConnectError: nothing answers there.
    """
    port = target.port or 22
    try:
        return socket.create_connection((target.host, port), timeout=_left(target, until))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConnectError(
            target.name, f"no connection to {target.host} port {port}: {reason}"
        ) from error


def hang_up(sock: socket.socket) -> None:
    """Close a connection, even under a call that waits for it."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


@contextmanager
def bounded(seconds: float, cut: Callable[[], None]) -> Generator[None]:
    """Cut the connection when the time is over: some of paramiko's waits do not end."""
    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _own_key(target: Target) -> Any:
    """Return the key of ours that the inventory names, None if it names none.

    Everything is read here, before the login, so that nobody can exchange a file meanwhile: the key
    and, if there is one beside it, its certificate.

    Raises:
        AuthError: it is missing, is not a key, is encrypted without a password to open it, or
            others could decide which file is read.
    """
    if target.key_file is None:
        return None
    suffix = "-cert.pub"
    path = Path(str(target.key_file.expanduser()).removesuffix(suffix))
    certificate = path.with_name(path.name + suffix)
    where = f"key {target.key_file}"
    try:
        text = storage.read(path).decode()
        signed = storage.read(certificate).decode() if certificate.is_file() else ""
        key = _parsed_key(text, None) or _parsed_key(text, target.password.reveal() or None)
        if key is not None and signed:
            key.load_certificate(signed)
    except OSError as error:
        raise AuthError(target.name, f"cannot read {where}: {error.strerror}") from error
    except ValueError as error:
        raise AuthError(target.name, f"{where} is not a private key that segctl can use") from error
    if key is None:
        why = "the host's password does not open it" if target.password.reveal() else ""
        raise AuthError(
            target.name, f"{where} is encrypted: {why or 'use a key without a passphrase'}"
        )
    return key


def _parsed_key(text: str, password: str | None) -> Any:
    """Return the private key in a text; None if this password does not open it.

    Raises:
        ValueError: it is not a key, or of a kind that segctl cannot use.
    """
    import paramiko

    encrypted = False
    for kind in (paramiko.RSAKey, paramiko.ECDSAKey, paramiko.Ed25519Key):
        try:
            return kind.from_private_key(StringIO(text), password)
        except paramiko.PasswordRequiredException:
            encrypted = True
        except (ValueError, TypeError, IndexError, paramiko.SSHException):
            encrypted = encrypted or password is not None
    if encrypted:
        return None
    raise ValueError("not a private key")
