"""Law 9 of device groups: a group that was imported and is planned back does not change."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from segctl.compiler.build import compile_site
from segctl.compiler.groups import gathered, whole_group
from segctl.fleet.connections import target
from segctl.importing import import_group, write_files
from segctl.inventory import load
from segctl.model.errors import InventoryError
from segctl.model.scope import Scope
from segctl.planning.make import plan_device
from segctl.providers.panos.panorama import PanoramaProvider
from segctl.testing import TODAY, sites
from support.managed import SHARED, rule
from support.panorama import RULES, SERIALS, managed
from support.panos import firewall

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from segctl.model.site import Device, Site
    from segctl.providers.base import Live
    from segctl.transports.target import Target
    from support.panorama import Managed

PROVIDER = PanoramaProvider()
GROUP = Scope(kind="device-group", name="OT")
PROFILES = '<entry name="ot-alert"/><entry name="ot-strict"/>'
PANORAMA = {"ansible_host": "192.0.2.1", "ansible_network_os": "panos"}
CONNECTIONS = {
    "panorama1": PANORAMA,
    **{name: {"ansible_network_os": "panos"} for name in SERIALS},
}


def members(data: DataObject) -> tuple[Device, ...]:
    """Draw two firewalls, each with two zones or three, in another order or with other names."""
    found: list[Device] = []
    for name in SERIALS:
        one = firewall(name)
        count = data.draw(st.integers(2, len(one.zones)), f"zones of {name}")
        zones = data.draw(st.permutations(one.zones), f"order of {name}")[:count]
        other = data.draw(st.sampled_from(("", "-B")), f"names of {name}")
        found.append(
            replace(
                one,
                zones=tuple(
                    replace(zone, name=f"{zone.name}{other}", interfaces=()) for zone in zones
                ),
                manager="panorama1",
                group=GROUP,
                serial=SERIALS[name],
            )
        )
    return tuple(found)


def where(mocks: Managed) -> Target:
    connections = load([mocks.folder / "hosts.yml"], today=TODAY).connections
    return target("panorama1:OT", connections["panorama1:OT"], GROUP)


def applied(mocks: Managed, site: Site) -> Live:
    """Bring a group to what is declared; return what it holds."""
    (wanted,) = gathered(compile_site(site, TODAY), list(SERIALS))
    with PROVIDER.connect(where(mocks), read_only=False) as session:
        made = plan_device(wanted, PROVIDER.parse(session.read()), PROVIDER)
        if made.changes:
            with session.lock():
                session.push(made.script)
                session.confirm()
        return PROVIDER.parse(session.read())


@given(data=st.data())
@settings(max_examples=12)
def test_any_group_comes_back(data: DataObject) -> None:
    site = data.draw(sites(firewall(), PROVIDER.capabilities), "site")
    site = replace(site, devices=members(data))
    try:
        compile_site(site, TODAY)
        gathered(compile_site(site, TODAY), list(SERIALS))
    except InventoryError:  # no path, or the firewalls need different orders
        reject()
    others = data.draw(st.booleans(), "rules of others")
    with tempfile.TemporaryDirectory() as folder, managed(Path(folder)) as mocks:
        panorama = mocks.panorama
        panorama.edit("set", f"{SHARED}/profile-group", PROFILES, admin="admin", commit=True)
        for serial in SERIALS.values():
            panorama.disconnect(serial)
        if others:
            theirs = rule("theirs", enter="CTRL", leave="SUPV")
            panorama.edit("set", RULES, theirs, admin="other", commit=True)
        live = applied(mocks, site)
        before = panorama.running()
        bare = tuple(replace(one, zones=(), threat_profiles=()) for one in site.devices)
        imported = import_group(
            live,
            PROVIDER,
            whole_group(bare, bare[0]),
            site="",
            connections=CONNECTIONS,
            today=TODAY,
        )
        assert panorama.running() == before
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), imported.files)
        again = load([Path(folder)], today=TODAY).site
    assert imported.changes == 0, (imported.warnings, imported.files)
    (wanted,) = gathered(compile_site(again, TODAY), list(SERIALS))
    made = plan_device(wanted, live, PROVIDER)
    assert made.changes == (), (made.changes, imported.files)
    assert len(again.zones) == len({zone.id for zone in again.zones})
