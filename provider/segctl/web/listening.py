"""Where the page is served, to whom, and how it is known who that is."""

from __future__ import annotations

import ipaddress
import pwd
import re
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.model.errors import UsageError
from segctl.transports.credentials import secret_in

if TYPE_CHECKING:
    from pathlib import Path

#: Names by which a browser on this machine reaches it.
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}", re.ASCII)
_SOCKET: Final = "unix:"
_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where it listens, and who is let in.

    `names` are the host names by which browsers reach it. Behind a proxy, `user_header` is where
    that says who asks; only the account `proxy_user` may connect to a socket of this machine, and
    over the network only who has a certificate of `proxy_ca`.
    """

    address: str
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    passwords: Path | None = None
    user_header: str = ""
    proxy_user: str = ""
    proxy_ca: Path | None = None

    @property
    def path(self) -> str:
        """The socket of this machine on which it listens, empty where that is the network."""
        return self.address.removeprefix(_SOCKET) if self.address.startswith(_SOCKET) else ""

    @property
    def place(self) -> tuple[str, int]:
        """The IP address and the port.

        Raises:
            UsageError: it is not an address and a port.
        """
        host, colon, port = self.address.rpartition(":")
        host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
        try:
            ipaddress.ip_address(host)
            number = int(port)
        except ValueError:
            number = -1
        if not colon or not 0 <= number <= 65535:
            raise UsageError(
                f"--listen {self.address}: not an IP address and a port such as 127.0.0.1:8080, "
                "nor a socket such as unix:/run/segctl/serve.sock"
            )
        return host, number

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return bool(self.path) or ipaddress.ip_address(self.place[0]).is_loopback

    @property
    def hosts(self) -> frozenset[str]:
        """The names that a request may be for: another one is of a page that is not ours."""
        own = () if self.path or not self.local else (*_LOCAL, self.place[0])
        return frozenset(name.lower().rstrip(".") for name in (*own, *self.names))

    def check(self) -> None:
        """Refuse to serve what nobody should.

        Raises:
            UsageError: it would be reached by others without TLS, or without knowing who they are.
        """
        self._check_pairs()
        if self.user_header:
            self._check_proxy()
        if not self.local:
            self._check_network()
        if (self.path or not self.local) and not self.names:
            raise UsageError("give --name HOST: the name by which browsers reach it")
        for name in self.names:
            if not _NAME.fullmatch(name) and not _is_address(name):
                raise UsageError(
                    f"--name {name!r}: not a host name or an IP address, which stands alone, "
                    "without https:// and without a port"
                )

    def _check_pairs(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise UsageError("--tls-cert and --tls-key go together")
        if self.user_header and self.passwords is not None:
            raise UsageError("--behind-proxy and --password-file exclude each other")
        if (self.proxy_user or self.proxy_ca) and not self.user_header:
            raise UsageError("--proxy-user and --proxy-ca go with --behind-proxy HEADER")
        if self.proxy_ca is not None and self.certificate is None:
            raise UsageError("--proxy-ca needs TLS: give --tls-cert and --tls-key")
        if self.path and self.certificate is not None:
            raise UsageError("a socket of this machine has no TLS: leave out --tls-cert")
        if self.path and not self.user_header:
            raise UsageError("a socket is for a proxy: give --behind-proxy HEADER and --proxy-user")
        if not self.path and self.proxy_user:
            raise UsageError("--proxy-user is the account that may connect to --listen unix:PATH")

    def _check_proxy(self) -> None:
        if not _HEADER.fullmatch(self.user_header):
            raise UsageError(f"--behind-proxy {self.user_header}: not the name of a header")
        if self.path and not self.proxy_user:
            raise UsageError("give --proxy-user ACCOUNT: the account of the proxy, such as nginx")
        if not self.path and self.proxy_ca is None:
            raise UsageError(
                f"anybody could send {self.user_header}: listen on a socket (--listen unix:PATH "
                "--proxy-user ACCOUNT), or let the proxy show a certificate (--proxy-ca FILE)"
            )

    def _check_network(self) -> None:
        if self.certificate is None:
            raise UsageError(
                f"--listen {self.address}: others can reach it, so give --tls-cert and --tls-key"
            )
        if self.passwords is None and not self.user_header:
            raise UsageError(
                f"--listen {self.address}: others can reach it, so give --password-file, "
                "or --behind-proxy and --proxy-ca"
            )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def tls_of(listening: Listening) -> ssl.SSLContext | None:
    """Return what TLS is spoken with, None where none is.

    Raises:
        UsageError: the certificate, its key or the proxy's authority cannot be used.
    """
    if listening.certificate is None or listening.key is None:
        return None
    secret_in(listening.key, "--tls-key")  # who else can read it, or put another in its place
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(listening.certificate, listening.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise UsageError(f"--tls-cert {listening.certificate}: {_why(error)}") from error
    if listening.proxy_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(listening.proxy_ca)
        except (OSError, ValueError) as error:
            raise UsageError(f"--proxy-ca {listening.proxy_ca}: {_why(error)}") from error
    return context


def _no_password() -> str:
    raise ValueError("the key has a password: nobody can be asked for it, so take it off")


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"it cannot be used ({error.reason or 'not a certificate'})"
    return (isinstance(error, OSError) and error.strerror) or str(error)


def account_of(name: str) -> int:
    """Return the number of an account.

    Raises:
        UsageError: there is none of this name.
    """
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise UsageError(f"--proxy-user {name}: this machine has no such account") from None


def connected_as(found: socket.socket) -> int:
    """Return the number of the account that connected to a socket, as the kernel knows it."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(user)
