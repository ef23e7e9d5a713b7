"""The requirements as data: their sums, their names, and what judges them."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from segctl.evidence.assess import CHECKS
from segctl.evidence.requirements import FOUNDATIONS, chosen, requirements
from segctl.evidence.words import words
from segctl.model.errors import UsageError


def test_as_many_as_the_standard_has() -> None:
    every = requirements()
    assert len({one.id for one in every}) == len(every) == 100
    assert sum("RE" not in one.id for one in every) == 51
    assert [sum(one.sl <= level for one in every) for level in (1, 2, 3, 4)] == [37, 60, 90, 100]
    assert Counter(one.firewall for one in every) == {"full": 5, "partial": 69, "none": 26}
    assert {one.level for one in every} == set(FOUNDATIONS)


def test_what_firewalls_show_fully() -> None:
    full = [one.id for one in requirements() if one.firewall == "full"]
    assert full == ["SR 5.1", "SR 5.2", "SR 5.2 RE 1", "SR 5.3", "SR 5.3 RE 1"]
    assert {one.check for one in requirements() if one.firewall == "full"} <= CHECKS.keys()


def test_every_check_judges_a_requirement_of_which_firewalls_show_something() -> None:
    judged = {one.check for one in requirements() if one.firewall != "none"}
    assert CHECKS.keys() <= judged


def test_names_are_tokens_of_their_own() -> None:
    tokens = [one.token for one in requirements()]
    assert len(set(tokens)) == len(tokens)
    assert all(re.fullmatch(r"sr-\d\.\d+(-re\d)?", token) for token in tokens)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("5.3", ["SR 5.3", "SR 5.3 RE 1"]),
        ("SR 5.3", ["SR 5.3", "SR 5.3 RE 1"]),
        ("sr5.2re1", ["SR 5.2 RE 1"]),
        ("SR 5.2 RE 1", ["SR 5.2 RE 1"]),
        ("sr-5.2-re1", ["SR 5.2 RE 1"]),
        ("2.1", ["SR 2.1", "SR 2.1 RE 1", "SR 2.1 RE 2", "SR 2.1 RE 3", "SR 2.1 RE 4"]),
    ],
)
def test_they_are_chosen_by_any_usual_spelling(word: str, expected: list[str]) -> None:
    assert [one.id for one in chosen((word,))] == expected


def test_one_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="no such requirement"):
        chosen(("5.2", "SR 8.1"))


def test_all_without_words() -> None:
    assert chosen(()) == requirements()


def test_words_of_messages_are_not_among_those_that_carry_none() -> None:
    assert not words("messages").applications & words("plain").applications
    assert ("tcp", 25) in words("messages").ports
