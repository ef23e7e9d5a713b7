"""The whole story on mock firewalls, with the same commands a user types."""

from __future__ import annotations

import os
import shutil
import zlib
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, cast

import segctl
from segctl.compiler.build import compile_site
from segctl.compiler.naming import schedule_name
from segctl.inventory import load
from segctl.inventory.loading import MANAGER, MEMBERS, RECEIVERS, VIA, ways_of
from segctl.system.storage import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.compiler.build import Desired
    from segctl.inventory import Loaded
    from segctl.model.site import Device
    from segctl_mocks import Fleet, HostSpec

USER, PASSWORD = "segctl", "mock"  # of mocks on loopback
#: The part of the example inventory that the story is about.
PLANT = "01-waterworks.yml"


def example_inventory() -> Path:
    """Return the example plant: in the wheel beside this module, in a checkout at its top."""
    here = Path(segctl.__file__).parent
    packaged = here / "example"
    return packaged if packaged.is_dir() else here.parents[1] / "inventory"


@contextmanager
def fleet(
    loaded: Loaded,
    today: date,
    *,
    state: Path | None = None,
    overlay: Path | None = None,
    configs: Mapping[str, bytes] | None = None,
    pushed: Iterable[tuple[str, bytes]] = (),
    multi_vsys: Iterable[str] = (),
    traffic: Path | None = None,
) -> Generator[Fleet]:
    """Serve a mock for every firewall, with the zones and profiles its inventory expects.

    The peer of a pair has a mock of its own, which the first one synchronizes with. So has the
    Panorama of managed firewalls, with their device groups, and templates with their zones.

    Mocks come by entry point `segctl.mocks`, ours and a third party's. A firewall of a platform
    without one is served none. A firewall of `configs` holds that configuration instead, as others
    left it. `pushed` are answers of firewalls to what their Panorama put there. Those of
    `multi_vsys` may have several virtual systems. Those whose name is in the file `traffic` answer
    from it: logs, reports, hit counts, sessions.

    Raises:
        ValueError: a configuration or an answer is of no firewall that is served, or is not one;
            so is the traffic.

    """
    from segctl_mocks import installed, platform, serve_fleet

    mocked = installed()
    compiled = compile_site(loaded.site, today)
    specs = {
        name: _spec(desired, loaded)
        for name, desired in compiled.items()
        if desired.device.platform in mocked
    }
    specs |= _managers(loaded, specs)
    nowhere = [name for name in compiled if name not in specs]
    for name, config in (configs or {}).items():
        one = _served(specs, name)
        try:
            specs[name] = platform(one.platform).holding(one, config)
        except ValueError as error:
            message = f"{name}: {error}"
            raise ValueError(message) from error
    for name, answer in pushed:
        one = _served(specs, name)
        specs[name] = replace(one, pushed=(*one.pushed, answer))
    for name in multi_vsys:
        specs[name] = replace(_served(specs, name), multi_vsys=True)
    specs = dict(_with_peers(specs, loaded))
    if traffic is not None:
        specs = _with_traffic(specs, traffic)
    with serve_fleet(specs, state=state, overlay=overlay, nowhere=nowhere) as running:
        yield running


def astray(running: Fleet, loaded: Loaded) -> Iterator[str]:
    """Yield the firewalls that commands would not reach as the fleet's overlay says, and how.

    Args:
        running: the mocks.
        loaded: the inventory with the overlay, as commands read it.
    """
    from segctl.inventory.mocked import differing

    for device in loaded.site.devices:
        own = dict(loaded.connections.get(device.name, {}))
        ways = {device.manager or device.name: own, **ways_of(own)}
        for name in (MANAGER, MEMBERS, RECEIVERS, VIA):
            own.pop(name, None)
        for name, way in ways.items():
            entry = running.entries.get(name)
            if entry is None:
                yield f"{name} is not among them"
            elif names := differing(entry, way):
                yield f"{name} has another {', '.join(names)}"


