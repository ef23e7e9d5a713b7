"""Where commands put files: not where another user of the machine could have a say in it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import Plant, environment, serve
from segctl.cli.commands import tree
from support.records import logged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.cells import Cells

NOBODY = 65534
CHECKS = "- check: {from: supervisory, to: control}\n"
WHY = "every user of this machine can write to"
REPORTS = ("markdown", "sarif", "junit", "gitlab", "html")
#: Every option that names a file: the command, and the name of the file.
FILES = {
    "plan": ("plan", "-o"),
    **{f"plan-{form}": ("plan", f"--{form}") for form in REPORTS},
    **{f"drift-{form}": ("drift", f"--{form}") for form in REPORTS},
    "metrics": ("drift", "--metrics"),
    "baseline": (
        *("drift", "--owner", "ops", "--expires", "2999-01-01"),
        "--write-baseline",
    ),
    "snapshot": ("snapshot", "fw1", "-o"),
}
#: Further ones, which go the same way: tried with a shared folder only.
MORE = {
    **{f"validate-{form}": ("validate", f"--{form}") for form in REPORTS},
    **{f"check-{form}": ("check", "checks.yml", f"--{form}") for form in REPORTS},
    **{f"lint-{form}": ("lint", f"--{form}") for form in REPORTS},
    **{f"show-{form}": ("show", "saved.json", f"--{form}") for form in REPORTS},
    **{
        f"{words[0]}-{form}": (*words, f"--{form}")
        for words in (
            ("traffic", "seen.log"),
            ("threats", "seen.log"),
            ("discover", "seen.log"),
            ("replay", "--declared", "seen.log"),
        )
        for form in ("html", "markdown")
    },
    "rehearsed": ("replay", "saved.json", "seen.log", "--calibrate", "-o"),
}
#: Options that name a file which is read, and those that tests below try: by command.
READ = {
    "": {"--inventory", "--vault-password-file"},
    "apply": {"file", "--verify", "--playbook", "--reviewed", "--resume"},
    "check": {"file", "--offline"},
    "discover": {"--names"},
    "drift": {"--baseline", "--plan", "--offline", "--drawing"},
    "evidence": {"--decisions", "--offline", "--sign"},
    "evidence diff": {"old", "new"},
    "evidence verify": {"folder", "--keys"},
    "graph": {"--offline"},
    "inventory": {"--playbook-dir"},
    "lint": {"--offline"},
    "matrix": {"--offline"},
    "mock serve": {"--traffic"},
    "plan": {"--sign", "--offline", "--playbook"},
    "prove": {"--offline"},
    "query": {"--offline"},
    "replay": {"--offline", "--sign"},
    "serve": {
        *("--tls-cert", "--tls-key", "--password-file", "--proxy-ca"),
        *("--baseline", "--checks"),
    },
    "show": {"file", "--same-as", "--verify"},
    "site": {"--offline", "--plan", "--checks", "--evidence"},
    "verify": {"file", "--keys"},
}
BELOW = {
    "apply": {"--state"},
    "discover": {"--out"},
    "evidence": {"--out"},
    "fmt": {"paths"},
    "graph": {"--out", "--positions"},
    "import": {"--out"},
    "matrix": {"--out"},
    "mock serve": {"--state", "--endpoints"},
    "mock traffic": {"--out"},
    "review": {"--out"},
    "site": {"--out"},
    "usage": {"--out"},
}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")


@pytest.fixture
def shared(folder: Path) -> Path:
    path = folder / "shared"
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.fixture
def victim(folder: Path) -> Path:
    path = folder / "victim"
    path.write_text("precious", encoding="utf-8")
    return path


def _link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def _link_of_another(path: Path, victim: Path) -> None:
    path.parent.chmod(0o1777)
    path.symlink_to(victim)
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def _file_of_another(path: Path, _victim: Path) -> None:
    path.parent.chmod(0o1777)
    path.write_text("his", encoding="utf-8")
    os.chown(path, NOBODY, NOBODY)


def _nothing(_path: Path, _victim: Path) -> None:
    pass


PLANTED = [
    _nothing,
    _link,
    pytest.param(_link_of_another, marks=as_root),
    pytest.param(_file_of_another, marks=as_root),
]


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("words", FILES.values(), ids=FILES)
def test_no_file_goes_where_others_have_a_say(
    plant: Plant,
    shared: Path,
    victim: Path,
    words: tuple[str, ...],
    planted: Callable[[Path, Path], None],
) -> None:
    file = shared / "file.json"
    planted(file, victim)
    held = {path.name: path.lstat().st_ino for path in shared.iterdir()}
    done = plant(*words, str(file))
    assert done.code == 1
    assert "shared" in done.err
    assert "mkdir -m 700" in done.err or "name the place itself" in done.err
    assert victim.read_text() == "precious"
    assert {path.name: path.lstat().st_ino for path in shared.iterdir()} == held
    if words[-1] != "--write-baseline":  # that one is known only after the devices were read
        assert all(not mock.requests for mock in plant.fleet.mocks.values())


@pytest.mark.parametrize("words", MORE.values(), ids=MORE)
def test_no_report_goes_where_others_have_a_say(
    plant: Plant, shared: Path, words: tuple[str, ...]
) -> None:
    (plant.folder / "checks.yml").write_text(CHECKS, encoding="utf-8")
    (plant.folder / "seen.log").write_text(logged(), encoding="utf-8")
    if "saved.json" in words:
        assert plant("plan", "-o", "saved.json").code == 0
    with plant.untouched():
        done = plant(*words, str(shared / "file.json"))
    assert done.code == 1
    assert WHY in done.err
    assert not list(shared.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("graph", "-o", "{}/plant.svg"),
        ("graph", "-o", "plant.svg", "--positions", "{}/plant.yml"),
        ("matrix", "--declared", "-o", "{}/table.svg"),
        ("site", "-o", "{}/plant.html"),
        ("evidence", "-o", "{}/proof"),
    ],
)
def test_no_drawing_and_no_evidence_goes_there_either(
    plant: Plant, shared: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plant.folder)
    with plant.untouched():
        done = plant(*(one.format(shared) for one in words))
    assert done.code == 1
    assert WHY in done.err
    assert not list(shared.iterdir())
    assert not (plant.folder / "plant.svg").exists()


def test_every_option_that_names_a_file_is_tried_or_only_read() -> None:
    tried = {
        (words[0], "--out" if words[-1] == "-o" else words[-1])
        for words in (*FILES.values(), *MORE.values())
    }
    known = {
        (name, one) for held in (READ, BELOW) for name, all_of in held.items() for one in all_of
    }
    assert {*_paths("", tree())} - tried == known


def _paths(name: str, command: Any) -> Iterator[tuple[str, str]]:
    """Yield the options of a command, and of those below it, that take a path."""
    for below, inner in getattr(command, "commands", {}).items():
        yield from _paths(f"{name} {below}".strip(), inner)
    for one in command.params:
        if "Path" in type(one.type).__name__:
            yield name, one.opts[-1]


def test_proposals_are_private_and_stay_where_they_were_asked_for(
    plant: Plant, shared: Path
) -> None:
    polls = (
        logged(
            src="10.20.2.20",
            dst="10.20.1.12",
            time=f"2026/11/{day:02} {hour:02}:10:00",
            seqno=str(1000 + 24 * day + hour),
        )
        for day in range(2, 16)
        for hour in range(8, 14)
    )
    (plant.folder / "seen.log").write_text("".join(polls), encoding="utf-8")
    done = plant("discover", "seen.log", "-o", str(shared))
    assert done.code == 1
    assert WHY in done.err
    assert not list(shared.iterdir())
    mine = plant.folder / "mine"
    mine.mkdir()
    (mine / "group_vars").symlink_to(shared)
    done = plant("discover", "seen.log", "-o", str(mine))
    assert done.code == 1
    assert WHY in done.err
    assert [path.name for path in mine.iterdir()] == ["group_vars"]
    assert not list(shared.iterdir())
    assert plant("discover", "seen.log", "-o", "own").code == 0
    files = [path for path in (plant.folder / "own").rglob("*") if path.is_file()]
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_made_traffic_is_written_into_an_own_folder(plant: Plant, shared: Path) -> None:
    for folder in (shared, shared / "new"):
        done = plant("mock", "traffic", "--days", "1", "-o", str(folder))
        assert done.code == 1
        assert WHY in done.err
        assert not list(shared.iterdir())


def test_a_history_is_kept_to_oneself(plant: Plant, shared: Path) -> None:
    for mode in (0o777, 0o1777):
        shared.chmod(mode)
        done = plant("drift", "--history", str(shared / "history.db"))
        assert done.code == 2  # what could be told is told
        assert "the run is not on record" in done.err
        assert WHY in done.err
        assert not list(shared.iterdir())


def test_an_import_is_private(plant: Plant, shared: Path) -> None:
    done = plant("import", "fw1", "-o", str(shared))
    assert done.code == 1
    assert WHY in done.err
    assert not list(shared.iterdir())
    assert plant("import", "fw1", "-o", "mine").code == 0
    for path in (plant.folder / "mine").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_folder_of_snapshots_is_private(plant: Plant, shared: Path) -> None:
    done = plant("snapshot", "-o", str(shared))
    assert done.code == 1
    assert WHY in done.err
    assert not list(shared.iterdir())
    assert plant("snapshot").code == 0
    assert stat.S_IMODE((plant.folder / "snapshots").stat().st_mode) == 0o700


def test_nothing_is_begun_without_a_safe_journal(
    plant: Plant, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGCTL_ARTIFACTS", str(shared))
    with plant.unchanged():
        done = plant("apply", "--auto-approve")
    assert done.code == 1
    assert WHY in done.out
    assert "SEGCTL_ARTIFACTS" in done.out
    assert not list(shared.iterdir())


def test_a_plan_that_others_can_exchange_is_not_applied(plant: Plant, shared: Path) -> None:
    assert plant("plan", "-o", "plan.json").code == 0
    moved = shared / "plan.json"
    moved.write_bytes((plant.folder / "plan.json").read_bytes())
    (plant.folder / "play.yml").write_text("- hosts: all\n", encoding="utf-8")
    with plant.untouched():
        for words in ((str(moved),), ("-p", "play.yml", "--reviewed", str(moved))):
            done = plant("apply", *words, "--auto-approve")
            assert done.code == 1
            assert WHY in done.err
    moved.chmod(0o600)
    shared.chmod(0o700)
    assert plant("apply", str(moved)).code == 0


def test_a_rollout_keeps_its_state_to_itself(plant: Plant, shared: Path) -> None:
    (plant.folder / "play.yml").write_text("- hosts: all\n", encoding="utf-8")
    with plant.untouched():
        done = plant("apply", "-p", "play.yml", "--auto-approve", "--state", str(shared / "s.json"))
    assert done.code == 1
    assert WHY in done.err
    assert not list(shared.iterdir())


def test_files_are_not_formatted_where_others_have_a_say(plant: Plant, shared: Path) -> None:
    file = shared / "hosts.yml"
    file.write_text("all:\n      hosts: {}\n", encoding="utf-8")
    done = plant("fmt", str(file))
    assert done.code == 1
    assert WHY in done.err
    assert "it is as it was" in done.err


def test_a_transcript_is_refused_before_anything_is_sent(
    mixed: Cells, tmp_path: Path, victim_of: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "gw3.txt").symlink_to(victim_of)
    done = mixed("plan", "-l", "gw3", "-e", f"segctl_transcript={shared}")
    assert done.code == 1
    assert "(segctl_transcript) cannot be written: " in done.out
    assert "nothing was sent" in done.out
    assert victim_of.read_text() == "precious"
    old = tmp_path / "mine"
    old.mkdir()
    (old / "gw3.txt").touch()
    (old / "gw3.txt").chmod(0o644)
    assert mixed("plan", "-l", "gw3", "-e", f"segctl_transcript={old}").code == 0
    assert stat.S_IMODE((old / "gw3.txt").stat().st_mode) == 0o600
    assert (old / "gw3.txt").stat().st_size


@pytest.fixture
def victim_of(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("precious", encoding="utf-8")
    return path


def _mock_serve(folder: Path, *words: str) -> tuple[bool, str]:
    """Serve mocks, or refuse to; return whether they were there, and what was said."""
    with subprocess.Popen(
        [sys.executable, "-m", "segctl.cli", "mock", "serve", "-i", "hosts.yml", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            served = process.stdout.readline().startswith("serving ")
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
        return served, err


@pytest.mark.parametrize("option", ["--state", "--endpoints"])
def test_mocks_are_served_from_an_own_folder(folder: Path, shared: Path, option: str) -> None:
    place = shared if option == "--state" else shared / "over.yml"
    served, err = _mock_serve(folder, option, str(place))
    assert not served
    assert WHY in err
    assert not list(shared.iterdir())


def test_passwords_in_an_old_overlay_become_private(folder: Path, victim: Path) -> None:
    (folder / "over.yml").touch()
    (folder / "over.yml").chmod(0o644)
    (folder / "state").mkdir()
    (folder / "state/ca.key").symlink_to(victim)  # such as the mocks of another folder have
    served, err = _mock_serve(folder, "--endpoints", "over.yml", "--state", "state")
    assert served, err
    assert stat.S_IMODE((folder / "over.yml").stat().st_mode) == 0o600
    files = [path for path in (folder / "state").rglob("*") if path.is_file()]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert victim.read_text() == "precious"


# --- hosts whose names are paths -----------------------------------------------------------------

EVIL = "x/../../y"


@pytest.fixture
def inner(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Plant]:
    """The plant, in a folder below, and a host that would lead out of any folder."""
    place = folder / "below"
    place.mkdir()
    text = (folder / "hosts.yml").read_text(encoding="utf-8").replace("fw1:", f"{EVIL}:")
    (place / "hosts.yml").write_text(text, encoding="utf-8")
    (place / "group_vars").symlink_to(folder / "group_vars")
    (place / "host_vars").symlink_to(folder / "host_vars")
    zones = (folder / "host_vars/fw1.yml").read_text(encoding="utf-8")
    (place / "more.yml").write_text(
        f"all:\n  hosts:\n    {EVIL}:\n"
        + "".join(f"      {line}\n" for line in zones.splitlines()),
        encoding="utf-8",
    )
    os.chdir(place)
    served, err = _mock_serve(place, "-i", "more.yml", "--state", "state/deep")
    assert served, err
    with serve(place) as fleet:
        yield Plant(place, fleet, capsys)


def _files(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}


def test_a_host_is_no_way_out_of_a_folder(inner: Plant, folder: Path) -> None:
    state = inner.folder / "state/deep"
    assert {path.name for path in state.iterdir() if path.is_dir()} == {"x%2F..%2F..%2Fy", "fw2"}
    assert not (inner.folder / "y").exists()
    assert not (inner.folder / "state/y").exists()
    port = inner.fleet["fw1"].port
    overlay = (inner.folder / "mocks.yml").read_text(encoding="utf-8").replace("fw1", EVIL)
    (inner.folder / "mocks.yml").write_text(overlay, encoding="utf-8")
    assert str(port) in overlay
    before = _files(folder)
    done = inner("snapshot", "-i", "more.yml", "-o", "out")
    assert done.code == 0, done.err
    made = _files(folder) - before
    assert {name for name in made if not name.startswith("below/out/")} == set()
    assert "below/out/x%2F..%2F..%2Fy.snapshot.json" in made
    before = _files(folder)
    for words in ((), ("-o", "imported")):
        done = inner("import", EVIL, "-i", "more.yml", *words)
        assert done.code == 1
        assert "cannot be the name of a file in host_vars" in done.err
    assert _files(folder) == before
