"""The versions of nft that segctl works with.

The oldest supported version is the oldest one tested. nft 0.9.8 does not list counter comments in
JSON, by which segctl recognises its table and rules; it does not accept raw TCP payload, and it
aborts when it lists a set of three raw numbers (measured with the packages of Debian 11).
"""

from __future__ import annotations

import re

from segctl.model.errors import UnsupportedError

OLDEST = (1, 0, 6)


def version_of(said: str) -> str:
    """Return the version in the output of ``nft --version``; empty if there is none."""
    match = re.search(r"v([0-9]+(?:\.[0-9]+)*)", said)
    return match[1] if match else ""


def check(host: str, said: str) -> None:
    """Refuse a host whose nft is too old, given the output of ``nft --version``.

    Raises:
        UnsupportedError: it is older than `OLDEST`, or states no version.
    """
    version = version_of(said)
    if tuple(int(part) for part in version.split(".") if part) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        what = f"nft {version}" if version else f"an nft of unknown version ({said[:60]!r})"
        raise UnsupportedError(
            f"{host}: has {what}, which cannot comment objects as segctl needs it: install "
            f"nftables {oldest} or newer there (docs/nftables.md, Versions)"
        )
