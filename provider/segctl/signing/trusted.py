"""The file of trusted keys: OpenSSH's allowed signers, minisign's public keys, or both.

A line that is not understood is an error: a typing mistake must not widen a key's trust.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from segctl.model.errors import SignatureError
from segctl.transports.host_keys import too_short

if TYPE_CHECKING:
    from pathlib import Path

_COMMENT: Final = "untrusted comment:"
_MINISIGN_LENGTH: Final = 2 + 8 + 32
# Possessive (``++``): no backtracking, so that the time stays linear in the line's length.
_KEY: Final = r"(?P<type>(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]++)[ \t]++(?P<key>[A-Za-z0-9+/]++=*+)"
_ONE: Final = r'[A-Za-z-]++(?:="[^"]*+")?+'
_LINE: Final = re.compile(
    r'(?:"(?P<quoted>[^"]++)"|(?P<plain>[^\s"]++))[ \t]++'
    rf"(?:(?P<options>{_ONE}(?:,{_ONE})*+)[ \t]++)?{_KEY}(?:[ \t].*)?"
)
_OPTION: Final = re.compile(r'([A-Za-z-]+)(?:="([^"]*)")?(?:,|$)')
_TIME: Final = re.compile(r"(\d{8})(\d{4})?(\d{2})?(Z?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MinisignKey:
    """A minisign public key and its name from the comment."""

    name: str
    text: str
    key_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SshKey:
    """A line of allowed signers: who, which key, which namespaces, from when until when."""

    principals: str
    type: str
    data: bytes
    namespaces: str = ""
    valid_after: datetime | None = None
    valid_before: datetime | None = None

    def refusal(self, namespace: str, now: datetime) -> str:
        """Return why the key is not valid for a namespace at a time; empty if it is."""
        if self.namespaces and not matches(self.namespaces, namespace):
            return f"is trusted for {self.namespaces}, not for {namespace}"
        if self.valid_after is not None and now < self.valid_after:
            return f"is trusted only from {self.valid_after.isoformat()} on"
        if self.valid_before is not None and now >= self.valid_before:
            return f"was trusted only until {self.valid_before.isoformat()}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """The keys of a file."""

    ssh: tuple[SshKey, ...]
    minisign: tuple[MinisignKey, ...]


def read_trusted(text: bytes, file: Path) -> Trusted:
    """Return the keys of a file.

    Raises:
        SignatureError: there is no key, or a line is not understood.
    """
    ssh: list[SshKey] = []
    minisign: list[MinisignKey] = []
    name = ""
    try:
        lines = text.decode().splitlines()
    except UnicodeDecodeError as error:
        raise SignatureError(f"{file} is not a file of trusted keys: it is not text") from error
    for number, line in enumerate(map(str.strip, lines), start=1):
        try:
            if not line or line.startswith("#"):
                continue
            if line.startswith(_COMMENT):
                name = line.removeprefix(_COMMENT).strip()
            elif len(line.split()) == 1:
                minisign.append(_minisign_key(line, name))
                name = ""
            else:
                ssh.append(_ssh_key(line))
        except ValueError as error:
            raise SignatureError(f"{file}:{number}: {error}") from error
    if not ssh and not minisign:
        raise SignatureError(f"{file} has no keys: nobody would be trusted")
    return Trusted(ssh=tuple(ssh), minisign=tuple(minisign))


def _minisign_key(line: str, comment: str) -> MinisignKey:
    try:
        raw = _decoded(line)
    except ValueError:
        raw = b""
    if len(raw) != _MINISIGN_LENGTH or raw[:2] != b"Ed":
        message = "not a minisign public key, nor a line of allowed signers (who, type, key)"
        raise ValueError(message)
    given = re.fullmatch(r"minisign public key [0-9A-F]+", comment)
    return MinisignKey(name="" if given else comment, text=line, key_id=raw[2:10])


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error as error:
        message = "the key is damaged: it is not base64"
        raise ValueError(message) from error


def _ssh_key(line: str) -> SshKey:
    match = _LINE.fullmatch(line)
    if match is None:
        message = 'not a line of allowed signers: who [namespaces="segctl-plan"] type key'
        raise ValueError(message)
    options = _options(match["options"] or "")
    data = _decoded(match["key"])
    name = match["type"].encode()
    if data[: 4 + len(name)] != len(name).to_bytes(4, "big") + name:
        message = f"the key is damaged: it is not of type {match['type']}"
        raise ValueError(message)
    if short := too_short(data):
        raise ValueError(f"the key is {short}")
    return SshKey(
        principals=match["quoted"] or match["plain"],
        type=match["type"],
        data=data,
        namespaces=options.get("namespaces", ""),
        valid_after=_time(options.get("valid-after")),
        valid_before=_time(options.get("valid-before")),
    )


def _options(text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in _OPTION.findall(text):
        option = name.lower()
        if option == "cert-authority":
            message = "signatures by certificates are not supported: name the key itself"
            raise ValueError(message)
        if option not in {"namespaces", "valid-after", "valid-before"} or not value:
            message = f"the option {name} is not understood, or empty"
            raise ValueError(message)
        if option in options:
            message = f"the option {name} is given twice"
            raise ValueError(message)
        options[option] = value
    return options


def _time(text: str | None) -> datetime | None:
    """Parse a time in OpenSSH's form: YYYYMMDD[HHMM[SS]], local time, or UTC with Z."""
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        message = f"{text!r} is not a time: write YYYYMMDD or YYYYMMDDHHMM[SS], with Z for UTC"
        raise ValueError(message)
    day, minutes, seconds, zulu = match.groups()
    try:
        local = datetime.strptime(  # noqa: DTZ007 - the zone follows
            f"{day}{minutes or '0000'}{seconds or '00'}", "%Y%m%d%H%M%S"
        )
        return local.replace(tzinfo=UTC) if zulu else local.astimezone()
    except (OverflowError, OSError) as error:  # at the limits of the calendar
        message = f"{text!r} is not a time that this machine can represent"
        raise ValueError(message) from error


def matches(patterns: str, text: str) -> bool:
    """Whether a list of OpenSSH patterns matches: ``*``, ``?``; a leading ``!`` excludes."""
    hit = False
    for pattern in patterns.split(","):
        if _fits(pattern.removeprefix("!"), text):
            if pattern.startswith("!"):
                return False
            hit = True
    return hit


def _fits(pattern: str, text: str) -> bool:
    """Whether one pattern matches, in at most pattern times text steps.

    Only the last ``*`` passed ever needs to match more: it can also match what an earlier one
    would.
    """
    at = place = 0
    star, taken = -1, 0
    while place < len(text):
        if pattern[at : at + 1] == "*":
            star, taken = at, place
            at += 1
        elif pattern[at : at + 1] in {"?", text[place]}:
            at += 1
            place += 1
        elif star < 0:
            return False
        else:
            taken += 1
            at, place = star + 1, taken
    return not pattern[at:].strip("*")
