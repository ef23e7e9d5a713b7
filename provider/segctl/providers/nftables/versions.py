"""Which versions of nft segctl works with.

The oldest is the oldest that was measured. nft 0.9.8 lists no comment of a counter in JSON, by
which segctl knows its table and its rules; it takes no raw payload of TCP's data, and it ends with
an assertion when it lists a set of three raw numbers (measured with the packages of Debian 11).
"""

from __future__ import annotations

import re

from segctl.model.errors import UnsupportedError

OLDEST = (1, 0, 6)


def version_of(said: str) -> str:
    """Return the version in what ``nft --version`` says; empty where there is none."""
    found = re.search(r"v([0-9]+(?:\.[0-9]+)*)", said)
    return found[1] if found else ""


def check(host: str, said: str) -> None:
    """Refuse a host by what its ``nft --version`` says.

    Raises:
        UnsupportedError: it is older than `OLDEST`, or says no version.
    """
    version = version_of(said)
    if tuple(int(part) for part in version.split(".") if part) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        what = f"nft {version}" if version else f"an nft of unknown version ({said[:60]!r})"
        raise UnsupportedError(
            f"{host}: has {what}, which cannot comment objects as segctl needs it: install "
            f"nftables {oldest} or newer there (docs/nftables.md, Versions)"
        )
