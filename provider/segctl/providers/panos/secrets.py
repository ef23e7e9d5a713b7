"""A PAN-OS configuration without what is secret in it: hashes, keys, passwords, tokens.

The text between two tags is masked and nothing else, so that all that `parse` reads stays.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Final, cast

from lxml import etree

from segctl.errors import ParseError
from segctl.providers.panos.snapshot import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.providers.panos.elements import Element

MASK: Final = "***"
#: Names of elements whose text is secret: those that hold one of these words, and these.
_WORDS: Final = (
    "auth-?pwd|bind-password|credential|keytab|passphrase|passwd|password|phash|priv-?pwd|"
    "private-key|psk|pwd|secret|token"
)
_NAMES: Final = (
    "access-key|api-key|auth-code|auth-key|authentication-key|community|encryption-key|key|md5|otp|"
    "pre-shared-key|snmp-community-string|symmetric-key|vm-auth-key"
)
#: What the device encrypts with its master key begins so; the default master key is known to all.
_ENCRYPTED: Final = "-AQ=="
_SECRET: Final = re.compile(rf"[\w.-]*(?:{_WORDS})[\w.-]*|{_NAMES}")

_TEXT: Final = rb"(?:[^<]|<!\[CDATA\[.*?\]\]>)"
_ATTRIBUTES: Final = rb"(?:\s[^<>]*[^<>/])?"
_LEAF: Final = re.compile(
    rb"<(?P<name>%b)(?P<attributes>%b)>%b+</(?P=name)>"
    % (_SECRET.pattern.encode(), _ATTRIBUTES, _TEXT),
    re.DOTALL,
)
#: A setting whose name says that its value is secret, as of dynamic DNS.
_VALUE: Final = re.compile(
    rb"""(?P<open><entry\s[^<>]*\bname\s*=\s*(?:"[^"<]*(?:%b)[^"<]*"|'[^'<]*(?:%b)[^'<]*')[^<>]*>\s*"""
    rb"<value%b>)[^<]+</" % (_WORDS.encode(), _WORDS.encode(), _ATTRIBUTES)
)
_SEALED: Final = re.compile(
    rb"(?P<open><[\w.-]+%b>)\s*%b[^<]*</" % (_ATTRIBUTES, _ENCRYPTED.encode())
)
_ADDRESS: Final = re.compile(rb"<url>[^<]*</url>")
_ACCOUNT: Final = re.compile(rb"://[^/@<\s]*@")
_PARAMETER: Final = re.compile(rb"((?:[?;&])[\w.-]*(?:key|token|secret|password|sig)=)[^&<\s]+")


def masked(xml: bytes) -> bytes:
    """Return XML with its secrets masked; masking it again changes nothing."""
    star = MASK.encode()
    made = _LEAF.sub(rb"<\g<name>\g<attributes>>%b</\g<name>>" % star, xml)
    made = _VALUE.sub(rb"\g<open>%b</" % star, made)
    made = _SEALED.sub(rb"\g<open>%b</" % star, made)
    return _ADDRESS.sub(_without_account, made)


def _without_account(found: re.Match[bytes]) -> bytes:
    """Return an address without the account or the token in it."""
    star = MASK.encode()
    bare = _ACCOUNT.sub(rb"://%b@" % star, found[0])
    return _PARAMETER.sub(rb"\g<1>%b" % star, bare)


def mask(document: bytes) -> bytes:
    """Return a snapshot document with its secrets masked.

    Raises:
        ParseError: it is damaged, or something secret has a form that is not known.
    """
    snapshot = load(document)
    parts = {name: masked(bytes(part)) for name, part in snapshot.parts.items()}
    for name, part in parts.items():
        _check(snapshot.host, name, part)
    return replace(snapshot, parts=parts).dump()


def _check(host: str, name: str, part: bytes) -> None:
    """Read the XML as a parser does, and refuse it where a secret is left."""
    events = etree.iterparse(BytesIO(part), events=("end",), resolve_entities=False)
    try:
        for _, element in cast("Iterable[tuple[str, Element]]", events):
            if _leaks(element):
                raise ParseError(host, f"a secret in {name} (<{element.tag}>) cannot be masked")
            if element.tag == "entry":
                element.clear()
    except etree.XMLSyntaxError as error:
        raise ParseError(host, f"the answer to {name} is not complete XML: {error}") from error


def _leaks(element: Element) -> bool:
    """Whether a leaf holds a secret still: comments in it, for instance, keep it from the mask."""
    if len(element) and any(isinstance(_tag(child), str) for child in element):
        return False
    text = "".join(map(str, element.itertext())).strip() if len(element) else element.text or ""
    return text.strip() not in {"", MASK} and (
        text.lstrip().startswith(_ENCRYPTED) or _is_secret(_tag(element))
    )


@lru_cache(maxsize=4096)
def _is_secret(tag: object) -> bool:
    return isinstance(tag, str) and _SECRET.fullmatch(tag) is not None


def _tag(element: Element) -> object:
    return cast("object", element.tag)  # of a comment it is a function
