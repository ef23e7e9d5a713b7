"""Files are written where they belong, whatever another user of the machine has put there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.planning.journal import Journal
from segctl.system import storage
from segctl.system.folders import file_name, is_file_name
from segctl.system.places import UnsafePlaceError
from segctl_mocks import storage as mocks

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = 65534
DATA = b"what a device holds\n"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of this user's that somebody would like to have overwritten."""
    path = tmp_path / "victim"
    path.write_text("precious", encoding="utf-8")
    return path


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder in which every user can do everything."""
    path = tmp_path / "shared"
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.fixture
def sticky(tmp_path: Path) -> Path:
    """A folder such as /tmp."""
    path = tmp_path / "sticky"
    path.mkdir()
    path.chmod(0o1777)
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def of_another(path: Path) -> Path:
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return path


def passable(folder: Path) -> None:
    """Let every user pass through a folder that pytest made for a test."""
    for one in (folder, *folder.parents):
        if one.stat().st_uid == os.geteuid() and not one.stat().st_mode & stat.S_IXOTH:
            one.chmod(0o711)


def prepared(path: Path) -> None:
    storage.prepare(path, ("-wal",))


def written(path: Path) -> None:
    storage.write(path, DATA)


def created(path: Path) -> None:
    storage.create(path, DATA)


def appended(path: Path) -> None:
    storage.append(path, DATA)


WAYS = (written, created, appended, prepared)
every_way = pytest.mark.parametrize("way", WAYS)


# --- what is written -----------------------------------------------------------------------------


@every_way
def test_a_file_is_private_whatever_the_umask(tmp_path: Path, way: Callable[[Path], None]) -> None:
    before = os.umask(0)
    try:
        way(tmp_path / "file")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "file") == 0o600


@pytest.mark.parametrize("way", [written, appended, prepared])
def test_what_others_could_read_becomes_private(
    tmp_path: Path, way: Callable[[Path], None]
) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o666)
    way(path)
    assert mode_of(path) == 0o600


def test_who_opened_the_old_file_does_not_read_the_new(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        written(path)
        assert reader.read() == b"old"
    assert path.read_bytes() == DATA
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_mode_is_what_is_asked_for(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        storage.write(tmp_path / "metrics", DATA, mode=0o644)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "metrics") == 0o644


def test_what_was_there_stays_if_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        written(tmp_path / "folder")
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_only_what_is_not_there_is_created(tmp_path: Path) -> None:
    created(tmp_path / "a/b/file")
    assert mode_of(tmp_path / "a") == mode_of(tmp_path / "a/b") == 0o700
    with pytest.raises(FileExistsError):
        storage.create(tmp_path / "a/b/file", b"other")
    assert (tmp_path / "a/b/file").read_bytes() == DATA


def test_what_is_appended_comes_after_what_is_there(tmp_path: Path) -> None:
    storage.append(tmp_path / "new/log", b"one\n")
    storage.append(tmp_path / "new/log", b"two\n")
    assert (tmp_path / "new/log").read_bytes() == b"one\ntwo\n"


def test_paths_lead_where_they_always_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    for path in ("b/../one", "./two", "../three", str(tmp_path / "a/./b/..//four")):
        written(Path(path))
    (tmp_path / "link").symlink_to("a/b")
    written(tmp_path / "link/../five")  # of where the link leads, as the kernel has it
    assert sorted(one.name for one in (tmp_path / "a").iterdir()) == [
        "b",
        "five",
        "four",
        "one",
        "two",
    ]
    assert (tmp_path / "three").exists()


def test_an_own_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far/file").touch()
    (tmp_path / "near").symlink_to("far/file")
    written(tmp_path / "near")
    assert (tmp_path / "near").is_symlink()
    assert (tmp_path / "far/file").read_bytes() == DATA
    assert storage.check(tmp_path / "near") == tmp_path / "far/file"


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OSError, match="too many links"):
        written(tmp_path / "one")


def test_standard_output_and_pipes_take_what_is_written() -> None:
    code = "from pathlib import Path; from segctl.system import storage\n"
    code += "storage.write(Path('/dev/stdout'), b'out'); storage.write(Path('/dev/null'), b'x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"out", b"")


def test_a_pipe_of_ones_own_takes_what_is_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    written(tmp_path / "pipe")
    reader.join()
    assert found == [DATA]


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    for way in WAYS:
        way(tmp_path / way.__name__)
    with pytest.raises(FileNotFoundError):
        written(tmp_path / "no/such/folder")
    assert count() == before


def test_a_nul_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="NUL"):
        written(tmp_path / "a\0b")


# --- attacks -------------------------------------------------------------------------------------


@every_way
def test_a_link_in_a_folder_of_everybody_leads_nowhere(
    shared: Path, victim: Path, way: Callable[[Path], None]
) -> None:
    (shared / "file").symlink_to(victim)
    with pytest.raises(UnsafePlaceError, match=r"link.*shared") as caught:
        way(shared / "file")
    assert "chmod go-w" in str(caught.value)
    assert victim.read_text() == "precious"


@every_way
@pytest.mark.parametrize("mode", [0o777, 0o757, 0o733])
def test_nothing_is_put_into_a_folder_of_everybody(
    shared: Path, way: Callable[[Path], None], mode: int
) -> None:
    shared.chmod(mode)
    with pytest.raises(UnsafePlaceError, match="every user of this machine can write") as caught:
        way(shared / "file")
    assert "mkdir -m 700" in str(caught.value)
    assert not list(shared.iterdir())


def test_nor_is_a_folder_made_there(shared: Path) -> None:
    for make in (created, appended, prepared, storage.make_folder):
        with pytest.raises(UnsafePlaceError):
            make(shared / "new/file")
    assert not list(shared.iterdir())


def test_an_own_folder_in_a_folder_of_everybody_will_do(shared: Path) -> None:
    (shared / "own").mkdir(mode=0o700)
    written(shared / "own/file")
    assert (shared / "own/file").read_bytes() == DATA


@pytest.mark.parametrize("way", [written, created, appended])
def test_a_sticky_folder_takes_new_files(sticky: Path, way: Callable[[Path], None]) -> None:
    way(sticky / "file")
    assert mode_of(sticky / "file") == 0o600


def test_a_database_has_files_beside_it_so_a_sticky_folder_will_not_do(sticky: Path) -> None:
    with pytest.raises(UnsafePlaceError, match="every user of this machine can write"):
        prepared(sticky / "history.db")
    with pytest.raises(UnsafePlaceError):
        storage.check(sticky / "ports.json", alone=True)


def test_a_database_is_opened_by_its_path_so_the_way_to_it_must_stay(shared: Path) -> None:
    (shared / "own/deep").mkdir(mode=0o700, parents=True)
    for folder in (shared / "own", shared / "own/deep"):
        with pytest.raises(UnsafePlaceError, match=r"every user .* can write to .*/shared, and"):
            prepared(folder / "history.db")
        with pytest.raises(UnsafePlaceError):
            storage.check(folder / "ports.json", alone=True)
        assert not (folder / "history.db").exists()
    shared.chmod(0o1777)  # where nobody else can rename what is ours
    prepared(shared / "own/history.db")


def test_a_passing_folder_is_not_made_where_others_could_exchange_it(
    shared: Path, sticky: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    with pytest.raises(UnsafePlaceError), storage.temporary_folder("segctl-"):
        pass
    assert not list(shared.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(sticky))
    with storage.temporary_folder("segctl-") as folder:
        assert folder.parent == sticky


@as_root
def test_an_own_folder_in_the_folder_of_another_holds_no_database(tmp_path: Path) -> None:
    (tmp_path / "his/own").mkdir(parents=True)
    os.chown(tmp_path / "his", NOBODY - 1, NOBODY - 1)
    of_another(tmp_path / "his/own")
    prepared(tmp_path / "his/own/of-root.db")
    passable(tmp_path)
    os.seteuid(NOBODY)
    try:
        written(tmp_path / "his/own/file")
        with pytest.raises(UnsafePlaceError, match=r"can write to .*/his, and so"):
            prepared(tmp_path / "his/own/history.db")
    finally:
        os.seteuid(0)


@as_root
@every_way
def test_the_link_of_another_is_not_followed(
    sticky: Path, victim: Path, way: Callable[[Path], None]
) -> None:
    (sticky / "file").symlink_to(victim)
    of_another(sticky / "file")
    with pytest.raises(UnsafePlaceError, match=r"is a link that .* made"):
        way(sticky / "file")
    (sticky / "file").unlink()
    (sticky / "folder").symlink_to(victim.parent)
    of_another(sticky / "folder")
    with pytest.raises(UnsafePlaceError, match=r"is a link that .* made"):
        way(sticky / "folder/victim")
    assert victim.read_text() == "precious"


@as_root
@every_way
def test_an_own_link_in_the_folder_of_another_is_not_followed(
    tmp_path: Path, victim: Path, way: Callable[[Path], None]
) -> None:
    (tmp_path / "his").mkdir()
    (tmp_path / "his/link").symlink_to(victim)
    of_another(tmp_path / "his")
    with pytest.raises(UnsafePlaceError, match="who can exchange it"):
        way(tmp_path / "his/link")
    assert victim.read_text() == "precious"


@as_root
@pytest.mark.parametrize("way", [written, appended, prepared])
def test_the_file_of_another_stays_his(sticky: Path, way: Callable[[Path], None]) -> None:
    path = sticky / "file"
    path.write_bytes(b"his")
    of_another(path)
    with pytest.raises(UnsafePlaceError):
        way(path)
    assert path.read_bytes() == b"his"


@as_root
@every_way
def test_the_folder_of_another_in_one_of_everybody_is_not_entered(
    sticky: Path, way: Callable[[Path], None]
) -> None:
    (sticky / "out").mkdir(mode=0o700)
    of_another(sticky / "out")
    with pytest.raises(UnsafePlaceError, match="belongs to"):
        way(sticky / "out/file")
    assert not list((sticky / "out").iterdir())


@as_root
def test_root_looks_into_the_database_of_a_service(tmp_path: Path) -> None:
    service = tmp_path / "service"
    service.mkdir(mode=0o700)
    of_another(service)
    (service / "h.db").touch(0o600)
    of_another(service / "h.db")
    assert storage.prepare(service / "h.db", ("-wal",)) == service / "h.db"
    (service / "h.db-wal").symlink_to(tmp_path / "elsewhere")
    of_another(service / "h.db-wal")
    with pytest.raises(UnsafePlaceError):
        storage.prepare(service / "h.db", ("-wal",))


@as_root
def test_the_pipe_of_another_is_told_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o666)
    of_another(tmp_path / "pipe")
    with pytest.raises(UnsafePlaceError, match="belongs to"):
        written(tmp_path / "pipe")


@as_root
def test_a_group_with_others_in_it_is_everybody(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    os.chown(tmp_path / "team", 0, NOBODY)
    (tmp_path / "team").chmod(0o775)
    with pytest.raises(UnsafePlaceError, match=r"group .* can write to"):
        written(tmp_path / "team/file")
    (tmp_path / "team").chmod(0o1775)
    written(tmp_path / "team/file")


def test_ones_own_group_is_not(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own").chmod(0o775)
    written(tmp_path / "own/file")


def test_a_file_with_a_second_name_is_not_added_to(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "log").hardlink_to(victim)
    for way in (appended, prepared):
        with pytest.raises(UnsafePlaceError, match="hard link"):
            way(tmp_path / "log")
    written(tmp_path / "log")  # puts another file in its place
    assert victim.read_text() == "precious"


def test_a_scratch_file_cannot_be_foreseen(tmp_path: Path, victim: Path) -> None:
    for name in (f".file.{os.getpid()}", ".file.new", ".file.tmp"):
        (tmp_path / name).symlink_to(victim)
    written(tmp_path / "file")
    mocks.write(tmp_path / "file", DATA)
    assert victim.read_text() == "precious"


def test_files_beside_a_database_are_checked_too(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "h.db-wal").symlink_to(victim)
    with pytest.raises(UnsafePlaceError):
        prepared(tmp_path / "h.db")
    assert victim.read_text() == "precious"


def test_what_is_removed_is_the_link_and_nothing_in_a_folder_of_everybody(
    tmp_path: Path, shared: Path, victim: Path
) -> None:
    (tmp_path / "link").symlink_to(victim)
    storage.remove(tmp_path / "link")
    storage.remove(tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    (shared / "file").touch()
    with pytest.raises(UnsafePlaceError):
        storage.remove(shared / "file")
    assert victim.read_text() == "precious"


SWAPPER = """
    cd "$1" || exit 1
    echo
    while :; do mv out away; ln -s "$2" out; rm out; mv away out; done
