"""Files as they come: compressed, in folders, cut off, hostile, or none that segctl reads."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import sys
import tarfile
import zipfile
from importlib import import_module
from subprocess import run
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import UsageError
from segctl.observe.coverage import MOST_OTHERS, MOST_WITNESSES
from segctl.observe.sources import MAX_LINE, Source, SourceError, Text, found
from support.records import RECORDS, groups, look

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAIN = RECORDS / "panos-releases.log"
ZSTD = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


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
    for padding in (4, 1 << 16, 3 << 20):  # longer than what is read at once
        path.write_bytes(lzma.compress(first) + bytes(padding) + lzma.compress(b"".join(rest)))
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


def test_zstd_says_the_same_in_one_frame_or_several(tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    first, *rest = PLAIN.read_bytes().splitlines(keepends=True)
    two = ZSTD.compress(first) + ZSTD.compress(b"".join(rest))
    for packed in (ZSTD.compress(PLAIN.read_bytes()), two):
        path.write_bytes(packed)
        assert groups(look(path)) == groups(look(PLAIN))


def test_a_zstd_file_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "records"
    first, *rest = PLAIN.read_bytes().splitlines(keepends=True)
    whole = ZSTD.compress(first) + ZSTD.compress(b"".join(rest))
    path.write_bytes(whole[:-9])
    assert look(path).coverage.files[0].cut == "the compressed file is cut off"
    path.write_bytes(ZSTD.compress(first * 3000) + b"x" * 100)
    file = look(path).coverage.files[0]
    assert file.cut.startswith("it cannot be read to its end")
    assert 2000 < file.records + file.duplicates <= 3000
    path.write_bytes(b"\x28\xb5\x2f\xfd" + b"x" * 100)
    file = look(path).coverage.files[0]
    assert file.problem or file.cut
    assert file.records == 0


def test_zstd_without_its_library_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records"
    path.write_bytes(ZSTD.compress(PLAIN.read_bytes()))
    for name in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    file = look(path).coverage.files[0]
    assert "segctl[zstd]" in file.problem
    assert "zstd -d" in file.problem


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
@pytest.mark.parametrize("word", [" ", '"', ' \\"', "\\", "{", "src=1 ", "2026/11/02 08:00:00,"])
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


# --- what hides records ---------------------------------------------------------------------------


def test_pipes_give_all_they_hold(tmp_path: Path) -> None:
    """As of a shell's <(zcat a.gz): what was read to see what it is does not come again."""
    lines = PLAIN.read_bytes().splitlines(keepends=True)
    pipes = [tmp_path / "one", tmp_path / "two", tmp_path / "zipped"]
    held = [b"".join(lines[:3]), b"".join(lines[3:]), _zipped()]
    for pipe in pipes:
        os.mkfifo(pipe)
    writers = [
        Thread(target=pipe.write_bytes, args=(data,), daemon=True)
        for pipe, data in zip(pipes, held, strict=True)
    ]
    for writer in writers:
        writer.start()
    reading = look(*pipes)
    for writer in writers:
        writer.join()
    assert groups(reading) == groups(look(PLAIN))
    assert [one.records for one in reading.coverage.files] == [3, 3, 0]
    assert "zip archive" in reading.coverage.files[2].problem


def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path) -> None:
    """A path that is too long cannot, whoever asks; neither can one that is not permitted."""
    (tmp_path / "a.log").write_bytes(PLAIN.read_bytes())
    top = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("n" * 250, dir_fd=top)
        below = os.open("n" * 250, os.O_RDONLY, dir_fd=top)
        os.close(top)
        top = below
    os.close(top)
    files = {one.name: one for one in look(tmp_path).coverage.files}
    (lost,) = files.keys() - {str(tmp_path / "a.log")}
    assert "nnn" in lost
    assert files[lost].problem == "it cannot be opened: File name too long"


LOGS = (
    "<response status='success'><result><log><logs count='{}'>{}</logs></log></result></response>"
)


