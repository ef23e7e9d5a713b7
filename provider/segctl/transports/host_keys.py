"""Whether a host key is the right one, according to known_hosts files as OpenSSH reads them.

asyncssh reads the lines, the keys and the certificates. It accepts more than OpenSSH in some
places (address ranges, empty names, any white space) and less in others (capitals, a line that
breaks the others), so each line is first brought into a common form. The verdict is that of
``check_host_key`` in OpenSSH's sshconnect.c with ``StrictHostKeyChecking=yes``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncssh import SSHKey, SSHKnownHosts
    from asyncssh.public_key import SSHOpenSSHCertificate

_CERTIFICATE: Final = "-cert-v01@openssh.com"
#: The bits that an RSA key has at least (OpenSSH's RequiredRSASize): shorter ones are broken.
_FEWEST_BITS: Final = 1024
#: The names that a certificate has at most (OpenSSH's SSHKEY_CERT_MAX_PRINCIPALS).
_MOST_NAMES: Final = 256
#: Certificate types, and the type of the key in each.
_TYPES: Final = {
    "ssh-ed25519": "ssh-ed25519",
    "ecdsa-sha2-nistp256": "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384": "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521": "ecdsa-sha2-nistp521",
    "ssh-rsa": "ssh-rsa",
    "rsa-sha2-256": "ssh-rsa",
    "rsa-sha2-512": "ssh-rsa",
    "sk-ssh-ed25519@openssh.com": "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com": "sk-ecdsa-sha2-nistp256@openssh.com",
}
#: Algorithms that a host may prove its key with, in OpenSSH's order of preference.
ALGORITHMS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
#: Algorithms an authority may sign a certificate with: no SHA-1, no DSA (CASignatureAlgorithms).
_SIGNATURES: Final = frozenset(
    {*ALGORITHMS, "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"}
)
_LINE: Final = re.compile(
    # OpenSSH ends a marker at the first space of the line, at a tab only where no space follows
    rb"[ \t]*(?:@(cert-authority|revoked)(?: |\t(?=[^ ]*\Z))[ \t]*)?"
    rb"([^ \t#@][^ \t]*)[ \t]+([!-~]+)[ \t]+([0-9A-Za-z+/]+=*)(?:[ \t].*)?",
    re.DOTALL,
)
#: A name that matches no host: nothing, a network, or one with a control character.
_NO_NAME: Final = re.compile(r"\A!*\Z|[/\x00-\x20\x7f]")
_HASHED: Final = re.compile(r"\|1\|[0-9A-Za-z+/]{27}=\|[0-9A-Za-z+/]{27}=")


def fingerprint(key: bytes) -> str:
    """Return the fingerprint of a public key in SSH's encoding, as OpenSSH prints it."""
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode()
    return f"SHA256:{digest.rstrip('=')}"


def kind_of(key: bytes) -> str:
    """Return the type stated inside a public key in SSH's encoding."""
    return _strings(key, 1)[0].decode("ascii", errors="replace")


def too_short(key: bytes) -> str:
    """Return what is wrong with an RSA key of too few bits, in SSH's encoding; else nothing."""
    try:
        if kind_of(key) != "ssh-rsa":
            return ""
        bits = int.from_bytes(_strings(key, 3)[2], "big").bit_length()
    except ValueError:
        return ""  # whoever reads the key says what it is
    if bits >= _FEWEST_BITS:
        return ""
    return f"an RSA key of {bits} bits, which anybody can forge"


