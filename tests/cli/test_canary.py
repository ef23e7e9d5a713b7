"""Secrets from every place that takes one are looked for in everything that segctl leaves."""

from __future__ import annotations

import base64
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import asyncssh
import pytest

from cli_support import PASSWORD, Done, Plant, environment
from segctl.cli.commands import tree
from segctl.compiler.build import compile_site
from segctl.fleet import plan_devices
from segctl.fleet.snapshots import take_snapshots
from segctl.inventory import VaultSecrets, encrypt, load
from segctl.transports.credentials import Secret
from support.hostile import steering
from support.lengths import full
from support.receiver import receiver
from support.records import hostile_records
from support.signatures import minisign_keys, ssh_keys
from support.ssh_server import Manners, Visit, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

    from support.cells import Cells

TODAY = datetime.now(UTC).astimezone().date()


def canary(place: str) -> str:
    """A secret that says where it was put, with signs that have to be quoted in a URL."""
    return f"kanarie-{place}-0815=x"


PLACES = (
    *("host", "any", "file", "inventory", "vault", "keyring", "opens-vault", "signing"),
    *("webhook", "webhook-file", "gateway-url", "gateway-token", "gateway-password"),
    *("history-url", "history-query", "git", "ssh-key"),
)


def _forms() -> dict[bytes, str]:
    """Every secret as it is, quoted for a URL, and as HTTP sends it."""
    forms: dict[bytes, str] = {}
    for text in (PASSWORD, *map(canary, PLACES)):
        basic = base64.b64encode(f"robot:{text}".encode())
        for form in (text.encode(), quote(text, safe="").encode(), basic):
            forms[form] = text
    return forms


FORMS = _forms()


def found_in(data: bytes) -> set[str]:
    return {text for form, text in FORMS.items() if form in data}


@dataclass(frozen=True, slots=True)
class Cage:
    """The plant, its environment with every secret in it, and the files that may hold them."""

    plant: Plant
    top: Path
    environment: Mapping[str, str]
    ours: frozenset[Path]

    def __call__(
        self, *words: str, code: int | None = None, alone: bool = True, **more: str
    ) -> Done:
        """Run a command; nothing it says is a secret.

        A command that is not `alone` runs in this process, unless a full run was asked for: many
        of them would otherwise be little but starts of Python.
        """
        values = {**self.environment, **more}
        if alone or full():
            done = self.plant.process(*words, env=values)
        else:
            done = self._here(words, values)
        if code is not None:
            assert done.code == code, done.err + done.out
        assert not found_in(f"{done.out}{done.err}".encode()), words
        return done

    def _here(self, words: tuple[str, ...], values: Mapping[str, str]) -> Done:
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ.keys() - values.keys():
                patch.delenv(name)
            for name, value in values.items():
                patch.setenv(name, value)
            return self.plant(*words)

    def search(self) -> None:
        """Look into every file that was not there before, and at its name."""
        for path in self.top.rglob("*"):
            assert not found_in(str(path).encode())
            if path.is_file() and path not in self.ours:
                assert not found_in(path.read_bytes()), path


def _private(path: Path, text: str) -> str:
    path.touch(mode=0o600)
    path.write_text(f"{text}\n", encoding="utf-8")
    return str(path)


def _ring(folder: Path, body: str) -> None:
    folder.mkdir()
    text = f"def get_password(service, account):\n{indent(dedent(body), '    ')}"
    (folder / "keyring.py").write_text(text, encoding="utf-8")


@pytest.fixture
def bare(plant: Plant) -> Plant:
    """The plant without the password in its inventory, in a repository with one in its address."""
    plant.edit("hosts.yml", f"ansible_password: {PASSWORD}", "ansible_connection: httpapi")
    overlay = plant.folder / "mocks.yml"
    lines = overlay.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if "ansible_password" not in line]
    overlay.write_text("\n".join(kept) + "\n", encoding="utf-8")
    address = f"https://robot:{quote(canary('git'), safe='')}@forge.invalid/plant.git"
    for words in (("init", "-q"), ("remote", "add", "origin", address)):
        subprocess.run(["git", *words], cwd=plant.folder, check=True)
    return plant


