"""A firewall's configuration log: which of its lines is about which item, and which count."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from segctl.fleet.tasks import Asking
from segctl.model.errors import ConnectError, ParseError
from segctl.providers.panos.configlog import PAGE, Entry, authors, read_log, steps_of, wanted
from segctl.providers.panos.location import Location
from segctl.transports.credentials import Secret
from segctl.transports.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
RULE = f"{VSYS}/rulebase/security/rules/entry[@name='a b']"
ITEM = wanted(Location(name="vsys1"), "rule", ["a b"])
TARGET = Target(name="fw1", host="fw1", user="segctl", password=Secret("x"), timeout=0.0)


def line(
    xpath: str = RULE,
    admin: str = "ana",
    command: str = "edit",
    result: str = "Succeeded",
    words: str = "",
) -> Entry:
    return Entry(
        admin=admin,
        time="t",
        command=command,
        client="Web",
        host="h",
        result=result,
        steps=steps_of(xpath),
        words=words,
    )


_OK = b'<response status="success"><result>%s</result></response>'
COMMIT = line("", admin="ben", command="commit", result="Submitted")


def who(*lines: Entry, **values: list[tuple[str, str]]) -> str | None:
    (found,) = authors(lines, [ITEM], user="segctl", **values)
    return None if found is None else found.admin


def test_steps_end_where_an_xpath_is_no_longer_plain() -> None:
    assert steps_of('/config/shared/tag/entry[@name="it\'s"]/color') == (
        ("config", ""),
        ("shared", ""),
        ("tag", ""),
        ("entry", "it's"),
        ("color", ""),
    )
    assert steps_of("/a/member[text()='x']/b") == (("a", ""), ("member", ""))
    assert steps_of("nothing") == ()


@pytest.mark.parametrize(
    ("xpath", "command", "about"),
    [
        (RULE, "set", True),
        (f"{RULE}/application", "edit", True),
        (f"{RULE}/application/member[text()='ssl']", "delete", True),
        (RULE.replace("a b", "a"), "edit", False),
        (RULE.replace("security", "nat"), "edit", False),
        (RULE.replace("vsys1", "vsys2"), "edit", False),
        (RULE.rpartition("/")[0], "delete", True),
        (RULE.rpartition("/")[0], "edit", True),
        (RULE.rpartition("/")[0], "set", False),
        ("/config", "edit", False),
    ],
)
def test_what_a_line_is_about(*, xpath: str, command: str, about: bool) -> None:
    assert (who(COMMIT, line(xpath, command=command)) == "ana") is about


def test_a_place_in_words_must_be_the_very_one() -> None:
    here = "vsys vsys1 rulebase security rules a b"
    assert who(COMMIT, line("", words=here)) == "ana"
    assert who(COMMIT, line("", words=f"{here} c")) is None
    assert who(COMMIT, line("", words="")) is None


def test_only_what_is_live_counts() -> None:
    assert who(line()) is None
    assert who(line(admin="carl"), COMMIT, line()) == "ana"
    assert who(COMMIT, line(admin="carl", result="Failed"), line()) == "ana"
    assert who(COMMIT, line(admin="carl", result="Unauthorized"), line()) == "ana"
    staged = [("carl", f"{RULE}/source")]
    assert who(COMMIT, line(admin="carl"), line(), pending=staged) == "ana"
    assert who(COMMIT, line(admin="carl"), line(), pending=[("dora", RULE)]) == "carl"


def test_the_newest_line_wins_and_no_more_are_read() -> None:
    def lines() -> Iterator[Entry]:
        yield COMMIT
        yield line(admin="new")
        pytest.fail("read on")

    (found,) = authors(lines(), [ITEM], user="new")
    assert found is not None
    assert (found.admin, found.own) == ("new", True)


def answers(*pages: int, busy: int = 0) -> Callable[[Mapping[str, str]], bytes]:
    """Return a device with pages of so many lines; each job is busy a number of times first."""
    jobs: list[str] = []
    asked: list[int] = []

    def ask(params: Mapping[str, str]) -> bytes:
        if "action" not in params:
            jobs.append(params["skip"])
            return _OK % b"<job>1</job>"
        asked.append(1)
        if len(asked) <= busy:
            return _OK % b"<job><status>ACT</status></job>"
        count = pages[len(jobs) - 1]
        assert int(jobs[-1]) == (len(jobs) - 1) * PAGE
        rows = (
            b"<entry><admin>ana</admin><time_generated>2026/11/22 10:00:00</time_generated></entry>"
        )
        logs = b"<log><logs>" + rows * count + b"</logs></log>"
        return _OK % (b"<job><status>FIN</status></job>" + logs)

    return ask


def test_the_log_is_read_page_by_page_and_not_without_end() -> None:
    assert len(list(read_log(TARGET, answers(PAGE, 3)))) == PAGE + 3
    assert len(list(read_log(TARGET, answers(*[PAGE] * 9), most=2 * PAGE))) == 2 * PAGE
    (first, *_) = read_log(TARGET, answers(1))
    assert (first.admin, first.time) == ("ana", "2026-11-22 10:00:00")


def test_a_log_that_does_not_answer() -> None:
    with pytest.raises(ConnectError, match="segctl_timeout"):
        list(read_log(TARGET, answers(0, busy=99)))
    refused = b'<response status="error" code="17"><msg><line>no such type</line></msg></response>'
    with pytest.raises(ParseError, match="no such type"):
        list(read_log(TARGET, lambda _params: refused))


def test_what_is_asked_travels() -> None:
    asking = Asking(
        device="fw1",
        platform="panos",
        scope="vsys1",
        items=(("rule", ("a",)),),
        connection={"ansible_host": "h"},
    )
    assert pickle.loads(pickle.dumps(asking)) == asking
