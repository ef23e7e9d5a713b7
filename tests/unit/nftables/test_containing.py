"""Elements of timed sets: how they are written, and how listings of them are read."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.compiler import naming
from segctl.model.addresses import interval
from segctl.model.errors import ApplyError, ConnectError, DeviceError, ParseError
from segctl.providers.containing import LiveSession
from segctl.providers.nftables.containing import LONGEST, HostCell, added, members
from segctl.providers.nftables.document import steady
from segctl.providers.nftables.kept import digest
from segctl.providers.nftables.listing import read_table
from segctl.transports.ssh_exec import Answer

NOTE = naming.ContainedNote(
    until=datetime(2026, 11, 30, 18, tzinfo=UTC), id="3f9a12c4", by="alice", why="ransom"
)
COMMENT = "segctl-note.20261130T180000Z.3f9a12c4.alice.ransom"


def listing(name: str, *elements: Any) -> str:
    held = {"family": "inet", "table": "segctl", "name": name, "type": "ipv4_addr"}
    return json.dumps({"nftables": [{"set": {**held, "elem": list(elements)}}]})


def element(value: Any, **more: Any) -> Any:
    return {"elem": {"val": value, **more}}


@given(st.text(), st.text(), st.integers(1, LONGEST))
def test_whatever_somebody_writes_is_one_command_on_one_element(
    by: str, why: str, seconds: int
) -> None:
    note = naming.ContainedNote(until=NOTE.until, id="3f9a12c4", by=by, why=why)
    text = added("10.0.0.5", note, seconds)
    match = re.fullmatch(
        r"create element inet segctl contained4 "
        r'\{ 10\.0\.0\.5 timeout ([0-9]+)s comment "([0-9A-Za-z._-]{1,127})" \}\n',
        text,
    )
    assert match is not None
    assert int(match[1]) == seconds
    assert naming.decode_contained(match[2]) is not None


@pytest.mark.parametrize("seconds", [0, -1, LONGEST + 1])
def test_nobody_is_contained_without_an_end(seconds: int) -> None:
    with pytest.raises(ValueError, match=str(seconds)):
        added("10.0.0.5", NOTE, seconds)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("10.0.0.5", "contained4"),
        ("10.0.0.0/24", "contained4_nets"),
        ("fd00::5", "contained6"),
        ("::/0", "contained6_nets"),
    ],
)
def test_each_kind_of_address_has_its_set(address: str, name: str) -> None:
    assert f" {name} {{ {address} " in added(address, NOTE, 60)


def test_members_are_read_with_what_is_noted() -> None:
    text = listing(
        "contained4_nets",
        element("10.0.0.5", timeout=7200, expires=7000, comment=COMMENT),
        element({"prefix": {"addr": "10.1.0.0", "len": 24}}, timeout=60, expires=1),
        element({"range": ["10.2.0.0", "10.2.0.5"]}, comment="by hand"),
        "10.0.0.7",
    )
    held = members(text)
    assert [one.address for one in held] == [
        "10.0.0.5",
        "10.1.0.0/24",
        "10.2.0.0-10.2.0.5",
        "10.0.0.7",
    ]
    assert [one.note for one in held] == [NOTE, None, None, None]
    assert all(one.enforced for one in held)


def test_who_is_contained_changes_no_digest() -> None:
    empty, full = (listing("contained4", *some) for some in ((), (element("10.0.0.5"),)))
    assert digest(read_table(empty)) == digest(read_table(full))
    other, more = (listing("a4_x", *some) for some in ((), ("10.0.0.5",)))
    assert digest(read_table(other)) != digest(read_table(more))


def test_the_time_that_is_left_is_not_what_a_document_says() -> None:
    early, late = (
        json.dumps({"table": listing("contained4", element("10.0.0.5", expires=left))}).encode()
        for left in (7000, 6)
    )
    assert steady(early) == steady(late)


# --- a host --------------------------------------------------------------------------------------


class Host:
    """The far end: answers of commands, and the transactions that came."""

    def __init__(self, answers: dict[str, Answer], written: Answer | None = None) -> None:
        self.answers = answers
        self.written = written or Answer(code=0, out="", err="")
        self.came: list[str] = []

    def shown(self, command: str) -> Answer:
        fitting = (answer for words, answer in self.answers.items() if words in command)
        return next(fitting, Answer(code=0, out='{"nftables": []}', err=""))

    def write(self, text: str) -> Answer:
        self.came.append(text)
        return self.written

    @property
    def cell(self) -> HostCell:
        return HostCell(name="gw1", shown=self.shown, write=self.write, failed=failed)


def failed(what: str, answer: Answer) -> DeviceError:
    return ConnectError("gw1", f"{what}: {answer.err}")


def out(text: str) -> Answer:
    return Answer(code=0, out=text, err="")


ABSENT = "Error: No such file or directory\n"


def test_only_those_with_a_note_of_ours_are_let_go() -> None:
    held = out(
        listing(
            "contained4",
            element("10.0.0.5", comment=COMMENT),
            element("10.0.0.6", comment="by hand"),
            element("10.0.0.8", comment=COMMENT),
        )
    )
    host = Host({"contained4": held})
    host.cell.release(("10.0.0.5", "10.0.0.6"))
    assert set(host.came) == {"delete element inet segctl contained4 { 10.0.0.5 }\n"}


@pytest.mark.parametrize(
    "said",
    ["Error: Could not process rule: No such file or directory", "Error: element does not exist"],
)
def test_one_that_went_meanwhile_is_let_go(said: str) -> None:
    held = out(listing("contained4 ", element("10.0.0.5", comment=COMMENT)))
    held = out(held.out.replace("contained4 ", "contained4"))
    Host({"contained4": held}, Answer(code=1, out="", err=said)).cell.release(("10.0.0.5",))
    with pytest.raises(ConnectError, match="releasing"):
        Host({"contained4": held}, Answer(code=1, out="", err="Error: x")).cell.release(
            ("10.0.0.5",)
        )


@pytest.mark.parametrize(
    "said", ["Error: Could not process rule: File exists", "Error: interval overlaps with an ex"]
)
def test_what_is_there_is_refused(said: str) -> None:
    host = Host({}, Answer(code=1, out="", err=said))
    with pytest.raises(ApplyError, match="somebody contains"):
        host.cell.hold(("10.0.0.0/24",), NOTE, 60, persistent=True)


def test_all_or_none_are_contained() -> None:
    host = Host({})
    host.cell.hold(("10.0.0.5", "fd00::5"), NOTE, 60, persistent=True)
    (text,) = host.came
    assert text.count("create element") == 2


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (out("{"), ParseError, "not understood"),
        (out('{"nftables": [{"set": {"name": "contained6", "elem": [{"elem": {}}]}}]}'),
         ParseError, "not understood"),
        (out('{"nftables": [{"set": {"name": "contained6", "elem": ["nobody"]}}]}'),
         ParseError, "not understood"),
        (Answer(code=1, out="", err=ABSENT), ParseError, "nothing is prepared"),
        (Answer(code=1, out="", err="sudo: a password"), ConnectError, "listing set contained6"),
    ],
)  # fmt: skip
def test_an_answer_that_is_damaged_is_no_answer(
    answer: Answer, error: type[DeviceError], said: str
) -> None:
    with pytest.raises(error, match=said):
        Host({"contained6 ": answer, "contained6": answer}).cell.held()


LINES = """\
tcp      6 431999 ESTABLISHED src=10.0.0.5 dst=192.0.2.1 sport=40001 dport=502 src=10.1.0.1 \
dst=10.0.0.5 sport=502 dport=40001 [ASSURED] mark=65536 use=1
udp      17 29 src=10.0.0.6 dst=10.1.0.1 sport=5 dport=53 [UNREPLIED] src=10.1.0.1 dst=10.0.0.6 \
sport=53 dport=5 mark=0 use=1
icmp     1 29 src=10.0.0.5 dst=10.1.0.2 type=8 code=0 id=7 src=10.1.0.2 dst=10.0.0.5 type=0 \
code=0 id=7 mark=0 use=1
"""


def test_connections_are_those_of_the_address_and_of_whom_it_really_asks() -> None:
    found = Host({"-f ipv4": out(LINES)}).cell.sessions(interval("10.0.0.5"))
    first, second = found
    assert isinstance(first, LiveSession)
    assert str(first) == "10.0.0.5:40001 → 10.1.0.1:502"
    assert (first.protocol, second.protocol, second.destination_port) == (6, 1, 0)


@pytest.mark.parametrize("answer", [out("not a connection\n"), Answer(code=1, out="", err="no")])
def test_a_list_of_connections_that_is_none(answer: Answer) -> None:
    with pytest.raises(ParseError, match="list"):
        Host({"conntrack": answer}).cell.sessions(interval("10.0.0.5"))