def _entry() -> str:
    whole = (RECORDS / "panos-log.xml").read_text()
    return whole[whole.index("<entry") : whole.index("</entry>")] + "</entry>"


#: A process of its own, since a peak never falls; what getrusage tells is inherited.
PEAK = """
import sys
from pathlib import Path
from segctl.observe.reading import ReadOptions, read
file = read(sys.argv[1:], ReadOptions(now=2e9)).coverage.files[0]
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) >> 10, file.records, file.problem)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is told by Linux")
@pytest.mark.parametrize(
    ("junk", "problem"),
    [
        ("<x/>", "without a whole <entry>"),
        (f"<entry>{'<x/>' * 5_000_000}", "without a whole <entry>"),
        (f"<logs><entry/>{'<x/>' * 500}</logs>", ""),
    ],
    ids=["elements", "one entry", "many lists"],
)
def test_xml_takes_bounded_memory(junk: str, problem: str, tmp_path: Path) -> None:
    """A byte of XML takes thirty in memory, as long as nothing of it is forgotten."""
    path = tmp_path / "logs.xml"
    path.write_text(LOGS.format(1, _entry() + junk * ((20 << 20) // len(junk))))
    words = [sys.executable, "-c", PEAK, str(path)]
    peak, records, *said = run(words, check=True, capture_output=True, text=True).stdout.split()
    assert int(peak) < 300
    assert records == "1"
    assert problem in " ".join(said)


def test_xml_with_a_dtd_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "logs.xml"
    dtd = "<!DOCTYPE r [<!ENTITY rule 'poll'>]>"
    path.write_text(f"<?xml version='1.0'?>{dtd}{LOGS.format(1, _entry())}")
    file = look(path).coverage.files[0]
    assert (file.records, file.problem) == (0, "it has a DTD, as no records of a device do")


def test_a_refused_record_does_not_hide_that_others_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "logs.xml"
    broken = _entry().replace("<src>10.20.2.5</src>", "<src>nowhere</src>").replace("1001", "1002")
    path.write_text(LOGS.format(7, _entry() + broken))
    file = look(path).coverage.files[0]
    assert (file.records, file.refused) == (1, 1)
    assert file.cut == "it says that it has 7 records, and has 2"


def test_witnesses_that_are_made_up_are_refused_and_said(tmp_path: Path) -> None:
    path = tmp_path / "flood.log"
    line = PLAIN.read_text().splitlines()[4]
    made = [line.replace("0123TEST01", f"S{number:05}") for number in range(MOST_WITNESSES + 3)]
    path.write_text("\n".join(made) + "\n")
    reading = look(path)
    assert len(reading.coverage.witnesses) == MOST_WITNESSES
    assert reading.coverage.records == MOST_WITNESSES
    (refused,) = reading.coverage.files[0].refusals
    assert (refused.count, refused.line) == (3, MOST_WITNESSES + 1)
    assert "made up" in refused.why


def test_witnesses_of_records_without_a_name_for_them_are_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    flow = json.loads((RECORDS / "suricata-eve.json").read_text().splitlines()[2])
    made = [{**flow, "host": f"s{number}", "flow_id": number} for number in range(10_050)]
    path.write_text("\n".join(map(json.dumps, made)) + "\n")
    reading = look(path)
    assert len(reading.coverage.witnesses) == MOST_WITNESSES
    assert reading.coverage.refused == 50


def test_types_of_other_records_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "types.xml"
    made = [_entry().replace("TRAFFIC", f"T{number}") for number in range(500)]
    path.write_text(LOGS.format(500, "".join(made)))
    others = dict(look(path).coverage.files[0].others)
    assert len(others) == MOST_OTHERS + 1
    assert others["of further types"] == 500 - MOST_OTHERS


def test_a_name_that_cannot_be_looked_at_is_an_error() -> None:
    with pytest.raises(UsageError, match="it cannot be looked at"):
        look(RECORDS / ("n" * 300))
