"""The story of firewalls behind a Panorama, on mocks: pushes, drift in two places, waves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from segctl.system import storage

if TYPE_CHECKING:
    from segctl.operations.demo import Telling
    from segctl_mocks import Fleet, PanosMock

#: The example plant whose firewalls are behind a Panorama.
PLANT: Final = "04-tank-farm.yml"
PANORAMA, OFFLINE, OVERRIDDEN = "panorama1", "south-fw", "jetty-fw"

_WAVES: Final = """\
- name: One firewall, then the others
  hosts: tank_farm
  serial: [1, "100%"]
  soak: 1s
  tasks:
    - segctl.segctl.segctl_apply:
"""
_VSYS: Final = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
_DEFAULTS: Final = f"{_VSYS}/rulebase/default-security-rules/rules"
_OPEN: Final = '<entry name="interzone-default"><action>allow</action></entry>'


def tell(telling: Telling, running: Fleet) -> None:
    """Tell it: each step is a command that a user types, or what happens to a device meanwhile."""
    panorama = running.panoramas[PANORAMA]
    telling.step("The inventory is checked without any device.", "validate")
    telling.step(
        "One plan for the device group; each rule names the firewalls that get it.",
        *("plan", "--brief", "-o", "plan.json"),
    )
    telling.say(f"\n# {OFFLINE} loses its connection to {PANORAMA}.")
    panorama.disconnect(running.specs[OFFLINE].serial)
    telling.step(
        "The plan is committed, and pushed to the firewalls that can be reached. Exit status 1.",
        *("apply", "plan.json"),
        expected=1,
    )
    telling.step(f"Until {OFFLINE} has the policy, drift says so.", "drift", expected=1)
    telling.say(f"\n# {OFFLINE} is back.")
    panorama.reconnect(running.specs[OFFLINE].serial)
    telling.step("The next apply reaches it.", "apply", "--auto-approve")
    telling.step("Now all are in sync.", "drift")
    telling.say(f"\n# A contractor, on {PANORAMA}: {panorama.tamper()}")
    telling.say(
        f"# An electrician, on {OVERRIDDEN} itself: lets interzone-default allow everything."
    )
    _override(running.mocks[OVERRIDDEN])
    telling.step(
        "Drift tells apart what differs in the group and what on a firewall.", "drift", expected=2
    )
    storage.write(Path("waves.yml"), _WAVES.encode())
    telling.step(
        "The group is repaired in waves: one firewall, then, if that went well, the others.",
        *("apply", "-p", "waves.yml", "--auto-approve"),
    )
    telling.say(
        f"\n# On {OVERRIDDEN} itself segctl changes nothing; the electrician takes it back there."
    )
    _take_back(running.mocks[OVERRIDDEN])
    telling.step("And the plant is in sync again.", "drift")


def _override(firewall: PanosMock) -> None:
    firewall.edit("set", _DEFAULTS, _OPEN, admin="electrician", commit=True)


def _take_back(firewall: PanosMock) -> None:
    override = f"{_DEFAULTS}/entry[@name='interzone-default']"
    firewall.edit("delete", override, admin="electrician", commit=True)