def _with_traffic(specs: Mapping[str, HostSpec], traffic: Path) -> dict[str, HostSpec]:
    """Return the hosts with their traffic.

    Raises:
        ValueError: the file is no traffic file, or tells of no host that is served.
    """
    from segctl_mocks import load_traffic

    try:
        known = load_traffic(traffic)
    except OSError as error:
        message = f"cannot read {traffic}: {error.strerror}"
        raise ValueError(message) from error
    if not known.keys() & specs.keys():
        message = f"{traffic} tells of {', '.join(known) or 'nothing'}, and none of it is served"
        raise ValueError(message)
    return {name: replace(spec, traffic=traffic) for name, spec in specs.items()}


def _served(specs: Mapping[str, HostSpec], name: str) -> HostSpec:
    if name not in specs:
        message = f"{name}: no mock is served for it; those are {', '.join(specs)}"
        raise ValueError(message)
    return specs[name]


def _with_peers(specs: Mapping[str, HostSpec], loaded: Loaded) -> Iterator[tuple[str, HostSpec]]:
    """Yield the hosts, after each that is one of a pair its peer: alike but for who it is."""
    peers = {device.name: device.ha_peer for device in loaded.site.devices}
    for number, (name, spec) in enumerate(specs.items()):
        peer = peers.get(name, "")
        if not peer:
            yield name, spec
            continue
        way = ways_of(loaded.connections.get(name, {})).get(peer, {})
        first, second = (f"192.0.2.{(2 * number + side) % 254 + 1}" for side in (0, 1))
        yield name, replace(spec, ha_peer=peer, ip_address=first)
        yield (
            peer,
            replace(
                spec,
                ip_address=second,
                user=_user(way),
                password=_password(way),
                serial=_serial(peer),
            ),
        )


def _serial(name: str) -> str:
    return f"0070{zlib.crc32(name.encode()) % 10**8:08d}"


def _user(connection: Mapping[str, object]) -> str:
    return str(connection.get("ansible_user") or USER)


def _password(connection: Mapping[str, object]) -> str:
    from segctl.transports.credentials import Secret

    password = connection.get("ansible_password")
    return password.reveal() if isinstance(password, Secret) else PASSWORD


def _managers(loaded: Loaded, specs: Mapping[str, HostSpec]) -> dict[str, HostSpec]:
    """Return the Panoramas of managed firewalls, in the order in which they are first named."""
    from segctl_mocks import HostSpec

    found: dict[str, HostSpec] = {}
    for name in dict.fromkeys(spec.panorama for spec in specs.values() if spec.panorama):
        connection = loaded.connections.get(name, {})
        found[name] = HostSpec(
            user=_user(connection),
            password=_password(connection),
            serial=_serial(name),
            manages=tuple(host for host, spec in specs.items() if spec.panorama == name),
        )
    return found


def _spec(desired: Desired, loaded: Loaded) -> HostSpec:
    """Return the host a firewall's inventory expects: its account, interfaces and zones."""
    from segctl_mocks import HostSpec

    device = desired.device
    connection = loaded.connections.get(device.name, {})
    own = {schedule.name for schedule in device.schedules}
    used = {rule.schedule for rule in desired.policy.rules if rule.schedule}
    return HostSpec(
        platform=device.platform,
        user=_user(connection),
        password=_password(connection),
        vsys=device.scope.name,
        serial=device.serial or _serial(device.name),
        ip_address=_address(loaded, device),
        panorama=device.manager,
        device_group=device.group.name if device.group else "",
        zones={zone.name: zone.interfaces for zone in desired.bindings},
        profile_groups=sorted({profile for _, profile in device.threat_profiles}),
        log_forwarding=[device.log_forwarding] if device.log_forwarding else [],
        schedules=sorted(used - {schedule_name(name) for name in own}),
        interfaces=sorted({port for zone in desired.bindings for port in zone.interfaces}),
    )


def _address(loaded: Loaded, device: Device) -> str:
    """Return the address by which its Panorama knows a firewall: the one the inventory has.

    Where it has none, one of its own: by that of the mocks it could be any of them.
    """
    rows = cast("list[dict[str, str]]", loaded.connections[device.name].get(RECEIVERS) or ())
    for row in rows:
        with suppress(ValueError):
            return str(ip_address(row["host"]))
        number = zlib.crc32(device.name.encode()) % 2**17
        return str(ip_address("198.18.0.0") + number)  # RFC 2544: addresses for tests
    return "127.0.0.1"