"""


@as_root
def test_a_folder_that_is_exchanged_meanwhile_leads_nowhere(shared: Path, tmp_path: Path) -> None:
    """Somebody changes our folder for a link to another of ours and back, as fast as they can."""
    (shared / "out").mkdir(mode=0o700)
    (tmp_path / "elsewhere").mkdir()
    passable(tmp_path)
    with subprocess.Popen(
        ["/bin/sh", "-c", dedent(SWAPPER), "sh", str(shared), str(tmp_path / "elsewhere")],
        stdout=subprocess.PIPE,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    ) as attacker:
        try:
            assert attacker.stdout is not None
            assert attacker.stdout.readline() == b"\n"  # the folder opened to him
            for number in range(3000):
                try:
                    storage.write(shared / f"out/{number}", DATA, durable=False)
                except OSError:
                    continue
        finally:
            attacker.kill()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_what_is_read_is_what_was_checked(shared: Path) -> None:
    """Somebody exchanges our folder at the very moment when the file is opened."""
    for name in ("own", "his"):
        (shared / name).mkdir(mode=0o700)
        (shared / name / "plan.json").write_text(name, "utf-8")
    waiting = [True]

    def attacker(event: str, words: tuple[object, ...]) -> None:
        if waiting and event == "open" and str(words[0]).endswith("own/plan.json"):
            waiting.clear()
            (shared / "own").rename(shared / "away")
            (shared / "his").rename(shared / "own")

    sys.addaudithook(attacker)
    try:
        assert storage.read(shared / "own/plan.json") == b"own"
    finally:
        exchanged = not waiting
        waiting.clear()
    assert exchanged


@as_root
def test_what_others_can_exchange_is_not_read(shared: Path, sticky: Path) -> None:
    (shared / "file").write_bytes(DATA)
    (sticky / "file").write_bytes(DATA)
    (sticky / "link").symlink_to(sticky / "file")
    assert storage.read(sticky / "file") == DATA
    for path in (shared / "file", of_another(sticky / "file"), of_another(sticky / "link")):
        with pytest.raises(UnsafePlaceError):
            storage.read(path)


# --- names that others chose ---------------------------------------------------------------------


EVIL = (
    "x/../../y",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a\0b",
    "-rf",
    ".hidden",
    "a" * 5000,
    "a\\b",
    "a\nb",
    "\ud800",
)


@pytest.mark.parametrize("make", [file_name, mocks.file_name], ids=["segctl", "mocks"])
@pytest.mark.parametrize("name", EVIL, ids=range(len(EVIL)))
def test_a_name_is_one_part_of_a_path(
    tmp_path: Path, name: str, make: Callable[[str], str]
) -> None:
    path = tmp_path / f"{make(name)}.snapshot.json"
    written(path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert not is_file_name(name)


@pytest.mark.parametrize("make", [file_name, mocks.file_name], ids=["segctl", "mocks"])
@given(one=st.text(), other=st.text())
def test_no_two_names_share_a_file(make: Callable[[str], str], one: str, other: str) -> None:
    assert (make(one) == make(other)) == (one == other)
    assert "/" not in make(one)
    assert make(one)[0] not in ".-"
    assert len(make(one).encode()) <= 200


@pytest.mark.parametrize("name", ["fw1", "fw-1.plant_a", "Pumpwerk-Süd"])
def test_plain_names_stay_as_they_are(name: str) -> None:
    assert file_name(name) == mocks.file_name(name) == name
    assert is_file_name(name)


def test_a_run_is_journalled_in_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segctl.planning.journal import journal_of

    monkeypatch.setenv("SEGCTL_ARTIFACTS", str(tmp_path / "runs"))
    journal = journal_of("../../outside")
    assert isinstance(journal, Journal)
    journal.write("fw1", "push")
    assert [one.name for one in tmp_path.iterdir()] == ["runs"]
    assert journal.file.parent.parent == tmp_path / "runs"


def _old_run(folder: Path) -> Path:
    from segctl.planning.journal import FILE

    folder.mkdir()
    (folder / FILE).touch()
    os.utime(folder, (0, 0))
    return folder


def test_old_runs_are_deleted_only_where_nobody_else_decides_which(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segctl.planning.journal import journal_of

    old, kept = _old_run(tmp_path / "old"), _old_run(shared / "old")
    for root in (tmp_path, shared):
        monkeypatch.setenv("SEGCTL_ARTIFACTS", str(root))
        journal_of("run")
    assert (old.exists(), kept.exists()) == (False, True)


@as_root
def test_the_runs_of_another_are_his(sticky: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from segctl.planning.journal import journal_of

    his, ours = _old_run(sticky / "his"), _old_run(sticky / "ours")
    of_another(his)
    monkeypatch.setenv("SEGCTL_ARTIFACTS", str(sticky))
    journal_of("run")
    assert (his.exists(), ours.exists()) == (True, False)
