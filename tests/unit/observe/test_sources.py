"""Files as they come: compressed, in folders, cut off, hostile, or none that segctl reads."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import UsageError
from segctl.observe.sources import MAX_LINE, Source, SourceError, Text, found
from support.records import RECORDS, groups, look

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAIN = RECORDS / "panos-releases.log"


@pytest.mark.parametrize(
    "packed", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"]
)
def test_compressed_files_say_the_same(packed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(packed(PLAIN.read_bytes()))
    assert groups(look(path)) == groups(look(PLAIN))


def test_an_xz_file_of_several_streams_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "two.xz"
    first, *rest = PLAIN.read_bytes().splitlines(keepends=True)
    path.write_bytes(lzma.compress(first) + bytes(4) + lzma.compress(b"".join(rest)))
    assert groups(look(path)) == groups(look(PLAIN))


def test_an_xz_file_gets_no_more_memory_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hungry.xz"
    path.write_bytes(lzma.compress(PLAIN.read_bytes(), preset=6))  # it wants 9 MB
    monkeypatch.setattr("segctl.observe.sources.XZ_MEMORY", 1 << 20)
    file = look(path).coverage.files[0]
    assert "Memory usage limit" in file.cut
    assert file.records == 0


def test_zstd_is_read_or_the_message_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + b"x" * 100)
    file = look(path).coverage.files[0]
    if find_spec("compression") is None:
        assert "zstd -d" in file.problem
    else:
        assert file.problem or file.cut


def test_a_truncated_archive_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    many = PLAIN.read_bytes() * 2000
    packed = gzip.compress(many)
    path.write_bytes(packed[: len(packed) // 2])
    file = look(path).coverage.files[0]
    assert file.cut == "the compressed file is cut off"
    assert file.records + file.duplicates > 100


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    path = tmp_path / "damaged.gz"
    packed = bytearray(gzip.compress(PLAIN.read_bytes() * 2000))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    assert look(path).coverage.files[0].cut


@pytest.mark.parametrize("packed", [gzip.compress, lzma.compress], ids=["gz", "xz"])
def test_a_decompression_bomb_ends_in_a_clear_error(
    packed: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "bomb"
    line = PLAIN.read_bytes().splitlines(keepends=True)[4]
    path.write_bytes(packed(line + (b"x" * 4095 + b"\n") * 8500))
    file = look(path).coverage.files[0]
    assert "decompression bomb" in file.problem
    assert file.records == 1


def test_a_line_without_an_end_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    path.write_bytes(PLAIN.read_bytes() + b"x" * (3 * MAX_LINE))
    file = look(path).coverage.files[0]
    assert "not text records" in file.problem
    assert file.records == 6


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDS.iterdir()))
@pytest.mark.parametrize("word", [" ", '"', "\\", "{", "src=1 ", "2026/11/02 08:00:00,"])
def test_a_line_of_a_megabyte_is_refused_in_time(name: str, word: str, tmp_path: Path) -> None:
    data = (RECORDS / name).read_text()
    path = tmp_path / "long"
    at = len(data) // 2
    path.write_text(data[:at] + word * (900_000 // len(word)) + data[at:])
    reading = look(path)  # a pattern of quadratic time would not come back
    assert reading.coverage.files[0].name == str(path)


def test_folders_are_walked_and_links_in_them_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "logs/below"
    folder.mkdir(parents=True)
    (folder / "b.log").write_bytes(PLAIN.read_bytes())
    (tmp_path / "logs/a.log").write_bytes(b"")
    (tmp_path / "logs/.hidden").write_bytes(PLAIN.read_bytes())
    (tmp_path / "logs/link.log").symlink_to(PLAIN)
    names = [source.name for source in found([str(tmp_path / "logs")])]
    assert names == [str(tmp_path / "logs/a.log"), str(folder / "b.log")]


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped:
        buffer = io.BytesIO(gzip.compress(PLAIN.read_bytes()))

    monkeypatch.setattr(sys, "stdin", Piped)
    text = Text(Source(name="-", path=None))
    assert list(text.lines()) == PLAIN.read_text().splitlines()


def test_what_does_not_exist_is_an_error() -> None:
    with pytest.raises(UsageError, match="no such file"):
        look(RECORDS / "absent.log")


def _zipped() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.log", PLAIN.read_text())
    return held.getvalue()


def _tarred() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        archive.add(PLAIN)
    return held.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (_zipped(), "zip archive"),
        (_tarred(), "tar archive"),
        (gzip.compress(_tarred()), "tar archive"),
        (gzip.compress(gzip.compress(PLAIN.read_bytes())), "compressed twice"),
        (b"\xd4\xc3\xb2\xa1" + bytes(60), "capture of packets"),
        (b"\x0c\xa5\x01\x00" + bytes(60), "nfdump"),
    ],
)
def test_files_that_hold_no_lines_say_what_they_are(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "any"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=said):
        Text(Source(name="any", path=path))
    assert said in look(path).coverage.files[0].problem


@pytest.mark.parametrize("text", ["", "\n\n", "hello\n", '{"a": 1}\n', "<a/>", "a,b,c\n1,2,3\n"])
def test_a_file_that_is_none_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "any"
    path.write_text(text)
    file = look(path).coverage.files[0]
    assert (file.format, file.records, bool(file.problem)) == ("", 0, True)


def test_bytes_that_are_no_text_are_shown_as_escapes(tmp_path: Path) -> None:
    path = tmp_path / "latin.log"
    path.write_bytes(PLAIN.read_bytes().replace(b",poll,", b",p\xf6ll,"))
    assert {group.rule for group, _ in groups(look(path))} == {"p\\xf6ll"}


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDS.iterdir()))
def test_the_format_is_found_by_what_a_file_says(name: str, tmp_path: Path) -> None:
    path = tmp_path / "renamed"
    path.write_bytes((RECORDS / name).read_bytes())
    first, _, _ = name.partition(".")
    kind, _, _ = first.partition("-")
    formats = {
        "panos": "PAN-OS",
        "zeek": "Zeek",
        "suricata": "Suricata",
        "nfdump": "nfdump",
        "conntrack": "conntrack",
        "netfilter": "netfilter log",
        "ulogd": "ulogd JSON",
    }
    assert look(path).coverage.files[0].format.startswith(formats[kind])
