"""Texts of errors that nobody foresaw, without secrets."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.fleet import internal
from segctl.transports.credentials import Secret
from segctl.transports.masking import masked

URL = "https://robot:p%40ss-4711@chat.invalid/hooks/T0-B1?token=4712-x"


@settings(deadline=None)
@given(st.text(min_size=6).filter(lambda text: not set(text) <= set("* ")))
def test_a_secret_that_is_held_is_masked_in_every_spelling(text: str) -> None:
    held = Secret(text)
    spelled = json.dumps(text, ensure_ascii=False)
    for form in (text, repr(text), json.dumps(text), spelled, quote_plus(text, errors="replace")):
        assert text not in masked(f"<{form}>", {})
    assert held.reveal() == text


@pytest.mark.parametrize(
    "name",
    [
        *("SEGCTL_PASSWORD", "SEGCTL_PASSWORD_FW1", "SEGCTL_SIGN_PASSWORD", "SEGCTL_WEBHOOK"),
        *("SEGCTL_PUSHGATEWAY_PASSWORD", "SEGCTL_PUSHGATEWAY_TOKEN", "SEGCTL_HISTORY"),
    ],
)
def test_a_secret_of_the_environment_is_masked(name: str) -> None:
    assert masked("got hunter2!", {name: "hunter2"}) == "got ***!"


@pytest.mark.parametrize(
    "form",
    ["a<b>&\"c\"-it's", "a&lt;b&gt;&amp;&quot;c&quot;-it&#x27;s", "a&lt;b&gt;&amp;\"c\"-it's",
     "a<b>&\"c\"-it\\'s", "a<b>&\\\"c\\\"-it's"],
)  # fmt: skip
def test_a_secret_is_masked_as_xml_and_longer_texts_spell_it(form: str) -> None:
    assert masked(f"<{form}>", {"SEGCTL_PASSWORD": 'a<b>&"c"-it\'s'}) == "<***>"


def test_what_inventory_plugins_are_handed_is_masked() -> None:
    env = {"SEGCTL_CHILD_VARIABLES": "TOKEN DEBUG GONE", "TOKEN": "t0k3n-4711", "DEBUG": "1"}
    assert masked("1: no access with t0k3n-4711", env) == "1: no access with ***"


@pytest.mark.parametrize("name", ["SEGCTL_PASSWORD_FILE", "SEGCTL_USER", "SEGCTL_HISTORY_TIMEOUT"])
def test_what_is_no_secret_stays(name: str) -> None:
    assert masked("got hunter2!", {name: "hunter2"}) == "got hunter2!"


@pytest.mark.parametrize(
    "part", [URL, "p%40ss-4711", "p@ss-4711", "hooks/T0-B1", "4712-x", "token=4712-x"]
)
def test_each_part_of_an_address_that_can_be_a_secret_is_masked(part: str) -> None:
    assert masked(f"<{part}>", {"SEGCTL_WEBHOOK": URL}) == "<***>"


@pytest.mark.parametrize("part", ["hooks/T0-B1", "4712-x", "services/T2", "T2-x"])
def test_each_of_several_addresses_is_masked(part: str) -> None:
    urls = f"{URL} https://b.invalid/services/T2\nhttps://c.invalid/?T2-x"
    assert masked(f"<{part}>", {"SEGCTL_WEBHOOK": urls}) == "<***>"


def test_of_two_secrets_the_longer_leaves_nothing() -> None:
    env = {"SEGCTL_PASSWORD": "abc", "SEGCTL_PASSWORD_FW1": "abcdef"}
    assert masked("abcdef abc", env) == "*** ***"


def test_a_secret_that_is_gone_is_not_kept() -> None:
    assert masked("one equal to it stays", {}) == "one equal to it stays"
    held, equal = Secret("equal-4711"), Secret("equal-4711")
    del held
    assert masked("equal-4711", {}) == "***"
    del equal
    assert masked("equal-4711", {}) == "equal-4711"


def test_a_defect_of_one_device_does_not_break_the_work_for_others() -> None:
    """A search through all objects breaks tuples that other threads are just making."""
    ended = Event()

    def work() -> int:
        count = 0
        while not ended.is_set():
            count += len(tuple((number,) for number in range(40)))
        return count

    held = Secret("canary-0815")
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(3) as pool:
            others = [pool.submit(work) for _ in range(3)]
            for _ in range(300):
                assert masked(held.reveal(), {}) == "***"
            ended.set()
            assert all(other.result() for other in others)
    finally:
        ended.set()
        sys.setswitchinterval(before)


def test_a_defect_of_a_device_repeats_no_secret() -> None:
    held = Secret("canary-0815")
    assert "canary" not in internal(ValueError(held.reveal()))
    assert "ValueError: ***" in internal(ValueError(held.reveal()))
