"""`segctl mock serve` as a process of its own, and the inventory overlay it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cli_support import PASSWORD, USER, environment, serve
from segctl.cli import run

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

KEYS = {
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_password",
    "segctl_ca_file",
}


@contextmanager
def serving(folder: Path, *words: str) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "segctl.cli", "mock", "serve", "-i", "hosts.yml", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving fw1 127.0.0.1:")
        yield process
    finally:
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert not err


def overlay(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text("utf-8"))["all"]["hosts"]
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_overlay_has_the_keys_of_the_contract(folder: Path, number: int) -> None:
    with serving(folder, "--endpoints", "over.yml") as process:
        hosts = overlay(folder / "over.yml")
        assert list(hosts) == ["fw1", "fw2"]
        for values in hosts.values():
            assert set(values) >= KEYS
            assert values["ansible_host"] == "127.0.0.1"
            assert (values["ansible_user"], values["ansible_password"]) == (USER, PASSWORD)
            assert os.access(values["segctl_ca_file"], os.R_OK)
        assert (folder / "over.yml").stat().st_mode & 0o777 == 0o600
        assert run(["plan", "-i", "hosts.yml", "-i", "over.yml"]) == 0
        stop(process, number)


def test_hosts_without_an_account_get_one(folder: Path) -> None:
    hosts = folder / "hosts.yml"
    text = hosts.read_text("utf-8").replace(f"ansible_user: {USER}", "")
    hosts.write_text(text.replace(f"ansible_password: {PASSWORD}", ""), encoding="utf-8")
    with serving(folder, "--endpoints", "over.yml") as process:
        assert all(values["ansible_user"] for values in overlay(folder / "over.yml").values())
        assert run(["plan", "-i", "hosts.yml", "-i", "over.yml"]) == 0
        stop(process)


def test_the_state_survives_a_restart(folder: Path) -> None:
    both = ["-i", "hosts.yml", "-i", "over.yml"]
    words = ("--state", "state", "--endpoints", "over.yml")
    with serving(folder, *words) as process:
        before = overlay(folder / "over.yml")
        assert run([*both, "plan", "--detailed-exitcode"]) == 2
        assert run([*both, "apply", "--auto-approve"]) == 0
        stop(process)
    with serving(folder, *words) as process:
        assert overlay(folder / "over.yml") == before
        assert run([*both, "plan", "--detailed-exitcode"]) == 0
        assert run([*both, "drift"]) == 0
        stop(process)


def test_without_a_place_for_the_overlay_it_says_where_it_is(folder: Path) -> None:
    with serving(folder) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("use them with: -i hosts.yml -i ")
        path = line.split()[-1]
        assert run(["plan", "-i", "hosts.yml", "-i", path]) == 0
        stop(process)
    assert not os.path.exists(path)  # noqa: PTH110 - a word of the output


def test_what_is_printed_can_be_pasted(folder: Path) -> None:
    with serving(folder, "--endpoints", "over lay.yml") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "use them with: -i hosts.yml -i 'over lay.yml'\n"
        stop(process)


def test_the_overlay_names_known_hosts(folder: Path) -> None:
    with serving(folder, "--endpoints", "over.yml"):
        for values in overlay(folder / "over.yml").values():
            assert "segctl_known_hosts" in values


def test_a_host_holds_the_configuration_it_is_given(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = (
        '<config version="10.1.0" detail-version="10.1.9"><devices>'
        '<entry name="localhost.localdomain"><vsys><entry name="vsys1"><zone>'
        '<entry name="CTRL"><network><layer3/></network></entry>'
        '<entry name="SUPV"><network><layer3/></network></entry></zone><rulebase><security><rules>'
        '<entry name="theirs"><from><member>CTRL</member></from><to><member>SUPV</member></to>'
        "<source><member>any</member></source><destination><member>any</member></destination>"
        "<application><member>ssl</member></application><service><member>any</member></service>"
        "<action>allow</action></entry></rules></security></rulebase></entry></vsys></entry>"
        "</devices></config>"
    )
    (folder / "fw1.xml").write_text(config, encoding="utf-8")
    with serving(folder, "--endpoints", "over.yml", "--config", "fw1=fw1.xml") as process:
        given = ["-i", "hosts.yml", "-i", "over.yml", "-l", "fw1"]
        assert run(["drift", *given, "--json"]) == 2
        (found,) = json.loads(capsys.readouterr().out)["devices"]
        assert [item["name"] for item in found["unmanaged"]] == ["theirs"]
        assert run(["plan", *given]) == 1  # the interfaces of its zones are not what we declare
        assert "ethernet1/2" in capsys.readouterr().out
        stop(process)


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("fw9=fw1.xml", "fw9: no mock is served for it; those are fw1, fw2"),
        ("fw1=hosts.yml", "fw1: not XML"),
        ("fw1=other.xml", "it has no virtual system"),
        ("fw1", "'fw1' is not HOST=FILE"),
        ("fw1=missing.xml", "missing.xml: No such file"),
    ],
)
def test_a_configuration_that_cannot_be_served(
    option: str, complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "fw1.xml").write_text("<config/>", encoding="utf-8")
    (folder / "other.xml").write_text("<config/>", encoding="utf-8")
    assert run(["mock", "serve", "-i", "hosts.yml", "--config", option]) == 1
    assert complaint in capsys.readouterr().err


def refused(folder: Path, *words: str) -> str:
    """Serve, which ends at once; return why."""
    found = subprocess.run(
        [sys.executable, "-m", "segctl.cli", "mock", "serve", "-i", "hosts.yml", *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 1
    assert not found.stdout
    return found.stderr


def test_the_mocks_are_reached_and_not_the_firewall_of_the_host_variables(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The firewall that ``host_vars`` name is another mock: nothing may ask it for anything."""
    with serve(folder) as real:
        port, ca_file = real["fw1"].port, real.ca_file
        with (folder / "host_vars/fw1.yml").open("a", encoding="utf-8") as file:
            file.write(
                f"ansible_host: 127.0.0.1\nansible_port: {port}\nsegctl_ca_file: {ca_file}\n"
                "segctl_known_hosts: /etc/plant/known_hosts\nansible_user: ops\n"
                f"segctl_tls_fingerprint: {'ab' * 32}\nsegctl_ssh_fingerprint: SHA256:theirs\n"
                "ansible_ssh_private_key_file: /home/ops/.ssh/id_ed25519\n"
            )
        with serving(folder, "--endpoints", "over.yml") as process:
            both = ["-i", "hosts.yml", "-i", "over.yml"]
            assert overlay(folder / "over.yml")["fw1"]["ansible_user"] == "ops"
            asked = real["fw1"].requests
            assert run(["apply", *both, "--auto-approve"]) == 0
            assert run(["plan", *both, "--detailed-exitcode"]) == 0
            assert real["fw1"].requests == asked
            capsys.readouterr()
            assert run(["inventory", *both, "--host", "fw1"]) == 0
            out, err = capsys.readouterr()
            assert json.loads(out)["ansible_port"] == port
            assert "fw1: in Ansible's view" in err
            stop(process)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("-e", "ansible_host=192.0.2.7"), "--extra-vars give ansible_host"),
        (("-e", "ansible_port=22"), "--extra-vars give ansible_port"),
        (("--endpoints", "over.txt"), "over.txt"),
    ],
)
def test_an_overlay_that_does_not_lead_to_the_mocks_is_not_handed_out(
    folder: Path, words: tuple[str, ...], complaint: str
) -> None:
    assert complaint in refused(folder, *words)


def test_a_firewall_without_a_mock_is_led_nowhere(folder: Path) -> None:
    hosts = folder / "hosts.yml"
    hosts.write_text(
        hosts.read_text("utf-8").replace("fw2: {}", "fw2: {ansible_network_os: cisco.asa.asa}"),
        encoding="utf-8",
    )
    with serving(folder, "--endpoints", "over.yml") as process:
        found = overlay(folder / "over.yml")["fw2"]
        assert found["ansible_host"] == "not-served.invalid"
        assert found["segctl_mock"] is True
        assert process.stdout is not None
        assert process.stdout.readline().startswith("use them with: ")
        assert run(["plan", "-i", "hosts.yml", "-i", "over.yml", "-l", "fw1"]) == 0
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert err == (
            "segctl: fw2: segctl has no mock of its platform, so the overlay leads nowhere\n"
        )
