"""Arguments: global options before or after the command, help, usage errors, what loads."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import segctl
from cli_support import ROOT, Plant, environment
from segctl.cli import run
from segctl.cli.arguments import hoist
from segctl.cli.commands import OVERVIEW, tree
from segctl.cli.examples import EXAMPLES
from segctl.planning.documents import schema

if TYPE_CHECKING:
    from pathlib import Path

CONTAINING = ("--for", "--reason", "--cut-essential", "--until-restart", "--auto-approve")
COMMANDS = {
    "validate": (),
    "explain": ("RULE",),
    "inventory": ("--list", "--host", "--graph", "--vars", "--playbook-dir"),
    "plan": (
        "-o",
        "--out",
        "--detailed-exitcode",
        "--diff",
        "--brief",
        "--valid-for",
        "--allow-disruption",
        "--reason",
    ),
    "show": (
        "FILE",
        "--diff",
        "--brief",
        "--same-as",
        "--markdown",
        "--sarif",
        "--junit",
        "--html",
    ),
    "apply": (
        "--require-replay",
        "FILE",
        "--auto-approve",
        "--check",
        "--diff",
        "--brief",
        "--allow-purge",
        "--allow-mass-delete",
    ),
    "drift": (
        "--baseline",
        "--write-baseline",
        "--owner",
        "--expires",
        "--history",
        "--no-history",
        "--keep-days",
        "--env",
        "--metrics",
        "--pushgateway",
        "--plan",
        "--webhook",
        "--webhook-template",
        "--notify",
        "--drawing",
    ),
    "contain host": ("ADDRESS", *CONTAINING),
    "contain asset": ("NAME", *CONTAINING),
    "contain zone": ("NAME", *CONTAINING),
    "contain list": (),
    "contain status": ("--heal",),
    "contain watch": ("--every", "--heal"),
    "contain release": ("NAME", "--reason"),
    "island begin": ("NAME", *CONTAINING),
    "island end": ("NAME", "--reason"),
    "island list": (),
    "island status": ("--heal",),
    "history": ("[HOST|verify]", "--since", "--expect", "--csv"),
    "drift history": ("--device", "--since", "--open", "--all", "--history", "--env"),
    "check": (
        "FILE",
        "--from",
        "--to",
        "--application",
        "--protocol",
        "--port",
        "--user",
        "--expect",
        "--declared",
        "--offline",
        "--env",
        "--markdown",
        "--sarif",
        "--junit",
        "--gitlab",
        "--html",
    ),
    "lint": (
        "HOST",
        "--declared",
        "--offline",
        "--markdown",
        "--sarif",
        "--junit",
        "--gitlab",
        "--html",
        "--env",
    ),
    "prove": ("--declared", "--offline", "--same"),
    "evidence": (
        "-o",
        "--out",
        "--sr",
        "--offline",
        "--decisions",
        "--since",
        "--history",
        "--html",
        "--oscal",
        "--csv",
        "--sign",
    ),
    "evidence verify": ("DIR", "--keys"),
    "evidence diff": ("OLD", "NEW"),
    "query": (
        "--from",
        "--to",
        "--declared",
        "--live",
        "--both",
        "--offline",
        "--pivot",
        "--csv",
    ),
    "review": (
        "CONDUIT",
        "--within",
        "--usage",
        "--records",
        "--from-devices",
        "--keep-until",
        "--narrow",
        "--retire",
        "--by",
        "--reason",
        "-o",
        "--out",
        "--detailed-exitcode",
    ),
    "usage": ("--since", "--hit-counts"),
    "matrix": ("--declared", "--live", "--both", "--offline", "--csv", "-o", "--out"),
    "graph": (
        "-o",
        "--out",
        "--site",
        "--fold",
        "--conduit",
        "--firewall",
        "--from",
        "--to",
        "--positions",
        "--live",
        "--offline",
    ),
    "site": (
        "-o",
        "--out",
        "--site",
        "--live",
        "--offline",
        "--plan",
        "--checks",
        "--evidence",
        "--history",
    ),
    "list": ("KIND", "--due", "--owner", "--csv"),
    "replay": (
        "PLAN",
        "FILE",
        "--declared",
        "--island",
        "--from-devices",
        "--calibrate",
        "--offline",
        "-o",
        "--out",
        "--sign",
        "--since",
        "--timezone",
        "--markdown",
        "--html",
        "--env",
    ),
    "discover": (
        "FILE",
        "--from-devices",
        "--since",
        "--exclude",
        "--grade",
        "--leases",
        "--names",
        "--timezone",
        "-o",
        "--out",
        "--markdown",
        "--html",
        "--env",
    ),
    "traffic": (
        "FILE",
        "--from-devices",
        "--by",
        "--since",
        "--timezone",
        "--markdown",
        "--html",
        "--env",
    ),
    "serve": (
        "--listen",
        "--every",
        "--name",
        "--tls-cert",
        "--tls-key",
        "--password-file",
        "--behind-proxy",
        "--proxy-user",
        "--proxy-ca",
        "--site",
        "--baseline",
        "--checks",
        "--history",
    ),
    "watch": (
        "FILE",
        "--from-devices",
        "--since",
        "--timezone",
        "--act",
        "--for",
        "--every",
        "--once",
        "--acknowledge",
        "--reason",
        "--webhook",
        "--webhook-template",
    ),
    "threats": (
        "FILE",
        "--from-devices",
        "--since",
        "--timezone",
        "--detailed-exitcode",
        "--markdown",
        "--html",
        "--env",
    ),
    "import": ("HOST", "-o", "--out"),
    "protocols": ("ID",),
    "schema": ("NAME",),
    "mock serve": ("--state", "--endpoints", "--traffic"),
    "mock traffic": (
        "-o",
        "--out",
        "--plant",
        "--seed",
        "--days",
        "--start",
        "--form",
        "--busy",
        "--gzip",
    ),
    "version": (),
    "demo": (),
}
GLOBAL = (
    "-i",
    "--inventory",
    "-l",
    "--limit",
    "-e",
    "--extra-vars",
    "--vault-id",
    "--vault-password-file",
    "--ask-vault-pass",
    "-f",
    "--forks",
    "--json",
    "-v",
)
HEAVY = (
    "cryptography",
    "jsonschema",
    "lxml",
    "netmiko",
    "panos",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "rich",
    "segctl.inventory",
    "segctl.planning.plan",
    "segctl_mocks",
    "sqlalchemy",
    "yaml",
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["plan", "-i", "X"], ["-i", "X", "plan"]),
        (["plan", "-iX"], ["-iX", "plan"]),
        (["plan", "--inventory=X", "-o", "f"], ["--inventory=X", "plan", "-o", "f"]),
        (["plan", "-v", "--json", "-f", "3"], ["-v", "--json", "-f", "3", "plan"]),
        (["plan", "-vl", "fw1"], ["-v", "-l", "fw1", "plan"]),
        (["-i", "X", "plan", "-l", "a:!b"], ["-i", "X", "-l", "a:!b", "plan"]),
        (["apply", "--", "-i"], ["apply", "--", "-i"]),
        (["plan", "-l"], ["-l"]),
        (
            ["mock", "serve", "-i", "X", "--state", "s"],
            ["-i", "X", "mock", "serve", "--state", "s"],
        ),
    ],
)
def test_global_options_move_to_the_front(words: list[str], expected: list[str]) -> None:
    assert hoist(words) == expected


def test_wherever_global_options_stand_they_mean_the_same(plant: Plant) -> None:
    def devices(*words: str) -> list[str]:
        plant.capsys.readouterr()
        assert run(words) == 0
        found = json.loads(plant.capsys.readouterr().out)
        return [device["name"] for device in found["devices"]]

    both = ["-i", "hosts.yml", "-i", "mocks.yml"]
    assert devices(*both, "--json", "plan") == ["fw1", "fw2"]
    assert devices("plan", "--json", *both) == ["fw1", "fw2"]
    assert devices("plan", "--inventory=hosts.yml", "--inventory=mocks.yml", "--json") == [
        "fw1",
        "fw2",
    ]
    assert devices("-ihosts.yml", "plan", "-imocks.yml", "--json", "-f1") == ["fw1", "fw2"]
    assert devices("plan", *both, "-lfw2", "--json") == ["fw2"]
    assert devices("--limit", "fw2", "plan", *both, "--json", "--forks=1") == ["fw2"]


@pytest.mark.usefixtures("folder")
def test_the_inventory_folder_is_the_default(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = folder / "inventory"
    inner.mkdir()
    for name in ("hosts.yml", "group_vars", "host_vars"):
        (folder / name).rename(inner / name)
    assert run(["validate"]) == 0
    assert "2 firewalls" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_mentions_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    wanted = [*COMMANDS[command], *GLOBAL]
    assert [word for word in wanted if word.lower() not in text.lower()] == []
    assert run([*command.split(), "-h"]) == 0


def test_the_help_of_segctl_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    missing = [name for name in COMMANDS if f"\n  {name.split()[0]} " not in text]
    assert missing == []
    assert [word for word in GLOBAL if word not in text] == []
    assert "Exit status" in text
    assert run(["--version"]) == 0


def test_every_command_has_examples_in_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert EXAMPLES.keys() == {
        "",
        "contain",
        "island",
        "mock",
        *COMMANDS,
        "fmt",
        "snapshot",
        "verify",
    }
    for command, lines in EXAMPLES.items():
        assert run([*command.split(), "--help"]) == 0
        text = capsys.readouterr().out
        assert 1 <= len(lines) <= 2
        assert [line for line in lines if f"\n    {line}\n" not in text] == [], command


@pytest.mark.parametrize(
    ("command", "line"), [(name, line) for name, lines in EXAMPLES.items() for line in lines]
)
def test_every_example_is_understood(command: str, line: str) -> None:
    name, *words = shlex.split(line)
    assert name == "segctl"
    program: Any = tree()
    at = program.make_context("segctl", hoist(words))
    path: list[str] = []
    while at.args or at._protected_args:
        word, inner, rest = at.command.resolve_command(at, [*at._protected_args, *at.args])
        path.append(word)
        at = inner.make_context(word, rest, parent=at)
    assert not hasattr(at.command, "commands") or at.command.name in {"drift", "evidence"}
    assert " ".join(path).startswith(command)


def test_version_is_a_command_and_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"segctl {segctl.__version__} (Python 3.")
    assert run(["version", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == segctl.__version__
    jsonschema.validate(document, schema("version"))


def test_findings_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "skips-level"]) == 0
    told = capsys.readouterr().out
    assert "A level is skipped" in told
    assert "IEC 62443-3-3 SR 5.1" in told
    assert run(["explain", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("explain"))
    assert {"skips-level", "expired", "hole"} <= {one["id"] for one in document["rules"]}
    assert run(["explain", "skip-level"]) == 1
    assert "did you mean skips-level?" in capsys.readouterr().err


def test_the_overview_says_what_the_commands_say() -> None:
    program: Any = tree()
    assert OVERVIEW.keys() == program.commands.keys()
    for name, command in program.commands.items():
        assert (command.help or "").split("\n\n")[0] == OVERVIEW[name]


def test_the_overview_loads_no_command() -> None:
    code = (
        "import sys\nfrom segctl.cli import run\nassert run(['--help']) == 0\n"
        "assert 'segctl.cli.plan' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f"\n  {name} " in done.stdout for name in OVERVIEW)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no command"),
        (["mock"], "no command"),
        (["pln"], "Did you mean 'plan'"),
        (["plan", "--nope"], "No such option: --nope"),
        (
            ["plan", "--limt", "fw1"],
            "No such option: --limt. Did you mean --limit? (see: segctl plan",
        ),
        (["--limt", "fw1", "plan"], "Did you mean --limit?"),
        (["plan", "--dif"], "Did you mean --diff?"),
        (["fmt", "--auto-aprove"], "No such option: --auto-aprove (see: segctl fmt --help)"),
        (["drift", "histroy"], "Did you mean 'history'?"),
        (["plan", "--limit"], "--limit"),
        (["plan", "-o"], "-o"),
        (["plan", "surplus"], "surplus"),
        (["plan", "--forks", "many"], "many"),
        (["plan", "--forks", "0"], "0"),
        (["apply", "--valid-for", "1"], "--valid-for"),
        (["show"], "FILE"),
        (["schema", "plans"], "plans"),
        (["inventory"], "--list"),
        (["inventory", "--list", "--graph"], "--list"),
        (["protocols", "typo"], "typo"),
        (["show", "absent.json"], "absent.json"),
        (["plan", "-i", "absent"], "absent"),
        (["plan", "-o", "absent/plan.json"], "no folder absent"),
        (["drift", "--baseline", "absent.yml"], "absent.yml"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_usage_error_is_one_message_and_exit_1(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = words if "-i" in words else ["-i", "hosts.yml", *words] if words else words
    assert run(given) == 1
    out, err = capsys.readouterr()
    assert not out
    assert message.lower() in err.lower()
    assert "Traceback" not in err
    assert run(["--json", *given]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] in {"usage", "inventory", "plan_format", "error"}
    assert err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from segctl.cli import run\n"
        "assert run(['--help']) == 0\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(done.stderr.split())
    assert "segctl.cli" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_an_internal_error_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_words: object, **_values: object) -> None:
        raise ZeroDivisionError("so it goes")

    monkeypatch.setattr("segctl.inventory.loading.load", broken)
    monkeypatch.delenv("SEGCTL_TRACEBACK", raising=False)
    assert run(["-i", str(folder / "hosts.yml"), "validate"]) == 1
    assert "a defect in segctl" in (err := capsys.readouterr().err)
    assert "ZeroDivisionError: so it goes" in err
    assert "Traceback" not in err


def test_a_reader_that_goes_away_is_no_error_message(plant: Plant) -> None:
    command = [*plant.command("plan", "--diff"), "|", "head", "-1"]
    shell = " ".join(command)
    done = subprocess.run(
        ["bash", "-c", shell],
        capture_output=True,
        text=True,
        check=False,
        cwd=plant.folder,
        env=environment(),
    )
    assert done.stdout.startswith("fw1")
    assert not done.stderr


def test_nothing_is_lost_silently_on_a_full_disk(plant: Plant) -> None:
    shell = " ".join([*plant.command("plan", "--json"), ">", "/dev/full"])
    done = subprocess.run(
        ["bash", "-c", shell],
        capture_output=True,
        text=True,
        check=False,
        cwd=plant.folder,
        env=environment(),
    )
    assert done.returncode == 1
    assert "output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("given", "hours"), [("30m", 0.5), ("2", 2), ("0.5", 0.5), ("7d", 168)])
def test_a_plan_is_valid_for_a_duration(given: str, hours: float, plant: Plant) -> None:
    plant.capsys.readouterr()
    assert run(["-i", "hosts.yml", "-i", "mocks.yml", "plan", "--json", "--valid-for", given]) == 0
    document = json.loads(plant.capsys.readouterr().out)
    made, expires = (datetime.fromisoformat(document[key]) for key in ("created", "expires"))
    assert (expires - made).total_seconds() == hours * 3600


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "--valid-for", "soon"], "'soon' is not a duration such as 30s, 5m, 2h or 7d"),
        (["plan", "--valid-for", "1s"], "--valid-for must be from 36s to 36500d, not 1s"),
        (["drift", "--keep-days", "12h"], "--keep-days must be from 1d to 36500d, not 12h"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_duration_that_cannot_be_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-i", "hosts.yml", *words]) == 1
    assert message in capsys.readouterr().err