def _inventory(plant: Plant, text: str) -> None:
    path = plant.folder / "group_vars" / "all.yml"
    path.write_text(f"ansible_password: {text}\n", encoding="utf-8")


SOURCES = ("host", "any", "file", "inventory", "vault", "keyring")


def _caged(plant: Plant, top: Path, source: str, right: str = PASSWORD) -> Cage:
    """Put the right password into one place, and canaries into those that come after it."""
    rank = SOURCES.index(source)

    def word(place: str) -> str:
        return right if place == source else canary(place)

    given = set(SOURCES[rank:])
    opens = _private(top / "opens", canary("opens-vault"))
    _ring(top / "ring", f"return {word('keyring')!r}")
    values = {
        "PYTHONPATH": str(top / "ring"),
        "PYTHONDONTWRITEBYTECODE": "1",  # the keyring that these tests wrote holds the secret
        "SEGCTL_VAULT_PASSWORD_FILE": opens,
        "SEGCTL_SIGN_PASSWORD": canary("signing"),
        "SEGCTL_ARTIFACTS": str(top / "runs"),
    }
    if "host" in given:
        values |= {f"SEGCTL_PASSWORD_{host}": word("host") for host in ("FW1", "FW2")}
    if "any" in given:
        values["SEGCTL_PASSWORD"] = word("any")
    if "file" in given:
        values["SEGCTL_PASSWORD_FILE"] = _private(top / "password", word("file"))
    if source == "keyring":
        given -= {"inventory", "vault"}
    if "inventory" in given:
        _inventory(plant, word("inventory"))
    elif "vault" in given:
        sealed = encrypt(word("vault"), Secret(canary("opens-vault")))
        _inventory(plant, f"!vault |\n{indent(sealed, '    ')}")
    ours = frozenset(path for path in top.rglob("*") if path.is_file())
    return Cage(plant, top, environment(**values), ours)


@pytest.fixture
def caged(bare: Plant) -> Callable[..., Cage]:
    return partial(_caged, bare, bare.folder)


@pytest.mark.parametrize("source", SOURCES)
def test_a_password_is_in_nothing_that_a_rollout_leaves(
    caged: Callable[..., Cage], source: str, state_home: Path
) -> None:
    cage = caged(source)
    vault = ("--vault-password-file", "opens") if source == "vault" else ()
    alone = source in ("any", "keyring")  # the keyring of this process is another
    cage("plan", "-v", "--diff", "-o", "plan.json", *vault, code=0, alone=alone)
    cage("apply", "plan.json", "-v", "--json", *vault, code=0, alone=alone)
    assert (cage.top / "runs").is_dir()
    cage("drift", "-v", *vault, code=0, alone=alone)
    cage.search()
    assert state_home.is_dir()
    for path in state_home.rglob("*"):
        assert not found_in(path.read_bytes() if path.is_file() else b"")


@pytest.mark.parametrize("source", SOURCES)
def test_a_wrong_password_is_not_repeated(caged: Callable[..., Cage], source: str) -> None:
    cage = caged(source, canary(source))
    vault = ("--vault-password-file", "opens") if source == "vault" else ()
    for words in (("plan", "--json"), ("plan", "-v", "--html", "plan.html")):
        alone = source in ("any", "keyring")
        done = cage(*words, *vault, code=1, alone=alone, SEGCTL_TRACEBACK="1")
        assert "auth" in done.out or "refuses" in done.out
    cage.search()


def test_a_keyring_says_nothing(caged: Callable[..., Cage]) -> None:
    cage = caged("keyring")
    code = f"raise RuntimeError('cannot open it with {canary('keyring')}')"
    _ring(cage.top / "broken", code)
    done = cage(*("plan", "-v"), code=1, PYTHONPATH=str(cage.top / "broken"), SEGCTL_TRACEBACK="1")
    assert "the keyring does not respond (RuntimeError)" in " ".join(done.out.split())


