"""A chain of entries: what is edited, removed, reordered or cut off shows; a torn line does not."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import resource
import signal
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.model.errors import JournalError
from segctl.system import chain
from segctl.system.chain import NOTHING, Chain, Head, add, head_file, head_of, linked, read_chain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

texts = st.text(max_size=4)
entries = st.lists(st.fixed_dictionaries({"event": texts, "device": texts}), max_size=4)


def whole(count: int) -> tuple[list[bytes], Head]:
    return linked(({"n": number} for number in range(count)), Head())


def kinds(found: Chain) -> list[str]:
    return [fault.kind for fault in found.faults]


def read(path: Path) -> Chain:
    noted = head_of(path)
    with path.open("rb") as stream:
        return read_chain(stream, [("the head", noted)] if noted else [])


@given(entries)
def test_what_was_written_is_read_and_has_no_fault(given_: list[dict[str, str]]) -> None:
    lines, head = linked(given_, Head())
    found = read_chain(lines, [("kept", head)] if lines else [])
    assert not found.faults
    assert not found.notes
    assert found.head == head
    own = {chain.SEQ, chain.PREV, chain.HASH}
    assert [{k: v for k, v in entry.items() if k not in own} for entry in found.entries] == given_


@given(st.integers(3, 9), st.data())
def test_any_edit_removal_or_exchange_shows(count: int, data: st.DataObject) -> None:
    lines, head = whole(count)
    at = data.draw(st.integers(0, count - 1))
    what = data.draw(st.sampled_from(["edit", "rehash", "remove", "swap", "repeat"]))
    changed = list(lines)
    if what == "edit":
        changed[at] = lines[at].replace(b'"n": ', b'"n": 1')
    elif what == "rehash":  # by somebody who knows how, and has no time for the rest
        entry: dict[str, Any] = json.loads(lines[at]) | {"n": 99}
        entry[chain.HASH] = chain.hash_of(entry)
        changed[at] = json.dumps(entry).encode() + b"\n"
    elif what == "remove":
        del changed[at]
    elif what == "swap":
        other = data.draw(st.integers(0, count - 1).filter(lambda one: one != at))
        changed[at], changed[other] = changed[other], changed[at]
    else:
        changed.insert(at, lines[at])
    found = read_chain(changed, [("kept", head)])
    assert found.faults


@given(st.integers(2, 9), st.data())
def test_a_tail_that_was_cut_off_shows_by_a_kept_head(count: int, data: st.DataObject) -> None:
    lines, head = whole(count)
    left = data.draw(st.integers(0, count - 1))
    assert kinds(read_chain(lines[:left])) == []  # which nothing in the file can show
    assert kinds(read_chain(lines[:left], [("kept", head)])) == ["truncated"]
    longer, _ = linked([{"n": "more"}], head)
    assert not read_chain([*lines, *longer], [("kept", head)]).faults  # it may have grown


def test_a_whole_other_chain_shows_by_a_kept_head() -> None:
    _, head = whole(3)
    other, _ = linked(({"n": number + 1} for number in range(4)), Head())
    assert kinds(read_chain(other)) == []
    assert kinds(read_chain(other, [("kept", head)])) == ["replaced"]


def test_each_fault_says_where_and_what() -> None:
    lines, _ = whole(6)
    found = read_chain([*lines[:2], *lines[4:]])
    (fault,) = found.faults
    assert (fault.kind, fault.line) == ("removed", 3)
    assert fault.message == "before it, entry 3 to 4 is missing"
    (fault,) = read_chain(lines[1:]).faults
    assert (fault.kind, fault.line) == ("removed", 1)
    found = read_chain([lines[0], b"scribble\n", lines[1]])
    assert [(one.kind, one.line) for one in found.faults] == [("unreadable", 2)]
    assert kinds(read_chain([lines[0], lines[2], lines[1]])) == ["removed", "reordered"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "journal.jsonl"


def test_entries_are_private_and_follow_from_each_other(path: Path) -> None:
    one = add(path, [{"n": 1}, {"n": 2}])
    two = add(path, [{"n": 3}])
    assert (one.seq, two.seq) == (2, 3)
    found = read(path)
    assert [entry["n"] for entry in found.entries] == [1, 2, 3]
    assert found.entries[0][chain.PREV] == NOTHING
    assert not found.faults
    assert found.head == two == head_of(path)
    for file in (path, head_file(path)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_entry_that_lacks_only_its_line_end_is_whole(path: Path) -> None:
    add(path, [{"n": 1}, {"n": 2}])
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert [entry["n"] for entry in read(path).entries] == [1, 2]
    add(path, [{"n": 3}])
    found = read(path)
    assert [entry["n"] for entry in found.entries] == [1, 2, 3]
    assert (found.faults, found.notes) == ((), ())


@pytest.mark.parametrize("cut", [1, 2, 45, 200, 284])
def test_a_line_that_a_dying_run_left_is_told_and_breaks_nothing(path: Path, cut: int) -> None:
    first = add(path, [{"n": 1}])
    (line,), _ = linked([{"n": "lost " * 20}], first)
    with path.open("ab") as stream:
        assert cut < len(line) - 1
        stream.write(line[:cut])
    found = read(path)
    assert not found.faults
    assert "incomplete" in found.notes[0]
    head = add(path, [{"n": 2}])
    found = read(path)
    assert not found.faults
    assert head.seq == 2
    assert [entry["n"] for entry in found.entries] == [1, 2]
    assert "as entry 2 says" in found.notes[0]


def test_a_line_that_no_entry_declares_is_a_fault(path: Path) -> None:
    add(path, [{"n": 1}])
    add(path, [{"n": 2}])
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b'{"half": \n' + second)
    assert kinds(read(path)) == ["unreadable"]


def test_nothing_is_added_after_an_edited_or_removed_end(path: Path) -> None:
    add(path, [{"n": 1}, {"n": 2}])
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"n": 2', b'"n": 3'))
    with pytest.raises(JournalError, match="damaged: its last entry, 2, was edited"):
        add(path, [{"n": 4}])
    path.write_bytes(data.splitlines(keepends=True)[0])
    with pytest.raises(
        JournalError, match=r"entry 2, which journal\.jsonl\.head names, is missing"
    ):
        add(path, [{"n": 4}])
    path.unlink()
    with pytest.raises(
        JournalError, match=r"entry 2, which journal\.jsonl\.head names, is missing"
    ):
        add(path, [{"n": 4}])
    path.write_bytes(data)
    assert add(path, [{"n": 4}]).seq == 3


def test_a_head_that_was_edited_is_told(path: Path) -> None:
    add(path, [{"n": 1}])
    head_file(path).write_text("7\n", encoding="ascii")
    with pytest.raises(JournalError, match="does not hold the head of a journal"):
        add(path, [{"n": 2}])


def _many(path: Path, name: str, count: int) -> None:
    for number in range(count):
        add(path, [{"who": name, "n": number}, {"who": name, "n": -number}])


def test_several_runs_write_one_chain(path: Path) -> None:
    spawned = multiprocessing.get_context("spawn")
    runs = [spawned.Process(target=_many, args=(path, name, 12)) for name in "abc"]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
        assert run.exitcode == 0
    found = read(path)
    assert not found.faults
    assert len(found.entries) == 3 * 24
    # entries of one write stay together
    pairs = zip(found.entries[::2], found.entries[1::2], strict=True)
    assert all((one["who"], -one["n"]) == (two["who"], two["n"]) for one, two in pairs)


def _endless(path: Path) -> None:
    number = 0
    while True:
        number += 1
        add(path, [{"n": number, "text": "x" * 500}])


@pytest.mark.parametrize("wait", [3, 11, 29])
def test_a_killed_run_leaves_a_chain_that_goes_on(path: Path, wait: int) -> None:
    run = multiprocessing.get_context("spawn").Process(target=_endless, args=(path,))
    run.start()
    while not path.exists() or path.read_bytes().count(b"\n") < wait:
        assert run.is_alive()
    assert run.pid is not None
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    before = read(path)
    assert not before.faults
    head = add(path, [{"n": "next"}])
    found = read(path)
    assert not found.faults
    assert found.head == head
    assert len(found.entries) == len(before.entries) + 1


def _too_large(path: Path, answer: Any) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 40, -1))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        add(path, [{"n": "x" * 500}])
    except JournalError as error:
        answer.put(str(error))


def test_a_write_that_fails_leaves_the_chain_as_it_was(path: Path) -> None:
    """A file system that takes a part of an entry and no more (RLIMIT_FSIZE)."""
    add(path, [{"n": 1}])
    data = path.read_bytes()
    spawned = multiprocessing.get_context("spawn")
    answer: Any = spawned.Queue()
    run = spawned.Process(target=_too_large, args=(path, answer))
    run.start()
    said = answer.get(timeout=60)
    run.join(60)
    assert f"cannot be written ({os.strerror(errno.EFBIG)})" in said
    assert path.read_bytes() == data


def test_long_entries_are_found_from_the_end(path: Path) -> None:
    for size in (10, 70_000, 200_000, 3):
        add(path, [{"text": "é" * size}])
    found = read(path)
    assert not found.faults
    assert [len(entry["text"]) for entry in found.entries] == [10, 70_000, 200_000, 3]


@pytest.mark.parametrize("text", ["", "0:sha256:" + "0" * 64, "1:sha256:0", "x", "1:" + "0" * 64])
def test_what_is_no_head_is_none(text: str) -> None:
    assert chain.read_head(text) is None


def test_a_head_comes_back() -> None:
    _, head = whole(3)
    assert chain.read_head(f" {head}\n") == head


def test_no_entries_are_no_faults() -> None:
    empty: Sequence[bytes] = ()
    assert read_chain(empty) == Chain()