def story(
    run: Callable[[Sequence[str]], int],
    say: Callable[[str], None],
    today: date,
    sources: Sequence[Path] | None = None,
    *,
    panorama: bool = False,
) -> int:
    """Plan, apply, change a rule by hand, find the drift, repair it; return 0 when all fits.

    With `panorama` the story is that of firewalls behind one, on a plant of its own.

    `run` runs a command line and returns its exit status; `say` writes lines between its outputs.
    """
    from segctl.operations import demo_panorama

    given = [path.resolve() for path in sources or ()]
    with temporary_folder("segctl-demo-") as folder, chdir(folder):
        if not given:
            shutil.copytree(example_inventory(), "inventory")
        plant = demo_panorama.PLANT if panorama else PLANT
        paths = given or [Path("inventory", plant)]
        loaded = load(paths, limit=None, today=today)
        with fleet(loaded, today, overlay=Path("mocks.yml")) as running:
            where = [word for path in (*paths, "mocks.yml") for word in ("-i", str(path))]
            names = ", ".join(
                f"{name} over {mock.transport}" for name, mock in running.everything.items()
            )
            say(f"# Mock firewalls answer: {names}. Every command gets: {' '.join(where)}")
            telling = Telling(run=run, say=say, where=where)
            with (
                _instead("SEGCTL_HISTORY", folder / "history.db"),
                _instead("SEGCTL_JOURNAL", folder / "journal.jsonl"),
            ):
                (demo_panorama.tell if panorama else _tell)(telling, running)
            return telling.end()


@contextmanager
def _instead(name: str, file: Path) -> Generator[None]:
    """Keep the story out of what the user has on record."""
    before = os.environ.get(name)
    os.environ[name] = str(file)
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


@dataclass(slots=True, kw_only=True)
class Telling:
    """A story as it is told; `wrong` counts the commands that did not end as they should."""

    run: Callable[[Sequence[str]], int]
    say: Callable[[str], None]
    where: Sequence[str]
    wrong: int = 0

    def step(self, title: str, *command: str, expected: int = 0) -> None:
        """Say what comes, run a command, and judge its exit status."""
        self.say(f"\n# {title}\n$ segctl {' '.join(command)}")
        code = self.run([*self.where, *command])
        if code != expected:
            self.wrong += 1
            self.say(f"\n# segctl {command[0]} ended with {code} instead of {expected}")

    def end(self) -> int:
        """Say how it went; return the exit status."""
        wrong = self.wrong
        self.say("\n# Done." if not wrong else f"\n# {wrong} steps did not end as they should.")
        return 1 if wrong else 0


def _tell(telling: Telling, running: Fleet) -> None:
    telling.step("The inventory is checked without any device.", "validate")
    telling.step(
        "The plan: what the firewalls lack, in brief (without --brief: every field).",
        *("plan", "--brief", "-o", "plan.json"),
    )
    telling.step("Exactly that plan is applied, read back, and kept.", "apply", "plan.json")
    telling.step("Planning again finds nothing to do.", "plan", "--detailed-exitcode")
    deeds = dict(_tamper(running))
    telling.say("\n" + "\n".join(f"# A contractor, on {host}: {it}" for host, it in deeds.items()))
    changed = [name for host in deeds for name in running.specs[host].manages or [host]]
    telling.step("Drift finds it, and who did it where the device tells.", "drift", expected=2)
    telling.step("Apply repairs it.", "apply", "--auto-approve", "-l", ":".join(changed))
    telling.step("And the plant is in sync again.", "drift")


def _tamper(running: Fleet) -> Iterator[tuple[str, str]]:
    """Change the first device of each kind as another administrator would; say what.

    Firewalls behind a Panorama are changed there.
    """
    first: dict[tuple[str, bool], str] = {}
    for name, spec in running.specs.items():
        if not spec.panorama:
            first.setdefault((spec.platform, bool(spec.manages)), name)
    for name in first.values():
        if what := running.everything[name].tamper():
            yield name, what