def test_every_form_of_output_is_without(caged: Callable[..., Cage]) -> None:
    cage = caged("any")
    forms = ("markdown", "sarif", "junit", "gitlab", "html")
    reports = [word for form in forms for word in (f"--{form}", f"report.{form}")]
    for keys in (ssh_keys, minisign_keys):
        folder = cage.top / keys.__name__
        folder.mkdir()
        made = keys(folder, password=canary("signing"))
        signed = ("-o", f"{keys.__name__}.json", "--sign", str(made.secret))
        cage("plan", *signed, *reports, code=0, alone=False)
        done = cage(
            *("plan", "-o", "wrong.json", "--sign", str(made.secret), "-v"),
            code=1,
            alone=False,
            SEGCTL_SIGN_PASSWORD=canary("any"),
            SEGCTL_TRACEBACK="1",
        )
        assert made.secret.name in done.err
    cage("apply", "--auto-approve", "-v", code=0, alone=False)
    cage.plant.by_hand()
    for words in (
        ("validate", "-v", *reports),
        ("drift", "--json", "-v", *reports),
        ("snapshot", "--json"),
        ("import", "fw1", "--json"),
        ("plan", "--offline", "snapshots", "--json", "-o", "offline.json"),
        ("drift", "history", "--json"),
        ("inventory", "--graph"),
        ("fmt", "--check", "--json"),
    ):
        cage(*words, alone=False)
    accepted = ("--write-baseline", "b.yml", "--owner", "ops", "--expires", "2999-01-01")
    cage("drift", *accepted, code=2, alone=False)
    cage.search()


#: What else commands are tried with, with every secret at hand; and those that others below try.
ASKED = (
    ("show", "plan.json", "--json"),
    ("show", "plan.json", "--diff", "-v"),
    ("check", "--from", "supervisory", "--to", "control", "--json"),
    ("query", "--from", "supervisory", "--to", "control", "--json"),
    ("query", "live", "implies", "declared"),
    ("matrix", "--live", "--csv"),
    ("matrix", "-o", "table.html"),
    ("graph", "--live", "-o", "plant.html"),
    ("site", "--live", "--plan", "plan.json", "-o", "site.html"),
    ("list", "rules", "--json"),
    ("evidence", "-o", "proof", "--html", "--csv", "--oscal", "--json"),
    ("evidence", "verify", "proof", "--json"),
    ("evidence", "diff", "proof", "proof", "--json"),
    *(
        ("contain", kind, name, "--for", "1h", "--reason", "drill", "--auto-approve", "--json")
        for kind, name in (("host", "10.20.2.11"), ("asset", "scada1"), ("zone", "supervisory"))
    ),
    ("contain", "list", "--json"),
    ("contain", "status", "--heal", "--json"),
    ("contain", "release", "scada1", "--reason", "drill", "--json"),
    ("island", "begin", "supervisory", "--for", "1h", "--reason", "drill", "--auto-approve"),
    ("island", "list", "--json"),
    ("island", "status", "--heal", "--json"),
    ("island", "end", "supervisory", "--reason", "drill", "--json"),
    ("lint", "--json", "--html", "lint.html"),
    ("prove", "--json"),
    ("review", "--usage", "--json"),
    ("usage", "--json"),
    ("usage", "records", "--narrow", "--json", "-o", "narrower"),
    ("discover", "records", "--json", "-o", "proposed"),
    ("threats", "records", "--json", "--html", "threats.html"),
    (
        *("watch", "records", "--since", "3000d", "--json", "-e"),
        '{"segctl_containment": {"zones": ["supervisory"], "on": ["critical-threat", "scan"]}}',
    ),
    ("traffic", "records", "--json", "--html", "traffic.html"),
    ("replay", "--declared", "records", "--json"),
    ("replay", "--declared", "records", "--offline", "snapshots"),
    ("history", "--json"),
    ("history", "verify"),
    ("verify", "plan.json", "--keys", "absent"),
    ("explain", "modbus.read"),
    ("protocols",),
    ("schema", "plan"),
    ("version",),
)
ELSEWHERE = {
    *("validate", "plan", "apply", "drift", "drift history", "snapshot", "import", "inventory"),
    *("fmt", "contain watch"),  # the latter is contain status, again and again
}
NO_SECRETS = {
    "demo": "of mocks of its own, none of whose passwords is one",
    "mock": "its commands are those below",
    "mock traffic": "made of a plant's description, without an inventory",
    "serve": "serves until it is stopped: tests/cli/test_serve.py searches what it serves",
    "mock serve": "gives the account of the mocks to whoever serves them",
}


