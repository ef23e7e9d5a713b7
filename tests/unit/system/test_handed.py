"""A file that does not end, or is larger than any of its kind, is refused and not read whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segctl.drift.baseline import read_baseline
from segctl.evidence.decisions import read_decisions
from segctl.model.errors import (
    EvidenceError,
    InventoryError,
    JournalError,
    PlanError,
    PlanFormatError,
    SnapshotError,
    UsageError,
)
from segctl.notify import template
from segctl.operations.discover import names_of
from segctl.operations.evidence_folder import checked
from segctl.operations.plan_files import used
from segctl.planning.documents import plan_bytes
from segctl.planning.plan import Intent, Plan
from segctl.planning.snapshot import load_snapshot, load_snapshots
from segctl.system.chain import add, head_of
from segctl.system.handed import LONGEST, MOST, lines_of, read_bytes
from segctl.transports.credentials import secret_in
from segctl_mocks.panos.traffic.store import load
from segctl_mocks.traffic.plants import plant

if TYPE_CHECKING:
    from collections.abc import Callable


def template_of(path: Path) -> object:
    return template(str(path))


def decisions_of(path: Path) -> object:
    return read_decisions(path, ())


def password_of(path: Path) -> object:
    path.chmod(0o600)
    return secret_in(path, "SEGCTL_PASSWORD_FILE")


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (read_baseline, InventoryError),
        (plan_bytes, PlanFormatError),
        (load_snapshot, SnapshotError),
        (names_of, UsageError),
        (template_of, UsageError),
        (password_of, UsageError),
        (decisions_of, InventoryError),
    ],
)
def test_a_file_without_an_end_is_an_error(
    read: Callable[[Path], object], error: type[Exception], tmp_path: Path
) -> None:
    path = tmp_path / "endless"
    with path.open("wb") as file:
        file.truncate(MOST + 1)  # holes: it takes no room
    with pytest.raises(error, match="is larger than 256 MiB"):
        read(path)


@pytest.mark.parametrize(
    ("read", "name", "error"),
    [
        (load_snapshots, "fw1.snapshot.json", SnapshotError),
        (checked, "SHA256SUMS", EvidenceError),
    ],
)
def test_a_pipe_in_a_folder_is_not_waited_for(
    read: Callable[[Path], object], name: str, error: type[Exception], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(error, match=rf"{name} is not a regular file"):
        read(tmp_path)


def test_a_device_that_gives_zeros_is_not_read_for_ever() -> None:
    with pytest.raises(OSError, match="is larger"):
        read_bytes(Path("/dev/zero"))


def test_what_is_within_the_bound_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"\xef\xbb\xbfall of it")
    assert read_bytes(path) == path.read_bytes()


def test_a_line_without_an_end_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"one\ntwo")
    with path.open("rb") as file:
        assert [*lines_of(file)] == [b"one\n", b"two"]
    with Path("/dev/zero").open("rb") as file, pytest.raises(OSError, match="a line is longer"):
        next(lines_of(file))


def test_made_traffic_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="larger than 16 MiB"):
        plant("/dev/zero")
    with pytest.raises(ValueError, match=r"line 1: not of a traffic file \(longer than"):
        load(Path("/dev/zero"))


def applied(path: Path) -> object:
    made = Plan(plan_id="x", created="", expires="", intent=Intent(), devices=())
    return used(path, made)


@pytest.mark.parametrize(
    ("read", "suffix", "error"), [(head_of, "head", JournalError), (applied, "applied", PlanError)]
)
def test_a_note_beside_a_file_is_short(
    read: Callable[[Path], object], suffix: str, error: type[Exception], tmp_path: Path
) -> None:
    path, note = tmp_path / "file", tmp_path / f"file.{suffix}"
    assert not read(path)
    note.touch()
    os.truncate(note, 5 << 10)
    with pytest.raises(error, match=rf"file\.{suffix}.* cannot be read .*larger than 4 KiB"):
        read(path)
    note.unlink()
    os.mkfifo(note)  # nobody ever writes into it
    with pytest.raises(error, match="is not a regular file"):
        read(path)


@pytest.mark.parametrize("end", [b"x" * (LONGEST + 1), b"\n" * 2000])
def test_a_journal_without_an_entry_at_its_end_is_not_searched_for_ever(
    end: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "journal"
    add(path, [{"n": 1}])
    with path.open("ab") as file:
        file.write(end)
    with pytest.raises(JournalError, match="is damaged: there is no entry in its last"):
        add(path, [{"n": 2}])


def test_of_a_line_without_a_beginning_no_more_is_read_than_a_line_has(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.touch(mode=0o600)
    os.truncate(path, 5 * LONGEST)
    before = _bytes_read()
    with pytest.raises(JournalError, match="is damaged: there is no entry in its last"):
        add(path, [{"n": 1}])
    assert _bytes_read() - before < 3 * LONGEST


def _bytes_read() -> int:
    """Return how many bytes this process has read so far."""
    return int(Path("/proc/self/io").read_text(encoding="ascii").split()[1])