# --- what the files say --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What known_hosts files hold for one name: public keys in SSH's encoding.

    `unusable` says that another entry has a key no host can present, such as a certificate.
    """

    keys: tuple[bytes, ...] = ()
    authorities: tuple[bytes, ...] = ()
    revoked: tuple[bytes, ...] = ()
    unusable: bool = False


@lru_cache(maxsize=16)
def read(text: bytes) -> SSHKnownHosts:
    """Return the entries of a known_hosts file; unreadable lines are left out."""
    import asyncssh

    known = asyncssh.SSHKnownHosts()
    for line in text.split(b"\n"):
        entry = _entry(line)
        if entry:
            with suppress(ValueError):  # a key that is damaged inside
                known.load(entry)
    return known


def lookup(files: Sequence[bytes], name: str) -> Known:
    """Return the entries for a name such as ``[fw1]:2222`` from the text of known_hosts files."""
    keys: list[SSHKey] = []
    authorities: list[SSHKey] = []
    revoked: list[SSHKey] = []
    unusable = False
    for text in files:
        match = read(text).match(name, "", None)
        keys += match[0]
        authorities += match[1]
        revoked += match[2]
        unusable = unusable or bool(match[3])
    return Known(
        keys=tuple(key.public_data for key in keys),
        authorities=tuple(key.public_data for key in authorities),
        revoked=tuple(key.public_data for key in revoked),
        unusable=unusable,
    )


def _entry(line: bytes) -> str:
    """Return a line in a form that asyncssh and OpenSSH read alike; empty if it is not an entry."""
    match = _LINE.fullmatch(line.partition(b"\0")[0].rstrip(b"\r"))
    if match is None:
        return ""
    marker, names, kind, key = (part.decode("ascii", "surrogateescape") for part in (
        match[1] or b"", match[2], match[3], match[4]
    ))  # fmt: skip
    names = _names(names)
    kind = kind if kind.endswith(_CERTIFICATE) else _TYPES.get(kind, "")
    if not names or not kind or not _holds(key, kind):
        return ""
    return f"@{marker} {names} {kind} {key}" if marker else f"{names} {kind} {key}"


def _names(text: str) -> str:
    """Return host name patterns, without those that cannot match anything."""
    if text.startswith("|"):
        return text if _HASHED.fullmatch(text) else ""
    names = [name for name in _lower(text).split(",") if not _NO_NAME.search(name)]
    return ",".join(names)


def _holds(text: str, kind: str) -> bool:
    """Whether base64 text holds a key of this type and is spelled as OpenSSH spells it."""
    try:
        blob = base64.b64decode(text, validate=True)
        spelled = base64.b64encode(blob).decode() == text
        return spelled and kind_of(blob) == kind and not too_short(blob)
    except (binascii.Error, ValueError):
        return False


def _lower(text: str) -> str:
    """Return `text` with ASCII letters in lower case, as C does."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


# --- what a host presents -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The key that a host has proved to hold, and the certificate that came with it."""

    key: bytes
    certificate: SSHOpenSSHCertificate | None = None

    def __str__(self) -> str:
        """Return the key's type and fingerprint."""
        return f"{kind_of(self.key)} {fingerprint(self.key)}"


def shown(blob: bytes) -> Shown:
    """Return the key or certificate a host presented in SSH's encoding, after a signature check.

    Raises:
        ValueError: a certificate is unreadable, or has a wrong signature, a signature of a
            kind that is not accepted, a key that is too short, names that OpenSSH does not read,
            or a critical option (none is defined for hosts).
    """
    import asyncssh
    from asyncssh.public_key import SSHOpenSSHCertificate

    kind = kind_of(blob)
    if not kind.endswith(_CERTIFICATE):
        return Shown(key=blob)
    line = f"{kind} {base64.b64encode(blob).decode()}"
    try:
        certificate = asyncssh.import_certificate(line)
    except asyncssh.KeyImportError as error:
        raise ValueError(
            "it is damaged, has a wrong signature, or has a critical option"
        ) from error
    if not isinstance(certificate, SSHOpenSSHCertificate):
        raise ValueError("not an OpenSSH certificate")  # noqa: TRY004 - it is data, not a type
    keys = certificate.key.public_data, certificate.signing_key.public_data
    if short := too_short(keys[0]) or too_short(keys[1]):
        raise ValueError(f"it has {short}")
    if len(certificate.principals) > _MOST_NAMES:
        raise ValueError(f"it has more than {_MOST_NAMES} names")
    if any("\0" in name[:-1] for name in certificate.principals):
        raise ValueError("a name in it has a NUL character")
    made = _signed_with(blob, certificate.signing_key.public_data)
    if made not in _SIGNATURES:
        raise ValueError(f"its authority signed it with {made}, which segctl does not accept")
    return Shown(key=certificate.key.public_data, certificate=certificate)


def _signed_with(blob: bytes, authority: bytes) -> str:
    """Return the algorithm of a certificate's signature: its last string, after the authority."""
    _, _, last = blob.rpartition(len(authority).to_bytes(4, "big") + authority)
    (signature,) = _strings(last, 1)
    return _strings(signature, 1)[0].decode("ascii", errors="replace")