def test_every_command_is_tried_with_secrets() -> None:
    known = commands()
    asked = {" ".join(words[:count]) for words in ASKED for count in (1, 2)}
    assert known == asked & known | ELSEWHERE | NO_SECRETS.keys()


def commands() -> set[str]:
    program: Any = tree()
    inner = {
        f"{name} {below}"
        for name, command in program.commands.items()
        for below in getattr(command, "commands", {})
    }
    return {*program.commands, *inner}


def test_questions_and_records_are_without(caged: Callable[..., Cage]) -> None:
    cage = caged("any")
    (cage.plant.folder / "records").mkdir()
    for name, text in hostile_records("seen").items():
        (cage.plant.folder / "records" / name).write_text(text, encoding="utf-8")
    cage("apply", "--auto-approve", code=0, alone=False)
    cage("snapshot", code=0, alone=False)
    cage.plant.by_hand()
    cage("plan", "-o", "plan.json", code=0, alone=False)
    for words in ASKED:
        done = cage(*words, alone=False)
        assert done.code in {0, 1, 2}, words
        assert "internal" not in done.err, words
    cage.search()


LISTS = (
    ("--list",),
    ("--list", "--json"),
    ("--host", "fw1"),
    ("--graph",),
)


@pytest.mark.parametrize("source", ["vault", "keyring"])
@pytest.mark.parametrize("given", [True, False])
def test_a_listed_inventory_holds_no_password_but_what_stands_in_it(
    caged: Callable[..., Cage], source: str, *, given: bool
) -> None:
    """Neither what a vault, a keyring and the environment hold, nor what opens them."""
    cage = caged(source)
    vault = ("--vault-password-file", "opens") if given else ()
    more: dict[str, Any] = {"SEGCTL_PASSWORD": canary("any"), **_addresses(1)}
    if not given:
        more["SEGCTL_VAULT_PASSWORD_FILE"] = ""
    for words in LISTS:
        cage("inventory", *words, *vault, code=0, **more)
    listed = cage("inventory", "--list", *vault, code=0, **more).json["_meta"]["hostvars"]["fw1"]
    vaulted = listed.get("ansible_password", {"__ansible_vault": ""})
    assert list(vaulted) == ["__ansible_vault"]
    cage.search()


def test_a_listed_inventory_holds_what_ansible_prints_of_it(caged: Callable[..., Cage]) -> None:
    """A password that stands there in plain is printed, as ansible-inventory does; no other."""
    cage = caged("host")
    done = cage.plant.process("inventory", "--list", env={**cage.environment, **_addresses(1)})
    assert found_in(done.out.encode()) == {canary("inventory")}
    assert not found_in(done.err.encode())


def _addresses(port: int) -> dict[str, str]:
    user = f"robot:{quote(canary('gateway-url'), safe='')}"
    return {
        "SEGCTL_WEBHOOK": f"http://127.0.0.1:{port}/{quote(canary('webhook'))}",
        "SEGCTL_PUSHGATEWAY": f"http://{user}@127.0.0.1:{port}",
        "SEGCTL_PUSHGATEWAY_TOKEN": canary("gateway-token"),
    }


