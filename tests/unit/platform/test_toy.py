"""The provider that docs/add-a-platform.md makes, in a package of its own, keeps every law."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from segctl.cli import run
from segctl.inventory import load
from segctl.inventory.devices import platform_hint, platform_of
from segctl.model.errors import ApplyError, AuthError, UnsupportedError
from segctl.model.site import Device, ZoneBinding
from segctl.operations.demo import fleet
from segctl.protocols import catalogue
from segctl.providers import base
from segctl.providers.base import Provider, application_names, provider
from segctl.testing import LAWS, check_provider
from segctl.transports.credentials import Secret
from segctl.transports.target import Target
from unit.platform.toy.segctl_toyos_mock import ToyDevice, other_rule

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from hypothesis.strategies import DataObject

    from segctl.model.errors import Problem
    from segctl.model.policy import DeclaredPolicy, DeclaredRule, Policy, Rule
    from segctl.providers.base import Live

TODAY = date(2026, 11, 28)
TOY = Path(__file__).with_name("toy")
_EDITS = ("others", "action", "delete", "move", "rename", "strange")
ZONES = {"CTRL": ["p1"], "SUPV": ["p2"], "DMZ": ["p3"]}


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put the package where an installer would, with the entry points its pyproject.toml names."""
    project: dict[str, Any] = tomllib.loads((TOY / "pyproject.toml").read_text("utf-8"))["project"]
    site = tmp_path / "site-packages"
    facts = site / f"segctl_toyos-{project['version']}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", "utf-8"
    )
    lines = [
        text
        for group, entries in project["entry-points"].items()
        for text in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (facts / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")
    for package in ("segctl_toyos", "segctl_toyos_mock"):
        (site / package).symlink_to(TOY / package)
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    for name in [name for name in sys.modules if name.startswith("segctl_toyos")]:
        monkeypatch.delitem(sys.modules, name)
    yield site
    # the next test of this process has no such platform
    base._entry.cache_clear()  # pyright: ignore[reportPrivateUsage] - as the next
    base._provider.cache_clear()  # pyright: ignore[reportPrivateUsage] - there is no other way


@pytest.fixture(scope="module", autouse=True)
def few_examples() -> Iterator[None]:
    """As many examples as the laws of segctl's own providers get."""
    before = settings.default
    settings.register_profile(
        "toy",
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    settings.register_profile("before toy", before)
    settings.load_profile("toy")
    yield
    settings.load_profile("before toy")


@pytest.fixture(scope="module")
def device() -> Iterator[ToyDevice]:
    made = ToyDevice(ZONES)
    yield made
    made.stop()


@pytest.fixture
def fresh(device: ToyDevice) -> ToyDevice:
    device.reset(ZONES)
    return device


# --- the laws ------------------------------------------------------------------------------------


@dataclass(slots=True)
class ToyBench:
    """One device under test, with other administrators at work."""

    device: ToyDevice
    made: int = 0

    @property
    def target(self) -> Target:
        return Target(
            name="fw1",
            host="127.0.0.1",
            port=self.device.port,
            user="ops",
            password=Secret("pw"),
            timeout=5,
        )

    @property
    def locks(self) -> int:
        return int(self.device.holder is not None)

    def met(self) -> Sequence[bytes]:
        return [text.encode() for text in self.device.history]

    def printed(self) -> str:
        return self.device.shown()

    def others(self) -> str:
        return json.dumps([rule for rule in self.device.rules if not _ours(rule)])

    def bystand(self, data: DataObject) -> None:
        for _ in range(data.draw(st.integers(0, 3), "rules of others")):
            self._other(data)

    def _other(self, data: DataObject) -> None:
        self.made += 1
        rule = other_rule(
            f"o-{self.made}",
            source=data.draw(st.sampled_from((["any"], ["10.1.0.10/32"], ["10.2.0.0/16"]))),
            service=data.draw(st.sampled_from((["any"], ["tcp/443", "udp/53"]))),
            action=data.draw(st.sampled_from(("allow", "deny"))),
        )
        rules = [*self.device.rules]
        rules.insert(data.draw(st.integers(0, len(rules)), "place"), rule)
        self.device.put(rules)

    def disturb(self, data: DataObject) -> None:
        for _ in range(data.draw(st.integers(0, 4), "edits by hand")):
            rules = [dict(rule) for rule in self.device.rules]
            ours = [rule for rule in rules if _ours(rule)]
            how = data.draw(st.sampled_from(_EDITS), "edit")
            if how == "others":
                self._other(data)
                continue
            if not ours:
                return
            rule = data.draw(st.sampled_from(ours), "rule")
            if how in ("delete", "move"):
                rules.remove(rule)
            if how == "move":
                rules.insert(data.draw(st.integers(0, len(rules)), "place"), rule)
            self.made += 1
            opposite = "deny" if rule["action"] == "allow" else "allow"
            edits = {
                "action": {"action": opposite},
                "rename": {"name": f"renamed-{self.made}"},
                "strange": {"quality": "best effort"},
            }
            rule |= edits.get(how, {})
            self.device.put(rules)

    def sever(self, request: int, how: Literal["before", "after", "within"]) -> None:
        self.device.cut = (request, how)

    def mend(self) -> None:
        self.device.cut = None


def _ours(rule: dict[str, Any]) -> bool:
    return str(rule["note"]).startswith("segctl")


@dataclass(slots=True)
class ToyHarness:
    """The provider as segctl finds it, and a device."""

    on: ToyDevice
    anchor: str = "o-anchor"
    provider: Provider = field(default_factory=lambda: provider("toyos"))

    @property
    def device(self) -> Device:
        return Device(
            name="fw1",
            platform="toyos",
            zones=tuple(
                ZoneBinding(zone=f"site/{name.lower()}", name=name, interfaces=tuple(ports))
                for name, ports in ZONES.items()
            ),
        )

    @contextmanager
    def workbench(self) -> Generator[ToyBench]:
        self.on.reset(ZONES)
        yield ToyBench(self.on)

    def widest(self, rule: DeclaredRule) -> Rule:
        return rule.fitted()


@pytest.mark.parametrize("law", LAWS)
def test_law(law: str, device: ToyDevice) -> None:
    LAWS[law](ToyHarness(device))


def test_check_provider_is_all_of_them(device: ToyDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[object] = []
    for name in LAWS:
        monkeypatch.setitem(LAWS, name, held.append)
    check_provider(ToyHarness(device))
    assert len(held) == len(LAWS) == 10


class Toy:
    """The toy's provider, to be changed where a law is to find it out."""

    def __init__(self) -> None:
        self.toy = provider("toyos")
        self.name = self.toy.name
        self.capabilities = self.toy.capabilities
        self.parse = self.toy.parse
        self.render = self.toy.render
        self.connect = self.toy.connect

    def fit(self, policy: DeclaredPolicy, device: Device) -> tuple[Policy, tuple[Problem, ...]]:
        return self.toy.fit(policy, device)


class Forgetful(Toy):
    """Plans well enough, but nobody could tell from a device what a rule is for."""

    def __init__(self) -> None:
        super().__init__()
        self.parse = self._parse

    def fit(self, policy: DeclaredPolicy, device: Device) -> tuple[Policy, tuple[Problem, ...]]:
        fitted, notes = super().fit(policy, device)
        return _unmarked(fitted), notes

    def _parse(self, config: bytes) -> Live:
        live = self.toy.parse(config)
        return replace(live, policy=_unmarked(live.policy))


def _unmarked(policy: Policy) -> Policy:
    return policy.replace(rules=(replace(rule, conduit="", flow="") for rule in policy.rules))


class Orderly(Toy):
    """Names its rules after the zone that the inventory names first."""

    def fit(self, policy: DeclaredPolicy, device: Device) -> tuple[Policy, tuple[Problem, ...]]:
        fitted, notes = super().fit(policy, device)
        first = device.zones[0].name
        rules = (replace(rule, name=f"{first}.{rule.name}") for rule in fitted.rules)
        return fitted.replace(rules=rules), notes


@pytest.mark.parametrize(
    ("broken", "law"), [(Forgetful, "imports_to_nothing"), (Orderly, "order_means_nothing")]
)
def test_a_provider_that_breaks_a_law_fails_it_alone(
    broken: type[Toy], law: str, device: ToyDevice
) -> None:
    harness = ToyHarness(device, provider=broken())
    LAWS["converges"](harness)
    with pytest.raises(AssertionError):
        LAWS[law](harness)


def test_a_read_only_session_sends_nothing_that_writes(fresh: ToyDevice) -> None:
    bench = ToyBench(fresh)
    with provider("toyos").connect(bench.target, read_only=True) as session:
        with pytest.raises(ApplyError, match="read-only"):
            session.push("[]")
        with pytest.raises(ApplyError, match="read-only"), session.lock():
            pass
    assert fresh.verbs == ["login"]


# --- the command line ----------------------------------------------------------------------------


@pytest.fixture
def where(tmp_path: Path, fresh: ToyDevice, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "hosts.yml"
    zones = "".join(f"    {name.lower()}: {{zone: {name}}}\n" for name in ZONES)
    path.write_text(
        f"""\
all:
  hosts:
    gate:
      ansible_network_os: example.toyos.toyos
      ansible_host: 127.0.0.1
      ansible_port: {fresh.port}
      ansible_user: ops
      ansible_password: pw
  vars:
   segctl_zone_map:
{zones}   segctl_zones:
    ctrl: {{networks: [10.1.0.0/24], assets: {{plc1: 10.1.0.11}}}}
    supv: {{networks: [10.2.0.0/24], assets: {{scada1: 10.2.0.5}}}}
    dmz: {{networks: [10.3.0.0/24]}}
   segctl_conduits:
    web:
      from: supv
      to: ctrl
      reason: Web pages of the controllers
      owner: automation
      flows:
        https: {{source: [scada1], destination: [plc1], services: [tcp/443], essential: true}}
""",
        "utf-8",
    )
    return ["-i", str(path)]


def test_plan_apply_and_drift(
    where: list[str], fresh: ToyDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*where, "validate"]) == 0
    assert run([*where, "plan", "--detailed-exitcode"]) == 2
    shown = capsys.readouterr().out
    assert "gate  (ToyOS 1.2, serial TOY-1, 1 rule)" in shown
    assert "+ rule web.https" in shown
    assert fresh.verbs == ["login", "show"]
    assert run([*where, "apply", "--auto-approve"]) == 0
    assert run([*where, "plan", "--detailed-exitcode"]) == 0
    assert run([*where, "drift"]) == 0
    (mine,) = (rule for rule in fresh.rules if rule["name"] == "web.https")
    assert mine["service"] == ["tcp/443"]
    fresh.put([{**rule, "service": ["any"]} if rule is mine else rule for rule in fresh.rules])
    capsys.readouterr()
    assert run([*where, "drift"]) == 2
    assert "changed: rule web.https" in capsys.readouterr().out
    assert run([*where, "apply", "--auto-approve"]) == 0
    assert run([*where, "drift"]) == 0
    assert fresh.holder is None


def test_what_it_cannot_express_is_an_error(
    where: list[str], fresh: ToyDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(where[1])
    text = path.read_text("utf-8")
    path.write_text(text.replace("services: [tcp/443]", "protocols: {modbus: [read]}"), "utf-8")
    assert run([*where, "plan"]) == 1
    assert "ToyOS knows no protocols" in capsys.readouterr().out
    assert "commit" not in fresh.verbs


def test_a_wrong_password_is_an_auth_error(fresh: ToyDevice) -> None:
    bench = ToyBench(fresh)
    wrong = Target(name="fw1", host="127.0.0.1", port=fresh.port, password=Secret("no"))
    with (
        pytest.raises(AuthError, match="wrong password"),
        provider("toyos").connect(wrong, read_only=True),
    ):
        pass
    assert bench.locks == 0


def test_only_what_is_installed_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    assert platform_hint("acme.toys.toyoss") == "did you mean acme.toys.toyos?"
    assert platform_of("acme.toys.toyos") == "toyos"
    monkeypatch.setattr(sys, "path", sys.path[1:])
    assert platform_hint("acme.toys.toyoss") == "one of nftables, panos"


def test_a_provider_without_words_of_its_own_is_asked_in_those_of_checks() -> None:
    spoken = application_names(provider("toyos"))(catalogue().get("modbus"), ("write", "read"))
    assert spoken.names == spoken.own == ("modbus.read", "modbus.write")
    with pytest.raises(UnsupportedError, match="no access class 'reed'"):
        application_names(provider("toyos"))(catalogue().get("modbus"), ("reed",))


# --- its mock ------------------------------------------------------------------------------------


@contextmanager
def serving(folder: Path, site: Path, hosts: Path) -> Generator[list[str]]:
    """Run `segctl mock serve` in a process of its own, with the package installed."""
    command = [sys.executable, "-m", "segctl.cli", "mock", "serve", "-i", str(hosts)]
    paths = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [*command, "--endpoints", "mocks.yml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("serving gate 127.0.0.1:")
            yield ["-i", str(hosts), "-i", str(folder / "mocks.yml")]
        finally:
            process.kill()


def test_mock_serve_serves_the_mock_of_another_package(
    where: list[str], tmp_path: Path, installed: Path, fresh: ToyDevice
) -> None:
    with serving(tmp_path, installed, Path(where[1])) as both:
        assert "segctl_mock: true" in (tmp_path / "mocks.yml").read_text("utf-8")
        assert run([*both, "plan", "--detailed-exitcode"]) == 2
        assert run([*both, "apply", "--auto-approve"]) == 0
        assert run([*both, "plan", "--detailed-exitcode"]) == 0
    assert not fresh.verbs  # the address of hosts.yml is not the mock's


def test_the_demo_tells_its_story_on_it(
    where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*where, "demo"]) == 0
    shown = capsys.readouterr().out
    assert "Mock firewalls answer: gate over JSON lines." in shown
    assert "A contractor, on gate: opens rule web.https to any service." in shown


def test_a_configuration_is_the_business_of_its_mock(
    where: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gate.txt").write_text("{}", "utf-8")
    assert run([*where, "mock", "serve", "--config", f"gate={tmp_path / 'gate.txt'}"]) == 1
    assert "gate: a ToyOS mock takes no configuration" in capsys.readouterr().err


def test_a_platform_without_a_mock_is_led_nowhere(
    where: list[str], installed: Path, tmp_path: Path
) -> None:
    file = next(installed.glob("*.dist-info")) / "entry_points.txt"
    file.write_text(file.read_text("utf-8").partition("[segctl.mocks]")[0], "utf-8")
    loaded = load([Path(where[1])], limit=None, today=TODAY)
    with fleet(loaded, TODAY, overlay=tmp_path / "mocks.yml") as running:
        assert running.nowhere == ["gate"]
        assert running.entries["gate"]["ansible_host"] == "not-served.invalid"


def test_the_mock_imports_nothing_of_segctl() -> None:
    text = (TOY / "segctl_toyos_mock/__init__.py").read_text("utf-8")
    imported = re.findall(r"^(?:from|import) (\w+)", text, flags=re.MULTILINE)
    assert imported
    assert not {name for name in imported if name.startswith("segctl")}
