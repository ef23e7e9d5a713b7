"""Samples of a file format, changed at random: by the byte, by the value, by the word.

Every case has a number, and the number decides it: what failed once fails again.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from segctl.model.errors import SegctlError

#: Seconds for each format; `make fuzz` gives more.
SECONDS = float(os.environ.get("SEGCTL_FUZZ_SECONDS", "1"))
#: The first number: another one tries what was not tried before.
FIRST = int(os.environ.get("SEGCTL_FUZZ_FIRST", "0"))
#: What takes longer has not ended, on a machine however busy.
_PATIENCE = 120

#: What breaks readers, wherever it is put.
WORDS: tuple[bytes, ...] = (
    b"[" * 5000,
    b'{"a":' * 3000,
    b"{a: " * 1000,
    b"- " * 500,
    b"9" * 5000,
    b"-" + b"9" * 400,
    b"0x" + b"f" * 5000,
    b"1:1" * 2000,
    b"1e999",
    b"NaN",
    b"-Infinity",
    b".inf",
    b".nan",
    b"\\ud800",
    b"\\udc00\\ud800",
    b"\\u0000",
    b"\xed\xa0\x80",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x00",
    b"\r",
    b"\x1b[2J",
    "\u202e\u2028\u0085".encode(),
    "\U0010ffff".encode(),
    b"a" * 70000,
    b" " * 70000,
    b"\n" * 5000,
    b"&a [*a]",
    b"*a",
    b"<<: *a",
    b"!!python/object/apply:os.system [x]",
    b"!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3030",
    b"$ANSIBLE_VAULT;1.2;AES256;x\n",
    b"{{ lookup('pipe', 'id') }}",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"<?xml version='1.0'" + b" " * 9000 + b"encoding='utf-16'?>",
    b"<a>" * 500,
    b"&lt;&#0;&#xD800;",
    b"<![CDATA[]]]]><![CDATA[>",
    b"../../../etc/passwd",
    b"10.0.0.0/99",
    b"::ffff:1.2.3.4%eth0",
    b"0001-01-01T00:00:00+23:59",
    b"9999-12-31T23:59:59-23:59",
    b"%(x)s$x${y}",
    b"@cert-authority *",
    b"|1|AAAA|BBBB",
    b"b'\\xff'",
    b"1e400j",
    b"a" + b"-a" * 20000,
    b"*" * 200 + b"x",
    b"a=" * 3000,
    b'"' + b"\\" * 5001,
    b"'" * 4001,
    b",",
    b":",
    b"=",
    b"#",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    65536,
    10**17,
    2**63,
    10**400,
    1.5,
    -0.0,
    1e308,
    "",
    " ",
    "x" * 5000,
    "a\x00b",
    "a\nb",
    "\u202egnirts\u2028",
    "\ud800",
    "../../x",
    "any",
    "all",
    "10.0.0.1",
    "10.0.0.0/99",
    "::/0",
    "2026-13-99",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-01-01T00:00:00",
    "sha256:" + "0" * 64,
    [],
    {},
    [None],
    [[]],
    {"": ""},
    {"a": {"b": ["c"]}},
    ["x", "x"],
)

Read = Callable[[bytes], object]
Mutate = Callable[[random.Random, bytes], bytes]


def nested(depth: int) -> Any:
    """A list in a list, and so on."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


# --- by the byte ---------------------------------------------------------------------------------