@pytest.mark.parametrize("status", [200, 403, None])
def test_where_a_run_is_told_is_told_nobody(caged: Callable[..., Cage], status: int | None) -> None:
    """Whether those who are told take it, refuse it or are not there."""
    cage = caged("any")
    with receiver() as room:
        port = room.port if status else 1
        room.answers = [(status or 200, {})] * 20
        values = _addresses(port)
        words = ("drift", "-v", "--metrics", "m.prom", "--notify", "on-drift", "--json")
        cage(*words, code=2, alone=status == 200, **values)
        token = {"SEGCTL_PUSHGATEWAY_TOKEN": "", "SEGCTL_PUSHGATEWAY_USER": "robot"}
        token["SEGCTL_PUSHGATEWAY_PASSWORD"] = canary("gateway-password")
        cage(*words, code=2, alone=False, **values | token)
        file = _private(cage.top / "room", f"{values['SEGCTL_WEBHOOK']}{canary('webhook-file')}")
        values |= {"SEGCTL_WEBHOOK": "", "SEGCTL_WEBHOOK_FILE": file}
        cage(*words, code=2, alone=False, **values)
        assert bool(room.received) == bool(status)
    (cage.top / "room").unlink()
    assert (cage.top / "m.prom").stat().st_mode & 0o777 == 0o644
    cage.search()


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://robot:{}@127.0.0.1:1/plant",
        "postgresql://robot@127.0.0.1:1/plant?password={}",
        "postgresql://robot:a/{}@127.0.0.1:1/plant",
        "postgresql://robot:a?{}@127.0.0.1:1/plant",
        "postgresql://robot:a@{}@127.0.0.1:1/plant",
        "postgresql://robot%3A{}%40127.0.0.1:1/plant",
        "postgresql://127.0.0.1:1/plant&password={}",
        "postgresql:///robot:{}@127.0.0.1/plant",
        "mysql://robot:{}@127.0.0.1:1/plant",
        "sqlite://robot:{}@127.0.0.1/plant",
        "sqlite:///robot:{}@127.0.0.1/plant",
        "sqlite:///h.db?password={}",
        "postgres:{}@127.0.0.1/plant",
        "robot:{}@127.0.0.1/plant",
        "//robot:{}@127.0.0.1/plant",
        "postgresql:/robot:{}@127.0.0.1/plant",
        "{}@127.0.0.1/plant",
        "host=127.0.0.1 password={}",
    ],
)
def test_an_address_of_a_history_stays_secret(caged: Callable[..., Cage], address: str) -> None:
    cage = caged("any")
    place = "history-query" if "password=" in address else "history-url"
    url = address.format(canary(place))
    before = {path.name for path in cage.top.iterdir()}
    told = {"SEGCTL_HISTORY": url, "SEGCTL_TRACEBACK": "1"}
    done = cage("drift", "--json", "-v", code=None, alone=False, **told)
    assert "history" in done.err
    file = _private(cage.top / "history-file", url)
    cage("drift", alone=False, SEGCTL_HISTORY_FILE=file)
    cage("drift", "history", code=1, alone=False, SEGCTL_HISTORY=url)
    (cage.top / "history-file").unlink()
    cage.search()
    assert {path.name for path in cage.top.iterdir()} == before


def test_a_defect_shows_no_secret(caged: Callable[..., Cage]) -> None:
    """A library that breaks: its traceback, and what a crash leaves."""
    cage = caged("any")
    (cage.top / "ring/prometheus_client.py").write_text(
        "raise RuntimeError('a defect of this library')\n", encoding="utf-8"
    )
    words = ("drift", "-v", "--metrics", "m.prom")
    assert "a defect in segctl" in cage(*words, code=1).err
    found = subprocess.run(
        cage.plant.command(*words),
        cwd=cage.top,
        env={**cage.environment, "SEGCTL_TRACEBACK": "1"},
        capture_output=True,
        check=False,
    )
    assert b"Traceback" in found.stderr
    assert not found_in(found.stdout + found.stderr)


STEERS = "\\x1b]0;owned\\x07\\x9b31m\\u202e\\u200b"


@pytest.mark.parametrize("how", ["raised", "thread", "ignored", "device"])
def test_a_traceback_says_no_secret_and_steers_no_terminal(
    caged: Callable[..., Cage], how: str
) -> None:
    """A library repeats what it was given, in every spelling, and what a device said."""
    cage = caged("any")
    url = f"http://robot:{quote(canary('gateway-url'), safe='')}@127.0.0.1:1/{canary('webhook')}"
    raised = {
        "raised": "raise ValueError(said) from KeyError(said)",
        "device": "raise ValueError(said) from KeyError(said)",
        "thread": """\
            one = threading.Thread(target=lambda: {}[said])
            one.start()
            one.join()
            raise ImportError""",
        "ignored": """\
            class Gone:
                def __del__(self):
                    raise ValueError(said)
            Gone()
            raise ImportError""",
    }[how]
    code = f"""\
import json, os, threading, urllib.parse
held = [value for name, value in os.environ.items() if name in os.environ["NAMED"].split()]
told = [*held, *map(repr, held), *map(json.dumps, held), *map(urllib.parse.quote_plus, held)]
said = " ".join(told) + "{STEERS}" + {url!r}
{dedent(raised.replace(" " * 12, ""))}
"""
    module = "lxml" if how == "device" else "prometheus_client"
    (cage.top / f"ring/{module}.py").write_text(code, encoding="utf-8")
    values = {
        "NAMED": "SEGCTL_PASSWORD SEGCTL_PUSHGATEWAY SEGCTL_SIGN_PASSWORD",
        "SEGCTL_TRACEBACK": "1",
        "SEGCTL_PUSHGATEWAY": url,
    }
    found = subprocess.run(
        cage.plant.command("drift", "-v", "--metrics", "m.prom"),
        cwd=cage.top,
        env={**cage.environment, **values},
        capture_output=True,
        check=False,
    )
    said = found.stderr + found.stdout
    assert b"***" in said, said
    assert (b"Traceback (most recent call last)" in said) == (how != "device")
    assert b"prometheus_client.py" in said or b"lxml.py" in said
    assert not found_in(said)
    assert not steering(said.decode())
    assert rb"\x1b]0;owned\x07" in said


