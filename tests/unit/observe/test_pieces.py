"""Files in pieces: cut between lines, and read elsewhere only where they are the same."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from segctl.observe.pieces import UnseenError, cut, refuse_unseen
from segctl.observe.sources import MAX_LINE, Source, Text
from support.records import RECORDS, logged, look

if TYPE_CHECKING:
    from pathlib import Path


def of(path: Path) -> Source:
    return Source(name=path.name, path=path)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "fw.log"
    path.write_text("".join(logged(seqno=str(100 + one)) for one in range(50)))
    return path


@pytest.mark.parametrize("size", [1, 500, 5000, 10**9])
def test_pieces_are_the_file(log: Path, size: int) -> None:
    pieces = cut(of(log), size)
    assert {1: 50, 10**9: 1}.get(size, len(pieces)) == len(pieces)
    lines = [line for piece in pieces for line in Text(piece.source).lines()]
    assert [line for line in lines if line] == log.read_text().splitlines()
    assert {piece.size for piece in pieces} == {log.stat().st_size}


@pytest.mark.parametrize("name", ["zeek-conn.log", "panos-log.xml", "nfdump.csv", "none"])
def test_what_is_not_read_line_by_line_stays_whole(tmp_path: Path, name: str) -> None:
    path = RECORDS / name
    if name == "none":
        path = tmp_path / "fw.log.gz"
        path.write_bytes(gzip.compress((RECORDS / "panos-releases.log").read_bytes()))
    (piece,) = cut(of(path), 10)
    assert not piece.source.part


def test_what_cannot_be_read_has_no_pieces(tmp_path: Path) -> None:
    archive = tmp_path / "logs.zip"
    archive.write_bytes(b"PK\x03\x04 and more")
    for source in (of(archive), of(tmp_path / "gone"), Source(name="-", path=None)):
        assert cut(source) == ()


def test_a_line_without_an_end_is_not_cut(log: Path) -> None:
    with log.open("a") as file:
        file.write("x" * (MAX_LINE + 10) + "\n" + logged(seqno="999"))
    last = cut(of(log), 1)[-1]
    assert last.source.last is None
    text = Text(last.source)
    assert [*text.lines()] == []
    assert "has more than" in text.problem


def test_a_long_line_is_told_wherever_it_begins(tmp_path: Path) -> None:
    """What follows it is not read, whether or not it ends within a block."""
    told: set[tuple[int, str]] = set()
    for lines in (1, 40, 1000):
        path = tmp_path / f"{lines}.log"
        first = "".join(logged(seqno=str(100 + one)) for one in range(lines))
        path.write_text(f"{first}{'x' * (MAX_LINE + 1)}\n{logged(seqno='99999')}")
        file = look(path).coverage.files[0]
        told.add((file.records - lines, file.problem))
    assert told == {(0, f"a line has more than {MAX_LINE:,} bytes: not text records")}


@pytest.mark.parametrize("change", ["gone", "longer", "other"])
def test_another_file_is_not_read_instead(log: Path, change: str) -> None:
    first, *_, last = cut(of(log), 500)
    refuse_unseen(first)
    refuse_unseen(last)
    text = log.read_text()
    match change:
        case "gone":
            log.unlink()
        case "longer":
            log.write_text(f"{text}{text}")
        case _:
            log.write_text(text.replace("10.20.2.5", "10.20.2.6"))
    for piece in (first, last):
        with pytest.raises(UnseenError, match="cannot be opened" if change == "gone" else "chang"):
            refuse_unseen(piece)
