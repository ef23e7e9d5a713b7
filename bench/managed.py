"""Firewalls behind one Panorama: requests, time and memory of a plan, beside pan-os-python."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.growth import exponents
from bench.measure import Case, Claim, Runs, run

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

#: Firewalls of one device group, and rules of each firewall.
MEMBERS, RULES = 10, 50
#: Device groups at 1 and 4 times the size: 200 firewalls and 10,000 rules at last.
GROUPS = (5, 20)
#: Requests that a plan may make for one device group, besides one for each firewall's template.
REQUESTS = 24
#: Time may grow as the size to this power.
MOST = 1.3
#: What is measured, in this order, and by whom.
_TURNS = (("unchanged", "segctl"), ("pan-os-python", "pan-os-python"), ("edited", "segctl"))
_HERE = Path(__file__).parent
_GROUP = "/config/devices/entry[@name='localhost.localdomain']/device-group/entry[@name='G01']"
_RULE = f"{_GROUP}/pre-rulebase/security/rules/entry[@name='plant.poll-01-01.f01']/application"


@dataclass(slots=True)
class _Mocks:
    """The process that serves the Panorama."""

    process: subprocess.Popen[str]
    port: int

    def ask(self, line: str) -> dict[str, int]:
        """Give it a line; return the requests since the last."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        found: dict[str, int] = json.loads(self.process.stdout.readline())
        return found


def managed(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Plan a plant behind one Panorama: unchanged, and after an edit in one device group.

    The policy is committed there, and was pushed to no firewall: pushing to mocks takes longer than
    all that is measured.
    """
    sizes, members, rules = ((1,), 2, 3) if quick else (GROUPS, MEMBERS, RULES)
    case = Case(
        "plan of firewalls behind one Panorama, over HTTPS: unchanged, and after an edit in one "
        "device group; pan-os-python fills its objects of the same groups"
    )
    for groups in sizes:
        case.results.append(_measured(groups, members, rules, rounds=1 if quick else 2))
    case.claims += _claims(case.results, members)
    return case


def _measured(groups: int, members: int, rules: int, *, rounds: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "groups": groups,
        "firewalls": groups * members,
        "rules": groups * members * rules,
    }
    with tempfile.TemporaryDirectory() as folder:
        hosts = Path(folder, "hosts.yml")
        hosts.write_text(inventory(groups, members, rules), encoding="utf-8")
        with _served(hosts, Path(folder, "mocks.yml")) as mocks:
            mocks.ask("away")
            _run("segctl", "prepare", folder, mocks.port, groups)
            mocks.ask("back")
            for name, contender in _TURNS:
                if name == "edited":
                    mocks.ask(f"edit {_RULE}")
                runs, asked = Runs(), dict[str, int]()
                for _ in range(rounds):
                    mocks.ask("count")
                    runs.samples.append(_run(contender, "plan", folder, mocks.port, groups))
                    asked = mocks.ask("count")
                result[name] = runs.as_json() | asked
    return result


def _run(contender: str, word: str, folder: str, port: int, groups: int) -> dict[str, Any]:
    arguments = (word, folder) if contender == "segctl" else (port, groups)
    return run(contender, *arguments, script=_HERE / "managed_contenders.py")


@contextmanager
def _served(hosts: Path, overlay: Path) -> Generator[_Mocks]:
    command = [sys.executable, str(_HERE / "managed_mocks.py"), str(hosts), str(overlay)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield _Mocks(process, int(json.loads(process.stdout.readline())["port"]))
        process.stdin.close()


def _claims(results: Sequence[Mapping[str, Any]], members: int) -> list[Claim]:
    small, large = results[0], results[-1]
    per_group = [one["unchanged"]["reads"] / one["groups"] for one in results]
    unchanged, other = large["unchanged"], large["pan-os-python"]
    claims = [
        _counted("changes planned when nothing changed", unchanged["changes"], 0),
        _counted("changes planned after an edit in one group", large["edited"]["changes"], 1),
        _counted("writes of a plan", unchanged["writes"], 0),
        Claim(
            text="requests of a plan for a device group, less one for each firewall",
            value=max(per_group) - members,
            relation="<=",
            target=REQUESTS,
        ),
        Claim(
            text="segctl / pan-os-python: seconds",
            value=unchanged["seconds_median"] / other["seconds_median"],
            relation="<=",
            target=1,
        ),
        Claim(
            text="segctl / pan-os-python: memory that the work adds to the process",
            value=unchanged["growth_mb"] / other["growth_mb"],
            relation="<=",
            target=1,
        ),
    ]
    if large is not small:
        times = (small["groups"], large["groups"])
        seconds = [one["unchanged"]["seconds_min"] for one in (small, large)]
        claims.append(
            Claim(
                text="the exponent of time",
                value=next(exponents(times, seconds)),
                relation="<=",
                target=MOST,
            )
        )
    return claims


def _counted(text: str, value: float, target: float) -> Claim:
    return Claim(text=text, value=value, relation="==", target=target)


def inventory(groups: int, members: int, rules: int) -> str:
    """Write the hosts file of a plant: groups of firewalls with a cell each, polled from above.

    Each group has one supervisory zone, each firewall one cell and so many rules of its own.
    """
    zones: dict[str, Any] = {}
    conduits: dict[str, Any] = {}
    firewalls: dict[str, Any] = {}
    for group in range(1, groups + 1):
        above = f"above-{group:02}"
        zones[above] = {
            "networks": [f"10.200.{group}.0/24"],
            "assets": {f"s{group:02}": f"10.200.{group}.5"},
        }
        for member in range(1, members + 1):
            cell = f"cell-{group:02}-{member:02}"
            assets = {
                f"p{cell[5:]}-{number:02}": f"10.{group}.{member}.{number}"
                for number in range(1, rules + 1)
            }
            zones[cell] = {"networks": [f"10.{group}.{member}.0/24"], "assets": assets}
            conduits[f"poll{cell[4:]}"] = {
                "from": above,
                "to": cell,
                "reason": "polling",
                "owner": "automation",
                "threat_prevention": "none",
                "flows": {
                    f"f{number:02}": {
                        "source": f"s{group:02}",
                        "destination": asset,
                        "protocols": {"modbus": ["read"]},
                    }
                    for number, asset in enumerate(assets, start=1)
                },
            }
            firewalls[f"fw{cell[4:]}"] = {
                "segctl_device_group": f"G{group:02}",
                "segctl_zone_map": {
                    above: {"zone": "ABOVE", "interfaces": ["ethernet1/1"]},
                    cell: {"zone": "CELL", "interfaces": ["ethernet1/2"]},
                },
            }
    variables = {
        "ansible_network_os": "panos",
        "segctl_site": "plant",
        "segctl_commit_timeout": 600,
    }
    own = {"segctl_panorama": "panorama1", "segctl_zones": zones, "segctl_conduits": conduits}
    plant = {"hosts": firewalls, "vars": own}
    return json.dumps(
        {"all": {"vars": variables, "hosts": {"panorama1": {}}, "children": {"plant": plant}}}
    )
