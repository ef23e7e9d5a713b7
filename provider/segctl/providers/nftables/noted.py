"""What a table holds besides what segctl would write, in words that say one thing each.

Plans, reports and documents show the words. What accepts them is bound to their `essence`, so they
can be reworded in `STATES` and `LINES`, where nothing else has to change.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

State: TypeAlias = Literal["differs", "missing", "strange"]
Side: TypeAlias = Literal["lacks", "has"]

#: What is wrong with a chain, a set or a counter.
STATES: Final[dict[State, str]] = {
    "differs": "is not as segctl writes it",
    "missing": "is missing",
    "strange": "is not segctl's",
}
#: What is wrong with a line of a chain.
LINES: Final[dict[Side, str]] = {"lacks": "lacks", "has": "also has"}


def thing(kind: str, name: str, state: State, content: str = "") -> str:
    """Return the words for a chain, a set or a counter, with the digest of its `content`."""
    return f"{kind} {name} {STATES[state]}" + (f" ({content})" if content else "")


def line(chain: str, side: Side, text: str) -> str:
    """Return the words for a line that a chain lacks, or has beside its own."""
    return f"{chain} {LINES[side]}: {text}"


def resting(text: str, content: str) -> str:
    """Return a line with the digest of the `content` of what it names, if it names anything."""
    return f"{text} (what it names: {content})" if content else text


def essence(extra: str) -> str:
    """Return what was noted, alike however it is worded; a text that is none of these as it is."""
    for state, words in STATES.items():
        if found := re.fullmatch(rf"(\S+ \S+) {re.escape(words)}( \(sha256:\w+\))?", extra):
            return f"{found[1]} {state}{found[2] or ''}"
    for side, words in LINES.items():
        if found := re.fullmatch(rf"(\S+) {re.escape(words)}: (.*)", extra, re.DOTALL):
            return f"{found[1]} {side} {found[2]}"
    return extra
