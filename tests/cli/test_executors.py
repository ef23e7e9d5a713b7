"""The same results from threads, processes and Dask; what a lost worker and Ctrl-C leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import PASSWORD, ROOT, Done, Plant, environment
from segctl.cli import run
from segctl.compiler.build import compile_site
from segctl.fleet import Failure, dask, exposed, plan_devices
from segctl.inventory import encrypt, load
from segctl.operations.demo import fleet
from segctl.planning.plan import DevicePlan
from segctl.transports.credentials import Secret
from segctl_mocks.tls import Authority
from support.dask import Cluster, cluster

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from segctl_mocks import Fleet

TODAY = datetime.now(UTC).astimezone().date()
HERE = ("threads", "processes")


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with one worker that knows the passwords of the mocks."""
    with cluster(tmp_path_factory.mktemp("dask")) as made:
        made.start("one", SEGCTL_PASSWORD=PASSWORD)
        yield made


def over(made: Cluster) -> str:
    return made.address.replace("tcp://", "dask://")


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[str], Fleet]]:
    """The water works, two makes of firewall: one answers nonsense, one was changed by hand."""
    monkeypatch.setenv("SEGCTL_PASSWORD", PASSWORD)
    source = ROOT / "inventory" / "01-waterworks.yml"
    loaded = load([source], extra_vars=[f"ansible_password={PASSWORD}"], today=TODAY)
    with fleet(loaded, TODAY, overlay=tmp_path / "mocks.yml") as running:
        yield ["-i", str(source), "-i", str(running.overlay)], running


def told(text: str) -> Any:
    """A document without what differs from run to run."""
    document = json.loads(text)
    for name in ("plan_id", "created", "expires", "digest"):
        document.pop(name, None)
    document.get("provenance", {}).pop("date", None)
    return document


