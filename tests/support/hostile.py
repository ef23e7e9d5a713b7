"""Names and texts as a device could hold them to mislead who reads a report."""

from __future__ import annotations

import re
import unicodedata
from functools import partial
from itertools import cycle

from hypothesis import strategies as st

from segctl.analysis.rows import Row
from segctl.fleet import Failure
from segctl.model.diff import Anchor, Change, Op
from segctl.model.errors import Problem
from segctl.model.policy import Address, Rule
from segctl.planning.findings import HOLE
from segctl.planning.make import make_plan
from segctl.planning.meaning import Meaning
from segctl.planning.plan import OPS, DevicePlan, Intent, Plan

TOKENS = (
    "```",
    "````\n",
    "~~~",
    "<!-- segctl:plan:other -->",
    "-->",
    "</details>",
    "</summary><h1>",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "@team",
    "#123",
    "owner/name#7",
    "[text](https://example.invalid)",
    "![x](https://example.invalid/x.png)",
    "https://example.invalid",
    "www.example.invalid",
    "javascript:alert(1)",
    "| a | b |",
    "\n/close\n",
    "\n\n# heading\n",
    "\n- [x] done",
    "**bold** _it_ __b__ ~~s~~ `code`",
    "&lt;b&gt; &#60; &amp;",
    "\\",
    "\\|",
    "$x$ $$y$$",
    ":smile:",
    "\x1b[31m",
    "\x00\x07\x7f",
    "\u202egnirts",
    "]]>",
    "\"'",
    " \t ",
)
names = st.lists(
    st.sampled_from(TOKENS) | st.text(st.characters(codec="utf-8"), max_size=4),
    min_size=1,
    max_size=4,
).map("".join)
INTENT = Intent(git_commit="0123456789abcdef", digest="sha256:0")


def plans() -> st.SearchStrategy[tuple[Plan, list[Failure]]]:
    """Plans whose every name and text is hostile, and devices that could not be planned."""
    return st.lists(names, min_size=3, max_size=9).map(_plan)


def _plan(words: list[str]) -> tuple[Plan, list[Failure]]:
    """Use the words in turn, wherever there is room for one."""
    word = partial(next, cycle(words))

    def item(kind: str, name: str, conduit: str) -> Rule | Address:
        if kind == "address":
            return Address(name=name, value=word(), description=word())
        return Rule(
            name=name,
            conduit=conduit,
            description=word(),
            from_zones=(word(), word()),
            to_zones=(word(), word()),
            sources=(word(), word()),
            applications=(word(), word()),
        )

    def change(op: Op, kind: str) -> Change:
        name, conduit = word(), word()
        return Change(
            op=op,
            kind=kind,
            name=name,
            before=None if op == "create" else item(kind, name, conduit),
            after=None if op == "delete" else item(kind, name, conduit),
            anchor=Anchor(where="after", rule=word()),
        )

    def problem(severity: str) -> Problem:
        return Problem(
            message=word(), hint=word(), subject=word(), severity=severity, kind=HOLE, path=word()
        )

    def row() -> Row:
        return Row(
            from_zones=(word(),),
            to_zones=(word(), word()),
            source=(word(),),
            destination=(word(),),
            services=(word(),),
            applications=(word(), word()),
            users=(word(),),
            negated=("source",),
            rule=word(),
            conduit=word(),
            example=word(),
            why=(word(),),
        )

    device = DevicePlan(
        name=word(),
        platform=word(),
        serial=word(),
        os_version=word(),
        script=word(),
        changes=tuple(change(op, kind) for op in OPS for kind in ("rule", "address")),
        findings=(problem("error"), problem("warning")),
        purge=1,
        meaning=Meaning(
            more=(row(),),
            less=(row(),),
            unknown=(row(),),
            marks=("widens", "both", "neither", "narrows", "cannot tell") * 2,
        ),
    )
    failed = Failure(device=word(), code="parse", message=word())
    return make_plan([device], INTENT), [failed]


# --- what steers, and what cannot be seen --------------------------------------------------------

#: One of each kind: control, C1, bidirectional, zero-width, tags, selectors, fillers, spaces.
MARKS = (
    *("\x00", "\x07", "\x08", "\x1b", "\r", "\x7f", "\x85", "\x9b", "\xa0", "\xad"),
    *("\u034f", "\u061c", "\u115f", "\u180e", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f"),
    *("\u2028", "\u2029", "\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2060", "\u2064"),
    *("\u2066", "\u2067", "\u2068", "\u2069", "\u206f", "\u3164", "\ue000", "\ufe0f", "\ufeff"),
    *("\uffa0", "\ufffb", "\U0001d173", "\U000e0001", "\U000e0041", "\U000e0100", "\ud800"),
)
#: Of the property Default_Ignorable_Code_Point, what is in no category of `steering`.
_UNSEEN = {
    *(0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, 0x180B, 0x180C, 0x180D, 0x180F),
    *range(0xFE00, 0xFE10),
    *range(0xE0000, 0xE1000),
}


#: What runners of pipelines take for commands in the log of a job.
COMMANDS = (
    *("::error::x", "::add-mask::a", "::stop-commands::x", "::set-output name=code::0"),
    *("##[error]x", "##[add-mask]a", "##vso[task.setvariable variable=a]b", "##teamcity[x]"),
)
_COMMANDS = re.compile(r"(?i)##(?:\[|vso\[|teamcity\[)|::(?:add|stop|set|save|error)-?")


def commanding(text: str) -> list[str]:
    """Return what of a text a runner would take for the beginning of a command."""
    return _COMMANDS.findall(text)


def steering(text: str) -> list[str]:
    """Return what of a text steers a terminal or cannot be seen; line ends and tabs do neither."""
    return [
        one
        for one in text
        if one not in " \n\t"
        and (
            unicodedata.category(one) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs"}
            or ord(one) in _UNSEEN
        )
    ]
