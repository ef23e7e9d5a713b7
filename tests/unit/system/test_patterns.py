"""Patterns that read the texts of others take time in proportion to the text."""

from __future__ import annotations

import time
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest
from lxml import etree

from segctl.compiler.naming.objects import decode_several
from segctl.drift.history.store import opened
from segctl.inventory.patterns import split
from segctl.model.errors import HistoryError
from segctl.observe.coverage import FileTally
from segctl.observe.leases import leases_of
from segctl.observe.readers.json_objects import objects
from segctl.observe.sources import Source, Text
from segctl.providers.panos import containers, contents, filled, said, user_groups
from segctl.providers.panos.answers import told
from segctl.providers.panos.pushed import CONFIGURED, is_managed
from segctl.report.script_text import script_lines
from segctl.system.json_text import JsonError, read_json
from segctl.transports.cli_dialects import CISCO_ASA
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.observe.readers.base import Context

#: With quadratic time, so long a text takes more than ten times as long as is allowed.
LENGTH = 60_000
ALLOWED = 2.0


class Case(NamedTuple):
    """What reads a text, made of a beginning, then a part many times, and an end."""

    read: Callable[[str], object]
    begin: str
    part: str
    end: str = ""


def named(document: str) -> bool:
    return containers.are_named({"applications": b"", CONFIGURED[0]: document.encode()})


def excepted(body: str) -> object:
    return filled.in_use((f"<external-list><entry name='l'>{body}</external-list>".encode(), RULE))


def topdown(deviceconfig: str) -> bool:
    return contents.top_down({"deviceconfig": deviceconfig.encode()}, "")


def groups(answer: str) -> object:
    rules = b"<security><entry name='r'><source-user><member>u</member></source-user></entry>"
    return user_groups.ask(lambda _: answer.encode(), [rules + b"</security>"], "vsys1")


def lines(text: str) -> list[str]:
    return list(script_lines(text))


def managed(text: str) -> bool:
    return is_managed(text.encode())


def place(xpath: str) -> str:
    return said.request({"type": "config", "action": "get", "xpath": xpath})


def message(text: str) -> str:
    return told(etree.fromstring(f"<msg>a{text}b</msg>"))


def records(text: str) -> list[object]:
    context = cast("Context", SimpleNamespace(file=FileTally(name="records")))
    return [*objects(Text(Source(name="records", path=None, data=text.encode())), context)]


def history(address: str) -> None:
    with opened(Secret(address)):
        pass


RULE = b"<security><entry name='r'><source><member>l</member></source></entry></security>"
CASES = {
    "strings of JSON": Case(read_json, '"', ' \\"'),
    "an address in a name": Case(decode_several, "a.", "_", "!"),
    "a set of nftables": Case(lines, "a { ", ","),
    "brackets in a host pattern": Case(split, "", "["),
    "brackets after one that ends": Case(split, "a[1]", "["),
    "an application": Case(named, "", "<application>"),
    "an application group": Case(named, "", "<application-group>"),
    "blanks in a member": Case(named, "<members><member>", " ", "<x/></member></members>"),
    "members without an end": Case(named, "<members>", "<member ", "</members>"),
    "exceptions of a list": Case(excepted, "<type><ip>", "<exception-list>"),
    "a type without an end": Case(excepted, "", "<type "),
    "a managed firewall": Case(managed, "", "<panorama a"),
    "groups of users": Case(groups, "", "<"),
    "a setting": Case(topdown, "<wildcard-topdown-match-mode>", " "),
    "blanks in a message of a firewall": Case(message, "", " "),
    "a place in a transcript": Case(place, "", "["),
    "a name that a place does not end": Case(place, "", "['"),
    "names in a place": Case(place, "", "[@name='a"),
    "strings of a record": Case(records, '{"a": "', ' \\"'),
    "a record of many lines": Case(records, '{"a":\n"', '\\"\n'),
    "records that do not end": Case(records, "", '{"\n'),
    "the address of a history": Case(history, "sqlite:///", ":"),
    "blank lines of a lease file": Case(leases_of, "", "\n"),
    "leases without a block": Case(leases_of, "", "lease a\n"),
    "a message of an appliance": Case(CISCO_ASA.errors.fullmatch, "x", "not allowed"),
}


@pytest.mark.parametrize("name", CASES)
def test_time_is_in_proportion(name: str) -> None:
    case = CASES[name]
    text = case.begin + case.part * (LENGTH // len(case.part)) + case.end
    began = time.process_time()
    with suppress(ValueError, HistoryError):  # of which a JsonError is one
        case.read(text)
    assert time.process_time() - began < ALLOWED


def test_equal_keys_are_found_in_time_that_is_in_proportion() -> None:
    keys = [f'"{number}": 1' for number in range(LENGTH)]
    began = time.process_time()
    with pytest.raises(JsonError, match=f"the key '{LENGTH - 1}' occurs twice"):
        read_json("{" + ", ".join([*keys, keys[-1]]) + "}")
    assert time.process_time() - began < ALLOWED


def test_a_string_without_an_end_hides_no_depth() -> None:
    for text in ("[" * 200 + '"', '{"a":' * 200 + '"\\'):
        with pytest.raises(JsonError, match="deeper"):
            read_json(text)
    with pytest.raises(JsonError, match="Unterminated"):
        read_json('["a", "' + "[" * 200)


def test_brackets_without_an_end_separate_as_they_do_for_ansible() -> None:
    assert split("a[b") == ["a", "b"]
    assert split("a[1]b[c:d]e[f[g") == ["a[1]b[c:d]e", "f", "g"]
    assert split("[[") == []


def test_a_container_is_named_whatever_stands_around_it() -> None:
    for text in (
        "<application><member> c </member></application>",
        "<application a='1'><member b='2'>\n c</member></application>",
        "<application><member>c</member>",
    ):
        assert named(text)
    assert not named("<application><member>any</member></application>")
    group = "<application-group><entry name='c'/></application-group>"
    assert not named(f"{group}<application><member>c</member></application>")


def test_what_an_appliance_refuses_is_seen() -> None:
    assert CISCO_ASA.errors.fullmatch("x not allowed, not allowed: object is being used here")
    assert not CISCO_ASA.errors.fullmatch("object is being used, not allowed")
