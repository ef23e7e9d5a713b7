"""Words that accepted drift is bound to: a baseline's fingerprint is made of them.

Whoever rewords one makes every baseline that accepts it invalid. They stand here as the release
before had them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import segctl

NFTABLES = Path(segctl.__file__).parent / "providers/nftables"
WORDS = {
    "foreign.py": (
        "takes connections past ",
        "mark that are segctl's (0x{MASK:08x}): they say which rule has judged it",
        "has rules of iptables that this nft does not show: whether ",
    ),
    "kept.py": (
        "at boot cannot be told: the host ",
        "at boot: no unit that is enabled names it, and ",
    ),
    "interpret.py": (
        "chain {name} is not as segctl writes it",
        "counter {name} is not as segctl writes it",
        '"not as segctl writes it"',
    ),
}


@pytest.mark.parametrize("module", WORDS)
def test_words_that_baselines_hold_stay(module: str) -> None:
    text = (NFTABLES / module).read_text("utf-8")
    for words in WORDS[module]:
        assert words in text
