"""The commands a probe may run on an nftables gateway: those that only list something."""

from __future__ import annotations

import re

#: What follows the program's name; words after `list` are names, never options.
LIST = r"(?: -[ajns]+)* list(?: [A-Za-z][0-9A-Za-z_./-]*)+"
_SHOWS = re.compile(rf"nft{LIST}", re.ASCII)


def refusal(command: str) -> str:
    """Return why `command` may not run; empty for ``nft list …`` followed only by names."""
    if _SHOWS.fullmatch(command):
        return ""
    return f"{command!r} is not permitted: a probe may run only nft list …"