def _strings(data: bytes, count: int) -> list[bytes]:
    """Return the first strings of SSH's encoding in `data`.

    Raises:
        ValueError: there are fewer.
    """
    strings: list[bytes] = []
    for _ in range(count):
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise ValueError("not in SSH's encoding")
        strings.append(data[4 : 4 + size])
        data = data[4 + size :]
    return strings


def refusal(certificate: SSHOpenSSHCertificate, host: str) -> str:
    """Return why a certificate is not valid for a host now; empty if it is.

    A certificate without host names is valid for no host, as in OpenSSH 10.3 and later.
    """
    from asyncssh.pattern import WildcardPattern
    from asyncssh.public_key import CERT_TYPE_HOST

    try:
        certificate.validate(CERT_TYPE_HOST, None)
    except ValueError as error:
        return str(error)
    names = certificate.principals
    if any(WildcardPattern(name).matches(host) for name in names):
        return ""
    return f"Certificate is for {', '.join(names)[:200] or 'no host'}, not for {host}"


# --- the verdict ---------------------------------------------------------------------------------


class Status(Enum):
    """The verdict of known_hosts files on a key."""

    OK = "known"
    NEW = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a host is the right one: `status`, and the objection to its certificate, if any."""

    status: Status
    objection: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A host's address, as known_hosts files write it."""

    host: str
    port: int

    @property
    def name(self) -> str:
        """The name that is looked up first."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


def place(host: str, port: int) -> Place:
    """Return a place as ssh writes it: lower case, addresses in their shortest form."""
    with suppress(ValueError):
        host = str(ipaddress.ip_address(host))
    return Place(host=_lower(host), port=port)


def judge(find: Callable[[str], Known], where: Place, seen: Shown) -> Verdict:
    """Return the verdict on the key that a host presented at a place.

    Args:
        find: returns what the files hold for a name.
        where: the place.
        seen: what the host presented.
    """
    objection = ""
    if seen.certificate is not None:
        found = _by_certificate(find, where, seen, seen.certificate)
        if found.status in {Status.OK, Status.REVOKED}:
            return found
        objection = found.objection
    return Verdict(status=_by_key(find, where, seen.key), objection=objection)


def _by_certificate(
    find: Callable[[str], Known], where: Place, seen: Shown, certificate: SSHOpenSSHCertificate
) -> Verdict:
    authority = certificate.signing_key.public_data
    known = find(where.name)
    if seen.key in known.revoked or authority in known.revoked:
        return Verdict(status=Status.REVOKED)
    if authority in known.authorities:
        objection = refusal(certificate, where.host)
        return Verdict(status=Status.CHANGED if objection else Status.OK, objection=objection)
    if not known.authorities and where.port != 22:
        bare = judge(find, Place(host=where.host, port=22), seen)
        if bare.status is Status.OK:
            return bare
        return Verdict(status=Status.NEW, objection=bare.objection)
    return Verdict(
        status=Status.NEW, objection=f"Certificate is signed by {fingerprint(authority)}"
    )


def _by_key(find: Callable[[str], Known], where: Place, key: bytes) -> Status:
    known = find(where.name)
    if key in known.revoked:
        return Status.REVOKED
    if key in known.keys:
        return Status.OK
    if known.keys or known.unusable:
        return Status.CHANGED
    if where.port != 22:
        bare = _by_key(find, Place(host=where.host, port=22), key)
        return Status.NEW if bare is Status.CHANGED else bare
    return Status.NEW


def algorithms(find: Callable[[str], Known], where: Place) -> tuple[str, ...]:
    """Return the algorithms offered to a host for its proof, most preferred first.

    Certificates if an authority is known, then the known kinds of keys, then others.
    """
    known = find(where.name)
    bare = find(where.host)
    kinds = {kind_of(key) for key in known.keys or bare.keys}
    mine = [one for one in ALGORITHMS if _TYPES[one] in kinds]
    others = [one for one in ALGORITHMS if one not in mine]
    certified = ALGORITHMS if known.authorities or bare.authorities else ()
    return (*(one + _CERTIFICATE for one in certified), *mine, *others)
