"""Discover: what flows and is not declared, proposed as inventory files."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from segctl.compiler.naming import DEFAULT_SITE
from segctl.model.errors import UsageError
from segctl.model.site import Endpoint
from segctl.operations.edits import below, diff_of, text_of
from segctl.operations.loading import load_inventory, today
from segctl.operations.records import read_records
from segctl.operations.watching import hear, refuse_nothing, watch_of
from segctl.system.handed import read_bytes
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.inventory import Loaded
    from segctl.model.site import Site, Zone
    from segctl.observe.coverage import Coverage
    from segctl.observe.discover.conduits import Proposed
    from segctl.observe.discover.propose import Grade
    from segctl.observe.discover.result import Discovered
    from segctl.observe.leases import Leases
    from segctl.observe.reading import Told
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress

_VARIABLE: Final = "segctl_conduits_discovered"
#: The group of an inventory that there was none of.
_GROUP: Final = "plant"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverOptions:
    """Which records are read, how, and where the proposal goes.

    `now` and `since` are seconds since 1970. `windows` do not count, from and to. `leases` are
    ranges of addresses, from and to, `lease_files` what DHCP servers leased; `names` is a file of
    addresses and names, as in /etc/hosts.
    `out` is a folder for the files; without one nothing is written. With `from_devices` the
    selected firewalls are asked as well, for a week without `since`.
    """

    files: tuple[str, ...]
    now: float
    from_devices: bool = False
    grade: Grade = "host"
    since: float | None = None
    timezone: str | None = None
    windows: tuple[tuple[float, float], ...] = ()
    leases: tuple[tuple[str, str], ...] = ()
    lease_files: tuple[Path, ...] = ()
    names: Path | None = None
    out: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverResult:
    """What was found, the proposed files by path, and how they differ from what there is."""

    coverage: Coverage
    discovered: Discovered
    files: Mapping[str, str]
    diff: str
    written: tuple[Path, ...]
    loaded: Loaded | None


@uncollected()
def discover(common: CommonOptions, options: DiscoverOptions, progress: Progress) -> DiscoverResult:
    """Read records of traffic and propose what the inventory does not declare.

    Nothing is written to a device.

    Where no inventory is given and there is none, zones and assets are proposed, too.

    Raises:
        InventoryError: the inventory cannot be used.
        UsageError: no file is given and no device is asked, a file does not exist, the folder holds
            a file already, or devices are to be asked that no inventory names.
    """
    from segctl.importing import refuse_existing, write_files
    from segctl.observe.discover.evidence import Evidence, Window
    from segctl.observe.discover.result import Asked, discovered
    from segctl.observe.pairs import members_of
    from segctl.observe.reading import ReadOptions

    refuse_nothing(options.files, from_devices=options.from_devices)
    loaded = load_inventory(common, progress) if _declared(common) else None
    told = _told(common, options, loaded, progress) if options.from_devices else None
    leased = [leased_of(path) for path in options.lease_files]
    kept = {address: name for one in leased for address, name in one.names.items()}
    asked = Asked(
        grade=options.grade,
        today=today(),
        leases=(*options.leases, *(ends for one in leased for ends in one.ranges)),
        names=kept | names_of(options.names),
    )
    site = loaded.site if loaded is not None else None
    with closing(Evidence(Window(*one) for one in options.windows)) as evidence:
        reading = read_records(
            common,
            options.files,
            ReadOptions(
                now=options.now,
                since=options.since,
                timezone=options.timezone,
                members=members_of(site.devices) if site is not None else {},
            ),
            progress,
            groups=evidence,
            told=told,
        )
        found = discovered(site, evidence, reading.coverage, asked)
    before, files = files_of(found, loaded, common.sources)
    written: tuple[Path, ...] = ()
    if options.out is not None and files:
        refuse_existing(options.out, files)
        written = write_files(options.out, files)
    return DiscoverResult(
        coverage=reading.coverage,
        discovered=found,
        files=files,
        diff="".join(diff_of(before, files)),
        written=written,
        loaded=loaded,
    )


def _told(
    common: CommonOptions, options: DiscoverOptions, loaded: Loaded | None, progress: Progress
) -> Told:
    """Return what the selected firewalls told, record by record: it depends on when things were."""
    if loaded is None:
        raise UsageError("--from-devices: there is no inventory, so no device to ask")
    watch = watch_of(options.now, options.since, each=True, threats=True)
    return hear(common, loaded, watch, progress).told


def _declared(common: CommonOptions) -> bool:
    """Whether there is an inventory: one is given, or the folder of the default exists."""
    return bool(common.inventory) or common.sources[0].exists()


def names_of(path: Path | None) -> dict[str, str]:
    """Return names by address from a file as /etc/hosts is one.

    Raises:
        UsageError: it cannot be read, or a line does not begin with an address.
    """
    if path is None:
        return {}
    try:
        lines = read_bytes(path).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read names from {path}: {error}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            address = str(ip_address(words[0]))
        except ValueError:
            raise UsageError(f"{path}:{number}: {words[0][:40]!r} is not an address") from None
        if len(words) > 1 and (name := _plain(words[-1])):
            found.setdefault(address, name)
    return found


def _plain(name: str) -> str:
    """Return a host's name as an asset may be called; empty where it cannot be."""
    plain = "".join(one if one.isalnum() or one in "-_" else "-" for one in name[:60])
    return plain if plain[:1].isalnum() and plain.isascii() else ""


