"""Answers of a firewall that are made to take memory, and a process that reads them."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from typing import TYPE_CHECKING

from segctl_mocks import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segctl_mocks import PanosMock

_HEAD = b'<response status="success"><result>'
_TAIL = b"</result></response>"
_RULES = (b'<entry name="vsys1"><rulebase><security><rules>', b"</rules></security></rulebase>")
_BLOCK = 1 << 16

READER = """
import json, sys
from pathlib import Path
from segctl.transports.credentials import Secret
from segctl.model.errors import SegctlError
from segctl.transports.target import Target
from segctl.providers.panos import PanosProvider
told = json.loads(sys.argv[1])
target = Target(name="fw1", host="127.0.0.1", port=told["port"], user="admin",
                password=Secret("pw"), ca_file=Path(told["ca"]), timeout=told["timeout"],
                commit_timeout=told["commit_timeout"])
code = message = ""
live = []
try:
    with PanosProvider().connect(target, read_only=told["times"] == 1) as session:
        for _ in range(told["times"]):
            live.append(PanosProvider().parse(session.read()))
        with_lock = told["times"] > 1
        if with_lock:
            with session.lock():
                session.push("<segctl-push vsys='vsys1'></segctl-push>")
except SegctlError as error:
    code, message = error.code, str(error)
# ru_maxrss would count the memory of the process that started this one, too
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
print(json.dumps({"code": code, "message": message[:500], "peak": peak, "read": len(live)}))
"""


def _many(piece: Callable[[int], bytes], head: bytes, tail: bytes, size: int) -> Iterator[bytes]:
    """Stream an answer of about `size` bytes."""
    yield _HEAD + head
    sent = number = 0
    while sent < size:
        block: list[bytes] = []
        length = 0
        while length < _BLOCK:
            block.append(piece(number))
            length += len(block[-1])
            number += 1
        sent += length
        yield b"".join(block)
    yield tail + _TAIL


def _rule(number: int) -> bytes:
    return (
        b'<entry name="r%d"><from><member>a</member></from><source><member>h%d</member></source>'
        b"<description>%b</description></entry>" % (number, number, b"x" * 500)
    )


#: An answer to ``show`` of the virtual system, by what there is so much of: (entry, head, tail).
SWARMS: Mapping[str, tuple[Callable[[int], bytes], bytes, bytes]] = {
    "rules": (_rule, _RULES[0], _RULES[1] + b"</entry>"),
    "empty rules": (lambda n: b'<entry name="%d"/>' % n, _RULES[0], _RULES[1] + b"</entry>"),
    "addresses": (
        lambda n: b'<entry name="%d"><fqdn>a%d</fqdn></entry>' % (n, n),
        b'<entry name="vsys1"><address>',
        b"</address></entry>",
    ),
    "members of one rule": (
        lambda n: b"<member>%d</member>" % n,
        _RULES[0] + b'<entry name="x"><source>',
        b"</source></entry>" + _RULES[1] + b"</entry>",
    ),
    "profile groups": (
        lambda n: b'<entry name="%d"/>' % n,
        b'<entry name="vsys1"><profile-group>',
        b"</profile-group></entry>",
    ),
    "empty elements": (lambda _n: b"<a/>", b'<entry name="vsys1"><x>', b"</x></entry>"),
    "depth": (lambda _n: b"<a>", b'<entry name="vsys1">', b"</entry>"),
    "attributes": (lambda n: b' a%d=""' % n, b'<entry name="vsys1"><x', b"/></entry>"),
    "text": (lambda _n: b"x" * 1024, b'<entry name="vsys1"><x>', b"</x></entry>"),
    "texts": (
        lambda _n: b"<description>" + b"x" * 900_000 + b"</description>",
        _RULES[0] + b'<entry name="x">',
        b"</entry>" + _RULES[1] + b"</entry>",
    ),
    "blanks": (lambda _n: b" " * 1024 + b"<a/>", b'<entry name="vsys1"><x>', b"</x></entry>"),
    "comments": (lambda _n: b"<!---->", b'<entry name="vsys1"><x>', b"</x></entry>"),
}


def comments_first(size: int) -> Answer:
    """Return an answer of `size` bytes with comments before its root element."""
    comments = b"<!---->" * (_BLOCK // 7)
    return Answer(
        itertools.chain(itertools.repeat(comments, size // len(comments)), [_HEAD, _TAIL])
    )


def answer(swarm: str, size: int) -> Answer:
    """Return an answer of `size` bytes."""
    if swarm == "comments first":
        return comments_first(size)
    piece, head, tail = SWARMS[swarm]
    return Answer(_many(piece, head, tail, size))


def read_by_another_process(
    mock: PanosMock, *, times: int = 1, timeout: float = 300.0, commit_timeout: float = 300.0
) -> Mapping[str, object]:
    """Read a mock in a process of its own; return what it raised, and its peak in MB (``peak``)."""
    told = {
        "port": mock.port,
        "ca": str(mock.ca_file),
        "times": times,
        "timeout": timeout,
        "commit_timeout": commit_timeout,
    }
    done = subprocess.run(
        [sys.executable, "-c", READER, json.dumps(told)],
        capture_output=True,
        check=True,
        timeout=1200,
    )
    found: Mapping[str, object] = json.loads(done.stdout)
    return found
