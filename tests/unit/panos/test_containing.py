"""What is sent to contain: never for ever, never without a filter."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from segctl.compiler import naming
from segctl.providers.containing import LiveSession
from segctl.providers.panos.contained import pages, read
from segctl.providers.panos.containing import LONGEST, clear_command, message
from segctl.providers.panos.wire import is_write

ADDRESSES = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address)
)
NUMBERS = st.integers(-5, 70000)


@given(
    source=ADDRESSES,
    destination=ADDRESSES,
    protocol=NUMBERS,
    ports=st.tuples(NUMBERS, NUMBERS),
    word=st.text(max_size=20),
)
def test_no_session_is_ended_without_a_whole_filter(
    source: IPv4Address,
    destination: IPv4Address,
    protocol: int,
    ports: tuple[int, int],
    word: str,
) -> None:
    one = LiveSession(
        source=source,
        destination=destination,
        protocol=protocol,
        source_port=ports[0],
        destination_port=ports[1],
        application=word,
        rule=word,
    )
    try:
        command = clear_command(one)
    except ValueError:
        assert not (0 < protocol < 256 and all(0 < port < 65536 for port in ports))
        return
    root = etree.fromstring(command)
    assert [node.tag for node in root.iter()][:4] == ["clear", "session", "all", "filter"]
    words = {str(node.tag): node.text or "" for node in root.iterfind("session/all/filter/*")}
    assert {ip_address(words["source"]), ip_address(words["destination"])} == {source, destination}
    assert words["protocol"] == str(protocol)
    assert (words["source-port"], words["destination-port"]) == tuple(map(str, ports))
    assert len(words) == 5
    assert is_write({"type": "op", "cmd": command})


@given(seconds=st.integers(-10, LONGEST + 10), persistent=st.booleans())
def test_nothing_is_registered_for_ever(seconds: int, persistent: bool) -> None:  # noqa: FBT001 - drawn
    if not 0 < seconds <= LONGEST:
        with pytest.raises(ValueError, match=str(seconds)):
            message("register", ["10.0.0.1"], ["a"], seconds=seconds)
        return
    text = message("register", ["10.0.0.1"], ["a", "b"], seconds=seconds, persistent=persistent)
    root = etree.fromstring(text)
    assert {one.get("timeout") for one in root.iter("member")} == {str(seconds)}
    assert {one.get("persistent") for one in root.iter("entry")} == {str(int(persistent))}
    assert is_write({"type": "user-id", "cmd": text})


@given(
    by=st.text(max_size=60),
    why=st.text(max_size=200),
    seconds=st.integers(0, 4_000_000_000),
    number=st.integers(0, 2**32 - 1),
)
def test_a_note_is_read_back_and_fits_a_tag(by: str, why: str, seconds: int, number: int) -> None:
    note = naming.ContainedNote(
        until=datetime.fromtimestamp(seconds, UTC), id=f"{number:08x}", by=by, why=why
    )
    word = naming.encode_contained(note)
    assert len(word) <= 127
    found = naming.decode_contained(word)
    assert found is not None
    assert (found.until, found.id) == (note.until, note.id)
    assert naming.encode_contained(found) == word


def test_pages_are_read_to_their_end() -> None:
    asked: list[str] = []

    def page(command: str) -> etree._Element:  # pyright: ignore[reportPrivateUsage] - lxml has no public name for it
        start = int(etree.fromstring(command).findtext(".//start-point") or 0)
        asked.append(command)
        rows = "".join(
            f"<entry ip='10.0.{number // 250}.{number % 250}'><tag><member>segctl-contained"
            "</member></tag></entry>"
            for number in range(start, min(start + 500, 751))
        )
        return etree.fromstring(f"<response status='success'><result>{rows}</result></response>")

    assert len(pages(page, "fw1")) == 750
    assert len(asked) == 2


def test_a_file_instead_of_entries_is_no_answer() -> None:
    root = etree.fromstring(
        "<response status='success'><result><msg><line><outfile>/tmp/x</outfile></line></msg>"
        "</result></response>"
    )
    with pytest.raises(Exception, match="file instead"):
        read(root, "fw1")