def _below(pid: int) -> Iterator[Path]:
    """Yield the processes that a process has started, and those that they have."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with suppress(OSError, ValueError):
                stat = (path / "stat").read_text(encoding="utf-8", errors="replace")
                parent = int(stat.rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(path.name))
    todo = [pid]
    while todo:
        one = todo.pop()
        yield Path(f"/proc/{one}")
        todo += children.get(one, ())


def test_no_command_line_and_no_crash_holds_a_secret(caged: Callable[..., Cage]) -> None:
    """While a device hangs, with workers in processes; then segctl is made to crash."""
    cage = caged("any")
    cage.plant.fleet["fw1"].fail("hang", seconds=20, type="config")
    with subprocess.Popen(
        cage.plant.command("--executor", "processes", "plan", "-v"),
        cwd=cage.top,
        env={**cage.environment, "PYTHONFAULTHANDLER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            lines: list[bytes] = []
            deadline = time.monotonic() + 60
            while len(lines) < 2 and time.monotonic() < deadline:
                lines = []
                for path in _below(process.pid):
                    with suppress(OSError):
                        lines.append((path / "cmdline").read_bytes())
                time.sleep(0.05)
            assert len(lines) >= 2, "no worker was started"
            assert not found_in(b"\n".join(lines))
            process.send_signal(signal.SIGABRT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert b"Fatal Python error" in err
    assert not found_in(out + err)


RECORDER = """\
#!/bin/sh
tr '\\0' '\\n' < /proc/self/environ >> "$(dirname "$0")/../seen"
tr '\\0' ' ' < /proc/$$/cmdline >> "$(dirname "$0")/../seen"
exit 1
"""


def test_other_programs_see_no_secret(caged: Callable[..., Cage]) -> None:
    cage = caged("host")
    (cage.top / "bin").mkdir()
    (cage.top / "bin/git").write_text(RECORDER, encoding="utf-8")
    (cage.top / "bin/git").chmod(0o755)
    path = f"{cage.top / 'bin'}{os.pathsep}{os.environ['PATH']}"
    cage("plan", "-v", code=0, alone=True, PATH=path, **_addresses(1))
    assert "rev-parse" in (cage.top / "seen").read_text(encoding="utf-8")
    cage.search()


class _Recording(Executor):
    """Somebody's executor that sends what it is given over a network."""

    def __init__(self) -> None:
        self.sent = b""
        self._threads = ThreadPoolExecutor(2)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        data = pickle.dumps((fn, args, kwargs))
        self.sent += data + repr((fn, args, kwargs)).encode()
        again, words, named = pickle.loads(data)
        return self._threads.submit(again, *words, **named)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as executors have it
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


