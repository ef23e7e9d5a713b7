"""The ``tcp``, ``tls`` and ``icmp`` probes: does a host answer this machine?"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segctl.model.durations import format_duration
from segctl.model.errors import ChildError, ChildTimeoutError
from segctl.playbook.model import PAUSE
from segctl.system.certificates import authorities, verifying
from segctl.system.children import run_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.playbook import Reach


def tries(
    attempt: Callable[[], str], retries: int, *, stopped: Callable[[], bool], pause: float = PAUSE
) -> str:
    """Call `attempt` until it succeeds; return the last problem, or an empty string.

    Raises:
        KeyboardInterrupt: the run was stopped between two attempts.
    """
    wrong = ""
    for number in range(retries + 1):
        if number:
            time.sleep(pause)
        if stopped():
            raise KeyboardInterrupt
        wrong = attempt()
        if not wrong:
            return ""
    return wrong


def reach(probe: Reach, *, stopped: Callable[[], bool]) -> str:
    """Run a probe and return what is wrong; empty if the result is as expected."""

    def attempt() -> str:
        try:
            refused = _ATTEMPTS[probe.kind](probe)
        except socket.gaierror:
            return f"{probe}: the host name {probe.host} does not resolve"
        except UnknowableError as error:
            return f"{probe}: {error}"
        if probe.open:
            return f"{probe}: {refused}" if refused else ""
        return "" if refused else f"{probe}: answers, but it should be closed"

    return tries(attempt, probe.retries, stopped=stopped)


class UnknowableError(Exception):
    """This machine cannot run the probe."""


def _tcp(probe: Reach) -> str:
    try:
        with socket.create_connection((probe.host, probe.port), timeout=probe.timeout):
            return ""
    except socket.gaierror:
        raise
    except OSError as error:
        return _reason(error, probe)


def unusable(probe: Reach) -> str:
    """Return why this machine cannot run the probe, as far as its files tell; else nothing."""
    try:
        _context(probe)
    except UnknowableError as error:
        return str(error)
    return ""


def _context(probe: Reach) -> ssl.SSLContext:
    """Return what verifies certificates.

    Raises:
        UnknowableError: the file of CA certificates cannot be used, or others could decide what
            is in it.
    """
    try:
        return verifying(authorities(Path(probe.ca_file)) if probe.ca_file else "")
    except OSError as error:  # SSLError is one
        raise UnknowableError(f"cannot use ca_file {probe.ca_file}: {error}") from error


def _tls(probe: Reach) -> str:
    context = _context(probe)
    try:
        plain = socket.create_connection((probe.host, probe.port), timeout=probe.timeout)
    except socket.gaierror:
        raise
    except OSError as error:
        return _reason(error, probe)
    with plain:
        if not probe.open:
            return ""
        try:
            with context.wrap_socket(plain, server_hostname=probe.server_name or probe.host):
                return ""
        except ssl.SSLCertVerificationError as error:
            return f"its certificate does not verify: {error.verify_message}"
        except OSError as error:
            return f"no TLS handshake: {_reason(error, probe)}"


def _reason(error: OSError, probe: Reach) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {format_duration(probe.timeout)}"
    return error.strerror or str(error)


# --- echo ----------------------------------------------------------------------------------------


def _icmp(probe: Reach) -> str:
    """Send an echo request: from a socket if the kernel allows it, else with the system's ping."""
    family, _, _, _, address = socket.getaddrinfo(probe.host, None, type=socket.SOCK_DGRAM)[0]
    kinds = (socket.SOCK_DGRAM, socket.SOCK_RAW)
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    for kind in kinds:
        try:
            sock = socket.socket(family, kind, protocol)
        except PermissionError:
            continue
        with closing(sock):
            return _echo(sock, address, probe)
    return _ping(probe)


def _echo(sock: socket.socket, address: tuple[Any, ...], probe: Reach) -> str:
    six = sock.family == socket.AF_INET6
    token = os.urandom(16)
    request = _request(128 if six else 8, token)
    answer = 129 if six else 0
    deadline = time.monotonic() + probe.timeout
    try:
        sock.sendto(request, address)
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            packet, _ = sock.recvfrom(2048)
            raw = not six and sock.type == socket.SOCK_RAW
            message = packet[(packet[0] & 15) * 4 :] if raw else packet
            if message[:1] == bytes([answer]) and token in message:
                return ""
    except OSError as error:
        return _reason(error, probe)
    return f"no answer within {format_duration(probe.timeout)}"


def _request(kind: int, token: bytes) -> bytes:
    head = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1)
    words = struct.unpack(f"!{(len(head) + len(token)) // 2}H", head + token)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", kind, 0, checksum, os.getpid() & 0xFFFF, 1) + token


def _ping(probe: Reach) -> str:
    words = ["ping", "-n", "-c", "1", "-W", str(probe.timeout), "--", probe.host]
    try:
        done = run_child(words, timeout=probe.timeout + 5)
    except ChildTimeoutError:
        return f"no answer within {format_duration(probe.timeout)}"
    except ChildError as error:
        raise UnknowableError(
            "this account may not send echo requests: install ping, or extend "
            "net.ipv4.ping_group_range"
        ) from error
    return "" if done.code == 0 else f"no answer within {format_duration(probe.timeout)}"


_ATTEMPTS = {"tcp": _tcp, "tls": _tls, "icmp": _icmp}