def by_byte(chance: random.Random, data: bytes) -> bytes:
    """Change some bytes, or put in a word that breaks readers."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 9))):
        at = chance.randrange(len(found) + 1)
        end = min(len(found), at + chance.choice((0, 1, 1, 2, 8, 64)))
        kind = chance.randrange(6)
        if kind == 0:
            found[at:end] = chance.choice(WORDS)
        elif kind == 1:
            found[at:end] = bytes(chance.randrange(256) for _ in range(end - at))
        elif kind == 2:
            del found[at:end]
        elif kind == 3:
            found[at:at] = found[at:end] * chance.choice((1, 2, 50))
        elif kind == 4:
            other = chance.randrange(len(found) + 1)
            found[at:end] = found[other : other + end - at]
        else:
            del found[at:]
    return bytes(found)


def by_word(chance: random.Random, data: bytes) -> bytes:
    """Put another word in the place of one or two: one of its own, or one that breaks readers."""
    words = list(re.finditer(rb"[^\s<>\[\]{}\"',:=]+", data))
    if not words:
        return by_byte(chance, data)
    for _ in range(chance.choice((1, 1, 2))):
        word = chance.choice(words)
        other = chance.choice((chance.choice(WORDS), chance.choice(words)[0], b"", b"-1", b"null"))
        data = data[: word.start()] + other + data[word.end() :]
        words = list(re.finditer(rb"[^\s<>\[\]{}\"',:=]+", data[:100_000])) or words[:1]
    return data


# --- by the value --------------------------------------------------------------------------------


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    known: Any = value
    keys: list[Any] = list(known) if isinstance(value, dict) else list(range(len(value)))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def change_values(chance: random.Random, document: Any) -> Any:
    """Return a document with some values put in the place of others, or taken out."""
    made = copy.deepcopy(document)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(_places(made))
        if not places:
            return chance.choice(VALUES)
        holder, key = chance.choice(places)
        kind = chance.randrange(8)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[chance.choice(("", "x", "\u202e", "__class__", "segctl_x", "\ud800"))] = holder[
                key
            ]
        elif kind == 2:
            other, name = chance.choice(places)
            with suppress(LookupError):  # it is taken out already
                holder[key] = copy.deepcopy(cast("object", other[name]))
        elif kind == 3:
            holder[key] = nested(chance.choice((5, 90, 150)))
        elif kind == 4 and isinstance(holder[key], str):
            holder[key] = by_word(chance, holder[key].encode(errors="replace")).decode(
                errors="replace"
            )
        else:
            holder[key] = copy.deepcopy(chance.choice(VALUES))
    return made


def by_value(seal: Callable[[Any], Any] = lambda made: made) -> Mutate:
    """Change the values of a JSON document: `seal` renews what depends on them."""

    def mutate(chance: random.Random, data: bytes) -> bytes:
        made = change_values(chance, json.loads(data))
        if isinstance(made, dict) and chance.randrange(8):
            made = seal(made)
        return json.dumps(made).encode()

    return mutate


# --- a run ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format: what a good file is, how one is read, how one is broken.

    `read` is given a file's content. `told` is what its errors must name: the file, or the device.
    """

    name: str
    samples: Sequence[bytes]
    read: Read
    told: str
    mutations: Sequence[Mutate] = (by_byte, by_word)


def fuzz(one: Format) -> int:
    """Read broken files until the time is up; return how many.

    Raises:
        AssertionError: one of them was neither read nor refused in segctl's own words.
    """
    for sample in one.samples:
        one.read(sample)  # a good file is read
    ends = time.monotonic() + SECONDS
    number = FIRST
    while number < FIRST + 20 or time.monotonic() < ends:
        chance = random.Random(f"{one.name} {number}")
        broken = chance.choice(one.mutations)(chance, chance.choice(one.samples))
        where = f"{one.name}: case {number} (SEGCTL_FUZZ_FIRST={number}): {broken[:300]!r}"
        try:
            with ended(where):
                one.read(broken)
        except SegctlError as error:
            said = str(error)
            assert one.told in said, f"{where}: says not where: {said[:300]}"
            assert "defect" not in said, f"{where}: {said[:300]}"
        except AssertionError:
            raise
        except BaseException as error:
            raise AssertionError(f"{where}: {type(error).__name__}: {error}"[:2000]) from error
        number += 1
    return number - FIRST


@contextmanager
def ended(where: str) -> Generator[None]:
    """Take what does not end for a failure."""

    def ring(_number: int, _frame: object) -> None:
        raise AssertionError(f"{where}: does not end")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(_PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