@pytest.mark.parametrize("source", ["host", "inventory", "vault"])
def test_work_that_travels_carries_no_secret(
    caged: Callable[..., Cage], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    cage = caged(source)
    for name in ("SEGCTL_PASSWORD_FW1", "SEGCTL_PASSWORD_FW2", "SEGCTL_VAULT_PASSWORD_FILE"):
        if name in cage.environment:
            monkeypatch.setenv(name, cage.environment[name])
    loaded = load(
        [cage.top / "hosts.yml", cage.top / "mocks.yml"],
        vault=VaultSecrets((("default", Secret(canary("opens-vault"))),)),
        today=TODAY,
    )
    assert not found_in(repr(loaded).encode())
    assert not found_in(repr(loaded.connections).encode())
    desired = list(compile_site(loaded.site, TODAY).values())
    with _Recording() as executor:
        plans = plan_devices(
            desired, loaded.connections, forks=2, report=lambda _d, _s: None, executor=executor
        )
        taken = take_snapshots(
            loaded.site.devices,
            loaded.connections,
            forks=2,
            report=lambda _d, _s: None,
            executor=executor,
        )
        sent = executor.sent
    assert len(sent) > 1000
    assert not found_in(sent)
    assert not found_in(repr((plans, taken)).encode())


def test_a_transcript_has_no_password(mixed: Cells) -> None:
    """A gateway that asks for the password again, for sudo."""
    done = mixed("apply", "--auto-approve", "-v", "-l", "gw3", "-e", "segctl_transcript=said")
    assert done.code == 0
    text = (mixed.folder / "said/gw3.txt").read_bytes()
    assert b"nft 0" in text
    assert not found_in(text)


_LET_IN, _REFUSED = 0, 2  # what paramiko calls AUTH_SUCCESSFUL and AUTH_FAILED


class KeysOnly(Manners):
    """A gateway that lets in who has the key."""

    def __init__(self, key: bytes) -> None:
        super().__init__(_nothing)
        self.key = key
        self.words: list[str] = []

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "publickey,password"

    def check_auth_publickey(self, username: str, key: Any) -> int:
        del username
        return _LET_IN if key.asbytes() == self.key else _REFUSED

    def check_auth_password(self, username: str, password: str) -> int:
        del username
        self.words.append(password)
        return _REFUSED


def _nothing(visit: Visit) -> None:
    visit.status(1)
    visit.eof()
    visit.close()


@pytest.mark.parametrize("opens", ["right", "wrong", ""])
def test_a_passphrase_and_the_key_that_it_opens_are_nowhere(tmp_path: Path, opens: str) -> None:
    library: Any = asyncssh  # its types are not whole
    made = library.generate_private_key("ssh-ed25519")
    file = Path(_private(tmp_path / "key", ""))
    file.write_bytes(made.export_private_key("openssh", passphrase=canary("ssh-key")))
    secret = file.read_bytes().split(b"\n")[1:-2]
    word = {"right": canary("ssh-key"), "wrong": canary("any"), "": ""}[opens]
    manners = KeysOnly(made.public_data)
    with serving(manners) as target:
        (tmp_path / "hosts.yml").write_text(
            "all: {hosts: {gw1: {ansible_network_os: nftables, ansible_user: operator, "
            f"ansible_host: 127.0.0.1, ansible_port: {target.port}, segctl_transcript: said, "
            f"segctl_ssh_fingerprint: '{target.ssh_fingerprint}', segctl_timeout: 20, "
            f"ansible_ssh_private_key_file: '{file}', segctl_zone_map: {{c: {{zone: C, "
            "interfaces: [eth1]}}}}, vars: {segctl_site: s, "
            "segctl_zones: {c: {networks: [10.0.0.0/24]}}}}\n",
            encoding="utf-8",
        )
        told = b""
        for words in (["plan", "-v"], ["plan", "--json"], ["snapshot"], ["inventory", "--list"]):
            found = subprocess.run(
                [sys.executable, "-m", "segctl.cli", "-i", "hosts.yml", *words],
                cwd=tmp_path,
                env=environment(SEGCTL_PASSWORD=word, SEGCTL_TRACEBACK="1"),
                capture_output=True,
                check=False,
            )
            assert b"Traceback" not in found.stderr
            told += found.stdout + found.stderr
    written = b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != file
    )
    assert (b"login: done" in written) == (opens == "right")
    assert b"gw1" in told
    ends = {"right": b"did not answer", "wrong": b"does not open it", "": b"is encrypted"}
    assert ends[opens] in told
    for data in (told, written):
        assert not found_in(data)
        assert not [line for line in secret if line in data]
