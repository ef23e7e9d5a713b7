"""Hashes of administrators' passwords: SHA-256 of crypt(3), salted, as ``phash`` holds them.

The scheme is Ulrich Drepper's, "Unix crypt using SHA-256 and SHA-512", version 0.6.
"""

from __future__ import annotations

import hashlib
import secrets

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ROUNDS = 5000
_SALT = 8
_LONGEST_SALT = 16
_KIND = "$5$"


def hashed(password: str, salt: str = "") -> str:
    """Hash a password with a salt of at most 16 characters, by default a random one."""
    used = (salt or "".join(secrets.choice(_ALPHABET) for _ in range(_SALT)))[:_LONGEST_SALT]
    return f"{_KIND}{used}${_encoded(_digest(password.encode(), used.encode()))}"


def matches(password: str, phash: str) -> bool:
    """Whether a hash is that of a password; one of another kind is of none."""
    parts = phash.split("$")
    if not phash.startswith(_KIND) or len(parts) != 4 or not parts[2]:
        return False
    return secrets.compare_digest(hashed(password, parts[2]).encode(), phash.encode())


def _sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _stretched(block: bytes, size: int) -> bytes:
    return (block * (size // len(block) + 1))[:size]


def _digest(key: bytes, salt: bytes) -> bytes:
    other = _sha(key, salt, key)
    parts = [key, salt, _stretched(other, len(key))]
    size = len(key)
    while size:
        parts.append(other if size & 1 else key)
        size >>= 1
    digest = _sha(*parts)
    p = _stretched(_sha(key * len(key)), len(key))
    s = _stretched(_sha(salt * (16 + digest[0])), len(salt))
    for number in range(_ROUNDS):
        odd = number & 1
        digest = _sha(
            p if odd else digest,
            s if number % 3 else b"",
            p if number % 7 else b"",
            digest if odd else p,
        )
    return digest


def _encoded(digest: bytes) -> str:
    """Encode three bytes at a time, in the order that the scheme prescribes."""
    text = [_four(digest, step) for step in range(10)]
    value = digest[31] << 8 | digest[30]
    text.append("".join(_ALPHABET[value >> 6 * place & 63] for place in range(3)))
    return "".join(text)


def _four(digest: bytes, step: int) -> str:
    a, b, c = 0, 10, 20
    for _ in range(step):
        a, b, c = (c + 1) % 30, (a + 1) % 30, (b + 1) % 30
    value = digest[a] << 16 | digest[b] << 8 | digest[c]
    return "".join(_ALPHABET[value >> 6 * place & 63] for place in range(4))