def leased_of(path: Path) -> Leases:
    """Return what a DHCP server's file of leases says.

    Raises:
        UsageError: it cannot be read, or is not one of ISC's dhcpd or of dnsmasq.
    """
    from segctl.observe.leases import leases_of

    try:
        found = leases_of(read_bytes(path).decode(errors="replace"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read leases from {path}: {error}") from error
    names = {address: plain for address, name in found.names.items() if (plain := _plain(name))}
    return replace(found, names=names)


# --- files ---------------------------------------------------------------------------------------


def files_of(
    found: Discovered, loaded: Loaded | None, sources: Sequence[Path]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the proposed files replace, and the files, by path below the inventory."""
    if found.draft is not None:
        return {}, _drafted_files(found)
    if loaded is None:
        raise ValueError("without a draft there is an inventory")
    from segctl.importing.proposed import groups_text

    before, edited, unnamed = _zones(found, sources)
    files = dict(edited)
    groups: set[str] = set()
    for site in sorted({one.conduit.site for one in found.proposals}):
        mine = [one for one in found.proposals if one.conduit.site == site]
        group = _group(found.site, site)
        groups.add(group)
        name, variable = _free(loaded)
        text = _conduits(variable, [_unnamed(one, unnamed) for one in mine], found, site, unnamed)
        files[f"group_vars/{group}/{name}"] = text
    if files:
        files["discovered-hosts.yml"] = groups_text(sorted(groups))
    return before, files


def _free(loaded: Loaded) -> tuple[str, str]:
    """Return a file and a variable that the inventory does not have yet."""
    held = {name for host in loaded.hosts for name in loaded.inventory.host_layer(host).variables}
    number = 1
    while True:
        end = "" if number == 1 else f"_{number}"
        if f"{_VARIABLE}{end}" not in held:
            return f"discovered{end.replace('_', '-')}.yml", f"{_VARIABLE}{end}"
        number += 1


def _group(site: Site, name: str) -> str:
    """Return the group whose variables declare the zones of a site."""
    for zone in site.zones:
        parts = Path(zone.declared.file).parts
        if zone.site == name and "group_vars" in parts[:-1]:
            return parts[parts.index("group_vars") + 1].removesuffix(".yml").removesuffix(".yaml")
    return "all"


def _zones(
    found: Discovered, sources: Sequence[Path]
) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, str]]]:
    """Return files of zones as they are and with new assets, and assets that had no place.

    Those are by zone; rules name their addresses instead.
    """
    zones = {zone.key: zone for zone in found.site.zones}
    by_file: dict[str, list[Zone]] = {}
    for key in found.assets:
        by_file.setdefault(zones[key].declared.file, []).append(zones[key])
    before: dict[str, str] = {}
    edited: dict[str, str] = {}
    unnamed: dict[str, dict[str, str]] = {}
    for file, held in sorted(by_file.items()):
        path = below(Path(file), sources)
        text = text_of(Path(file)) if path else None
        after = text
        for zone in sorted(held, key=lambda one: -one.declared.line):
            assets = dict(found.assets[zone.key])
            new = _with_assets(after, zone, assets) if after is not None else None
            if new is None:
                unnamed[zone.key] = assets
            else:
                after = new
        if text is not None and after is not None and after != text:
            before[path], edited[path] = text, after
    return before, edited, unnamed


def _with_assets(text: str, zone: Zone, assets: Mapping[str, str]) -> str | None:
    """Return a file with more assets, if that is all that changes in it."""
    import yaml

    from segctl.importing.proposed import with_assets

    after = with_assets(text, zone, assets)
    if after is None:
        return None
    try:
        old, new = (yaml.safe_load(one) for one in (text, after))
        for one in (old, new):
            declared = _holding(one, zone.id).setdefault("assets", {})
            for name in assets:
                declared.pop(name, None)
    except (yaml.YAMLError, StopIteration, TypeError, AttributeError):
        return None
    return after if old == new else None


def _holding(variables: Mapping[str, Any], zone: str) -> dict[str, Any]:
    """Return a zone as a file holds it."""
    held = [one for name, one in variables.items() if name.startswith("segctl_zones")]
    found: dict[str, Any] = next(one[zone] for one in held if zone in one)
    return found


def _unnamed(one: Proposed, unnamed: Mapping[str, Mapping[str, str]]) -> Proposed:
    """Return a proposal that names addresses where no asset could be added."""

    def ends(held: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
        return tuple(
            Endpoint(zone=end.zone, network=ip_network(unnamed[end.zone][end.asset]))
            if end.asset in unnamed.get(end.zone, {})
            else end
            for end in held
        )

    flows = tuple(
        replace(flow, sources=ends(flow.sources), destinations=ends(flow.destinations))
        for flow in one.conduit.flows
    )
    return replace(one, conduit=replace(one.conduit, flows=flows))


def _conduits(
    variable: str,
    proposals: Sequence[Proposed],
    found: Discovered,
    site: str,
    unnamed: Mapping[str, Mapping[str, str]],
) -> str:
    from segctl.importing.proposed import Noted, proposed_text
    from segctl.observe.discover.listing import listing

    by_hand = [
        f"in zone {key}, declare {name}: {address}"
        for key, held in sorted(unnamed.items())
        if key.partition("/")[0] == site
        for name, address in held.items()
    ]
    return proposed_text(
        variable,
        [
            Noted(conduit=one.conduit, notes=one.notes, flow_notes=one.flow_notes)
            for one in proposals
        ],
        asked=[one.text for one in listing(found.judged, "ask")],
        seen=[one.text for one in listing(found.judged, "seen")],
        assets=by_hand,
    )


def _drafted_files(found: Discovered) -> dict[str, str]:
    """Return a whole inventory: hosts, zones, conduits, and how firewalls are attached."""
    from segctl.importing.files import zone_map
    from segctl.importing.proposed import hosts_draft, zones_draft

    if found.draft is None or not found.site.zones:
        return {}
    zones = tuple(_with_new(zone, found.assets.get(zone.key, {})) for zone in found.site.zones)
    files = {
        "hosts.yml": hosts_draft(found.site.devices, _GROUP),
        f"group_vars/{_GROUP}/zones.yml": zones_draft(zones, found.draft.notes),
        f"group_vars/{_GROUP}/discovered.yml": _conduits(
            _VARIABLE, found.proposals, found, DEFAULT_SITE, {}
        ),
    }
    for device in found.site.devices:
        files[f"host_vars/{device.name}.yml"] = "\n".join(zone_map(device, DEFAULT_SITE)) + "\n"
    return files


def _with_new(zone: Zone, assets: Mapping[str, str]) -> Zone:
    from segctl.model.site import Asset

    new = (Asset(name=name, addresses=(ip_network(one),)) for name, one in assets.items())
    return replace(zone, assets=(*zone.assets, *new))
