"""Bad input of a plant behind a Panorama: one clear message, exit 1, and nothing is changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segctl.cli import run
from support.panorama import GROUP, SERIALS, system, templates, zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.panorama import Plant

APPLY = ("apply", "--auto-approve", "--no-cache")
ASK = ("check", "--from", "scada1", "--to", "plc1", "--port", "502")
LOOP = "<dg-hierarchy><dg name='OT'><dg name='A'><dg name='OT'/></dg></dg></dg-hierarchy>"
FULL = "Number of security rules (2001) exceeds platform capacity (2000)"


def another_group(plant: Plant) -> None:
    plant.change("segctl_device_group: OT", "segctl_device_group: NOPE")


def not_in_it(plant: Plant) -> None:
    where = f"{GROUP}/devices/entry[@name='{SERIALS['fw2']}']"
    plant.mocks.panorama.edit("delete", where, admin="admin", commit=True)


def loop(plant: Plant) -> None:
    body = f"<response status='success'><result>{LOOP}</result></response>"
    plant.mocks.panorama.fail("body", contains="dg-hierarchy", body=body.encode(), times=9)


def no_zone(plant: Plant) -> None:
    templates(plant.mocks.panorama, system(zone("SUPV"), zone("CELL1")))


def older(plant: Plant) -> None:
    firewall = plant.mocks.firewalls["fw2"]
    firewall.settings = replace(firewall.settings, sw_version="99.1.0")


def one_serial(plant: Plant) -> None:
    own = f'          segctl_serial: "{SERIALS["fw1"]}"\n'
    for name in ("fw1", "fw2"):
        plant.change(f"        {name}:\n", f"        {name}:\n{own}")


def one_address(plant: Plant) -> None:
    """Both firewalls have this address, as behind a translation."""
    known = plant.mocks.firewalls["fw1"].settings.ip_address
    plant.change("        fw1:\n", f"        fw1:\n          ansible_host: {known}\n")


def for_another(plant: Plant) -> None:
    told = "<system><serial>000710000001</serial><sw-version>11.1.6</sw-version></system>"
    body = f"<response status='success'><result>{told}</result></response>"
    plant.mocks.panorama.fail("body", contains="<system><info>", body=body.encode(), times=99)


def away(plant: Plant) -> None:
    plant.mocks.panorama.disconnect(SERIALS["fw1"])


def locked(kind: str, scope: str) -> Callable[[Plant], None]:
    return lambda plant: plant.mocks.panorama.hold_lock(kind, scope=scope)


def full(plant: Plant) -> None:
    plant.mocks.panorama.fail("commit_invalid", lines=(FULL,))


CASES: dict[str, tuple[tuple[str, ...], Callable[[Plant], None], str]] = {
    "unknown device group": (APPLY, another_group, "does not list device group NOPE; it has OT"),
    "not in its group": (APPLY, not_in_it, "fw2 is not in device group OT, which has fw1"),
    "parent loop": (APPLY, loop, "device group OT has more than one parent, or is its own"),
    "template without the zone": (APPLY, no_zone, "fw2 has no zone CELL2"),
    "older Panorama": (APPLY, older, "older than that of fw2 (99.1.0): it cannot push to them"),
    "one serial twice": (APPLY, one_serial, "is the one of host fw1, too"),
    "one address twice": (
        APPLY,
        one_address,
        "fw1 could be more than one firewall of device group OT",
    ),
    "another device answers": (ASK, for_another, "and 000710000001 answered"),
    "member away": (ASK, away, "fw1: is not connected to its Panorama"),
    "configuration lock on the group": (
        APPLY,
        locked("config", "OT"),
        "config lock for OT: held by other",
    ),
    "commit lock on the group": (
        APPLY,
        locked("commit", "OT"),
        "commit lock for OT: held by other",
    ),
    "configuration lock on shared": (
        APPLY,
        locked("config", "shared"),
        "config lock for shared: held by other",
    ),
    "quota": (APPLY, full, FULL),
}


@pytest.mark.parametrize(("words", "spoil", "told"), CASES.values(), ids=CASES)
def test_bad_input_is_one_message_and_changes_nothing(
    words: tuple[str, ...],
    spoil: Callable[[Plant], None],
    told: str,
    behind: Plant,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(behind.mocks.folder)
    spoil(behind)
    panorama = behind.mocks.panorama
    running, candidate = panorama.running(), panorama.config()
    locks = len(panorama.device.locks.held)
    pushed = {name: behind.mocks.pushed(name) for name in SERIALS}
    code = run(["-i", "hosts.yml", *words])
    printed = capsys.readouterr()
    assert code == 1
    # results are on standard output, and what failed is once on standard error
    counts = [" ".join(stream.split()).count(told) for stream in (printed.out, printed.err)]
    assert max(counts) == 1, printed
    assert "Traceback" not in printed.err
    assert (panorama.running(), panorama.config()) == (running, candidate)
    assert len(panorama.device.locks.held) == locks
    assert {name: behind.mocks.pushed(name) for name in SERIALS} == pushed