def test_every_executor_gives_the_same(
    works: tuple[list[str], Fleet], workers: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    where, running = works
    assert run([*where, "apply", "--auto-approve", "--json"]) == 0
    broken, by_hand = list(running.mocks)[:2]
    entry = json.loads(capsys.readouterr().out)
    assert entry["summary"]["failed"] == 0
    running[by_hand].edit(
        "delete", "/config/devices/entry/vsys/entry/rulebase/security/rules/entry[1]", commit=True
    )
    for command in ("plan", "drift"):
        answers: dict[str, tuple[int, Any]] = {}
        for executor in (*HERE, over(workers)):
            running[broken].fail("html", type="config")
            code = run([*where, "--no-cache", "--executor", executor, command, "--json"])
            answers[executor] = code, told(capsys.readouterr().out)
        first, *others = answers.values()
        assert others == [first, first]
        assert first[0] == 1
        assert broken in json.dumps(first[1])
        assert by_hand in json.dumps(first[1])
    assert len(running.linux) > 0


@pytest.mark.parametrize("kind", ["threads", "processes", "dask"])
def test_an_executor_of_somebody_else_will_do(
    plant: Plant, workers: Cluster, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("SEGCTL_PASSWORD", PASSWORD)
    loaded = load([plant.folder / "hosts.yml", plant.folder / "mocks.yml"], today=TODAY)
    desired = list(compile_site(loaded.site, TODAY).values())

    def planned(executor: Executor | None) -> tuple[DevicePlan | Failure, ...]:
        plant.fleet["fw2"].fail("html", type="config")
        return plan_devices(
            desired, loaded.connections, forks=4, report=lambda _d, _s: None, executor=executor
        )

    client_of: Any = import_module("distributed").Client
    with client_of(workers.address, set_as_default=False) as client:
        made: dict[str, Executor] = {
            "threads": ThreadPoolExecutor(2),
            "processes": ProcessPoolExecutor(1, get_context("spawn")),
            "dask": client.get_executor(pure=False),
        }
        with made[kind] as executor:
            found = planned(executor)
    assert found == planned(None)
    assert [type(one) for one in found] == [DevicePlan, Failure]


# --- secrets -------------------------------------------------------------------------------------


def test_a_plain_password_stays_here_and_the_error_says_what_to_do(
    plant: Plant, tmp_path: Path
) -> None:
    with cluster(tmp_path / "dask") as made:
        made.start("bare")
        done = plant("--executor", over(made), "plan", "--json")
        said = made.said()
    assert done.code == 1
    for error in done.json["errors"]:
        assert error["code"] == "auth"
        for word in ("not sent to workers", "!vault", "SEGCTL_VAULT_PASSWORD_FILE", "SEGCTL_PASS"):
            assert word in error["message"]
    plant.assert_no_secret(said)


def test_a_vaulted_password_travels_sealed_and_is_opened_there(
    plant: Plant, tmp_path: Path
) -> None:
    file = tmp_path / "vault-password"
    file.touch(mode=0o600)
    file.write_text("opens it", encoding="utf-8")
    sealed = encrypt(PASSWORD, Secret("opens it")).replace("\n", "\n    ")
    overlay = plant.folder / "mocks.yml"
    lines = overlay.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if "ansible_password" not in line]
    overlay.write_text("\n".join(kept) + "\n", encoding="utf-8")
    plant.edit("hosts.yml", f"ansible_password: {PASSWORD}", "ansible_connection: httpapi")
    vars_file = plant.folder / "group_vars" / "all.yml"
    vars_file.write_text(f"ansible_password: !vault |\n    {sealed}\n", encoding="utf-8")
    with cluster(tmp_path / "dask") as made:
        made.start("bare", SEGCTL_VAULT_PASSWORD_FILE=str(file))
        assert plant("--executor", over(made), "plan").code == 0
        said = made.said()
    plant.assert_no_secret(said)
    assert "opens it" not in said
    assert plant("--vault-password-file", str(file), "plan").code == 0
    here = plant("plan", "--json")
    assert here.code == 1
    assert "ansible_password is vaulted" in here.json["error"]["message"]


# --- encryption ----------------------------------------------------------------------------------


def test_workers_are_reached_over_tls_with_certificates_on_both_sides(
    plant: Plant, tmp_path: Path
) -> None:
    authority, other = Authority.create(), Authority.create()
    values = tls(tmp_path / "tls", authority, authority)
    with cluster(tmp_path / "dask", protocol="tls", **values) as made:
        made.start("a", SEGCTL_PASSWORD=PASSWORD)
        assert made.address.startswith("tls://")
        where = ("--executor", made.address, "plan", "--json")
        assert plant.process(*where, env=environment(**values)).code == 0
        stranger = environment(**tls(tmp_path / "other", authority, other))
        refused = plant.process(*where, env=stranger)
        assert (refused.code, refused.json["error"]["code"]) == (1, "executor")


def tls(folder: Path, trusted: Authority, own: Authority) -> dict[str, str]:
    """Return Dask's settings for one certificate on every side."""
    folder.mkdir()
    shown = own.issue(["dask"], client=True)
    files = {"CA_FILE": trusted.certificate, "CERT": shown.certificate, "KEY": shown.key}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    settings = {"REQUIRE_ENCRYPTION": "true", "TLS__CA_FILE": str(folder / "CA_FILE")}
    for side in ("SCHEDULER", "WORKER", "CLIENT"):
        settings |= {f"TLS__{side}__{name}": str(folder / name) for name in ("CERT", "KEY")}
    return {f"DASK_DISTRIBUTED__COMM__{name}": value for name, value in settings.items()}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("dask://192.0.2.7:8786", True),
        ("dask://scheduler:8786", True),
        ("dask://127.0.0.1:8786", False),
        ("dask://[::1]:8786", False),
        ("tls://192.0.2.7:8786", False),
        ("threads", False),
        ("", False),
    ],
)
def test_a_way_without_encryption_is_named(kind: str, said: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert ("NOT encrypted" in exposed(kind)) is said


# --- workers that go away ------------------------------------------------------------------------


def pace(plant: Plant, seconds: float) -> None:
    for mock in plant.fleet.mocks.values():
        mock.device.settings = replace(mock.device.settings, job_seconds=seconds)


@contextmanager
def running(plant: Plant, *words: str) -> Generator[subprocess.Popen[str]]:
    """A command in a process group of its own, as a terminal starts it."""
    process = subprocess.Popen(
        plant.command(*words, "-v", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=plant.folder,
        env=environment(),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stderr is not None
    said = ""
    while text not in said:
        line = process.stderr.readline()
        assert line, f"ended without {text!r}: {said}"
        said += line


def ended(plant: Plant, process: subprocess.Popen[str]) -> tuple[int, Any]:
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err + out
    plant.assert_no_secret(out + err)
    return process.returncode, json.loads(out)


def test_a_worker_killed_in_an_apply_is_reported_and_the_run_goes_on(
    plant: Plant, tmp_path: Path
) -> None:
    pace(plant, 600.0)
    with cluster(tmp_path / "dask") as made:
        made.start("a", threads=1, SEGCTL_PASSWORD=PASSWORD)
        with running(plant, "--executor", over(made), "apply", "--auto-approve") as command:
            until(command, "fw1: validation")
            pace(plant, 0.0)
            made.start("b", SEGCTL_PASSWORD=PASSWORD)
            made.kill("a")
            code, document = ended(plant, command)
        plant.assert_no_secret(made.said())
    for job in plant.fleet["fw1"].device.jobs.jobs:
        job.ends_at = 0.0  # what it was doing when its worker died is over
    lost, other = document["outcomes"]
    assert code == 1
    assert (lost["device"], lost["status"], lost["code"]) == ("fw1", "failed", "unknown")
    assert "safe to run again: apply first checks" in lost["message"]
    assert (other["device"], other["status"]) == ("fw2", "applied")
    assert document["error"]["code"] == "unknown"
    assert plant("apply", "--auto-approve").code == 0
    assert plant("drift").code == 0
    assert plant.locks == 0


def test_when_no_worker_is_left_the_run_ends(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_GRACE", 0.5)
    monkeypatch.setattr(dask, "_COUNT", 0.1)
    pace(plant, 600.0)
    with cluster(tmp_path / "dask") as made:
        made.start("a", threads=1, SEGCTL_PASSWORD=PASSWORD)

        def kill() -> None:
            while not plant.fleet["fw1"].writes:
                time.sleep(0.02)
            made.kill("a")

        threading.Thread(target=kill, daemon=True).start()
        done = plant("--executor", over(made), "apply", "--auto-approve", "--json")
    assert done.code == 1
    assert [one["code"] for one in done.json["outcomes"]] == ["unknown", "unknown"]
    assert "no Dask worker is left" in done.json["error"]["message"]
    pace(plant, 0.0)
    for job in plant.fleet["fw1"].device.jobs.jobs:
        job.ends_at = 0.0
    assert plant("apply", "--auto-approve").code == 0


def test_ctrl_c_reaches_the_workers(plant: Plant, workers: Cluster) -> None:
    assert plant("apply", "--auto-approve", "-l", "fw1").code == 0
    plant.by_hand()
    pace(plant, 2.0)
    words = ("-l", "fw1", "--executor", over(workers), "apply", "--auto-approve")
    with plant.unchanged(), running(plant, *words) as command:
        until(command, "fw1: validation")
        os.killpg(command.pid, signal.SIGINT)
        code, document = ended(plant, command)
    assert code == 1
    assert document["outcomes"][0]["code"] == "interrupted"
    assert "holds what it held before" in document["outcomes"][0]["message"]


@pytest.mark.parametrize("stage", ["fw1: connecting", "fw1: validation"])
def test_ctrl_c_with_processes(plant: Plant, stage: str) -> None:
    pace(plant, 2.0)
    words = ("-l", "fw1", "--executor", "processes", "apply", "--auto-approve")
    with plant.unchanged(), running(plant, *words) as command:
        until(command, stage)
        os.killpg(command.pid, signal.SIGINT)
        code, document = ended(plant, command)
    assert code == 1
    assert document["error"]["code"] == "interrupted"


# --- workers that there are not ------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["thread", "dask", "dask://", "dask://host", "dask://host:99999", "http://host:1"]
)
def test_an_executor_that_there_is_not(plant: Plant, kind: str) -> None:
    done = plant("--executor", kind, "plan", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "executor")
    assert "threads, processes, dask://HOST:PORT" in done.json["error"]["message"]


def test_nobody_answers(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "_CONNECT", 0.3)
    monkeypatch.setenv("SEGCTL_EXECUTOR", "dask://127.0.0.1:9")
    done = plant("plan", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "executor")
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.json["error"]["message"]


def test_without_the_extra_it_is_said(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = plant("--executor", "dask://127.0.0.1:9", "plan", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "executor")
    assert "pip install 'segctl[dask]'" in done.json["error"]["message"]


# --- devices seen before -------------------------------------------------------------------------

KNOWN = "unchanged since it was compared before"


@pytest.mark.parametrize("executor", HERE)
def test_a_device_that_did_not_change_is_not_parsed_again(applied: Plant, executor: str) -> None:
    def drift(*words: str) -> Done:
        return applied("-v", "--executor", executor, *words, "drift", "--json")

    first, again, without = drift(), drift(), drift("--no-cache")
    assert (first.err.count(KNOWN), again.err.count(KNOWN), without.err.count(KNOWN)) == (0, 2, 0)
    assert told(first.out) == told(again.out) == told(without.out)
    applied.by_hand()
    changed = drift()
    assert (changed.code, changed.err.count(KNOWN)) == (2, 1)
    assert told(drift().out) == told(changed.out) == told(drift("--no-cache").out)
    applied.edit("group_vars/plant.yml", "protocols: {modbus: [read]}", "services: [tcp/502]")
    other = drift()
    assert other.err.count(KNOWN) == 1
    assert told(other.out) == told(drift("--no-cache").out)


def test_counters_that_count_do_not_hide_an_unchanged_host(
    works: tuple[list[str], Fleet], capsys: pytest.CaptureFixture[str]
) -> None:
    where, running = works
    assert run([*where, "apply", "--auto-approve", "--json"]) == 0
    assert run([*where, "drift", "--json"]) == 0
    capsys.readouterr()
    for mock in running.linux.values():
        mock.count("denied", packets=7, octets=420)
    assert run([*where, "-v", "drift", "--json"]) == 0
    assert capsys.readouterr().err.count(KNOWN) == len(running.specs)
