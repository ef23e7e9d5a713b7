"""Inventory files into everything a command needs: the site, its hosts, how to reach them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from segctl.compiler.build import compile_known
from segctl.inventory.causes import unchecked
from segctl.inventory.check import typed
from segctl.inventory.files import expand_home
from segctl.inventory.findings import find
from segctl.inventory.mocked import MARK, NOWHERE, check, left_out, not_mocked, way_to
from segctl.inventory.patterns import limit_patterns, match, select, split, unmatched
from segctl.inventory.reader import survey_inventory
from segctl.inventory.schema import CONDUITS, ZONES
from segctl.inventory.site import survey_site
from segctl.inventory.values import Encrypted
from segctl.inventory.vault import VaultError, VaultSecrets, decrypt
from segctl.model.errors import InventoryError, Problem, UsageError
from segctl.model.scope import DEFAULT_SCOPE
from segctl.model.site import Source, group_name
from segctl.system.loading import uncollected
from segctl.transports.credentials import Sealed, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.compiler.build import Desired
    from segctl.inventory.model import Inventory, Layer
    from segctl.inventory.site import SiteSurvey
    from segctl.inventory.values import Places
    from segctl.model.site import Device, Site

#: Connection variables handed on as they are.
_PLAIN: Final = (
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_network_os",
    "ansible_connection",
    "ansible_httpapi_use_ssl",
    "ansible_httpapi_port",
    "segctl_ssh_fingerprint",
    "segctl_tls_fingerprint",
    "segctl_transcript",
    "segctl_tls_verify",
    "segctl_timeout",
    "segctl_commit_timeout",
    "segctl_max_answer_mb",
    "segctl_allow_unsupported_version",
)
#: Fields that inventories of earlier versions did not have: left out of the digest when unused.
_LATER: Final = frozenset(
    {
        "audit_comments",
        "exceptions",
        "group",
        "ha_peer",
        "manager",
        "members",
        "peer_serial",
        "renamed_from",
        "reviewed",
        "serial",
        "shared",
        "unknown_applications",
    }
)
#: The key of a device group's connection that holds its firewalls: the fields of a `Managed`.
RECEIVERS: Final = "segctl_receivers"
#: The key of a managed firewall's connection that holds the part of its manager it is in.
VIA: Final = "segctl_via"
#: The key of both that holds the name of their manager, whose account they use.
MANAGER: Final = "segctl_manager"
#: Among a firewall's connection variables: those of the other members of its pair, by host.
MEMBERS: Final = "segctl_members"
_NOTHING: Final = (None, (), False, "", DEFAULT_SCOPE)
_SECRETS: Final = ("ansible_password", "ansible_ssh_pass", "ansible_become_password")
#: Those that a firewall has of its own, by whatever way it is reached.
_OWN: Final = ("segctl_verify_keys", "segctl_transcript", "segctl_allow_unsupported_version")
_PATHS: Final = (
    "ansible_ssh_private_key_file",
    "segctl_ca_file",
    "segctl_known_hosts",
    "segctl_transcript",
    "segctl_verify_keys",
)


#: Returns what the platform of a firewall refuses of what it should hold, in the words of a site.
Fitting: TypeAlias = "Callable[[Desired, Site], Iterable[Problem]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """An inventory without problems.

    `site` is of the whole inventory; `hosts` are what the limit selected, and
    `connections` says how every firewall is reached, what manages it, and its device group.
    """

    inventory: Inventory = field(repr=False)
    site: Site
    hosts: tuple[str, ...]
    connections: Mapping[str, Mapping[str, object]]
    warnings: tuple[Problem, ...]
    digest: str
    files: tuple[Path, ...]


def load(
    sources: Sequence[Path],
    *,
    limit: str | None = None,
    extra_vars: Sequence[str] = (),
    vault: VaultSecrets | None = None,
    allow_programs: bool = False,
    today: date,
    fitting: Fitting | None = None,
) -> Loaded:
    """Read the inventory and return everything it declares.

    Sources that are programs or inventory plugins are run with `allow_programs` only. With
    `fitting`, which returns what a platform refuses, an inventory with problems is followed as far
    as it can be understood: paths and platforms are part of what is raised.

    Raises:
        InventoryError: with every problem there is.
        UsageError: the limit names what the inventory does not have, or selects no firewall.

    """
    with uncollected():
        inventory, known = survey_inventory(
            sources, extra_vars=extra_vars, vault=vault, allow_programs=allow_programs
        )
        known = (*inventory.lost, *known)
        hosts = () if known else select(inventory, limit)
        loaded = _loaded(inventory, hosts, today, known, fitting)
    _refuse_nothing(loaded, limit)
    return loaded


def _refuse_nothing(loaded: Loaded, limit: str | None) -> None:
    """Refuse an inventory without any firewall, and a limit that selects none."""
    if not loaded.site.devices:
        hosts = ", ".join(list(loaded.inventory.hosts)[:8]) or "no hosts"
        problem = Problem(
            message=f"the inventory has no firewall at all (it has {hosts})",
            file=", ".join(loaded.inventory.files),
            hint="a host is a firewall when it has ansible_network_os",
        )
        raise InventoryError((problem,))
    if limit is not None and (unmet := _unmatched(loaded, limit_patterns(limit), loaded.hosts)):
        raise UsageError(str(unmet))


def _unmatched(loaded: Loaded, patterns: Sequence[str], hosts: Sequence[str]) -> Problem | None:
    """Return what is wrong with patterns that name what nothing has, or match no firewall."""
    names = [device.name for device in loaded.site.devices]
    groups = {one.group.name: group_name(one) for one in loaded.site.devices if one.group}
    if unknown := unmatched(loaded.inventory, patterns):
        message = f"there is no host or group {', '.join(map(repr, unknown))}"
        for name in unknown:
            if name in groups:
                message += f": device group {groups[name]} is chosen by its firewalls"
    elif not set(names) & set(hosts):
        message = f"{', '.join(patterns)} selects no firewall"
        for device in loaded.site.devices:
            if device.ha_peer in hosts:
                message += f": {device.ha_peer} is the peer of {device.name}"
        for manager in dict.fromkeys(one.manager for one in loaded.site.devices):
            if manager in hosts:
                managed = [one.name for one in loaded.site.devices if one.manager == manager]
                message += f": {manager} is the Panorama of {_shortened(managed)}"
    else:
        return None
    hint = f"the firewalls are {_shortened(names)}"
    return Problem(message=message, file="--limit", hint=hint)


def _shortened(names: Sequence[str]) -> str:
    """Return the first names of a list."""
    return f"{', '.join(names[:8])}{' …' if len(names) > 8 else ''}"


def of_play(
    loaded: Loaded,
    patterns: Sequence[str],
    variables: Layer | None,
    places: Places,
    today: date,
) -> Loaded:
    """Return the inventory as a play sees it: its hosts, and its variables above their own.

    Raises:
        InventoryError: a pattern is not valid or matches no firewall of the inventory, or with
            the variables there are problems.

    """
    inventory = loaded.inventory
    parts = [part for pattern in patterns for part in split(pattern)]
    within = frozenset(loaded.hosts)
    matched = match(inventory, parts)
    if unmet := _unmatched(loaded, parts, matched):
        raise InventoryError((unmet,))
    hosts = tuple(host for host in matched if host in within)
    if variables is None or not variables.variables:
        return replace(loaded, hosts=hosts)
    seen = replace(
        inventory,
        play=variables,
        play_hosts=frozenset(hosts),
        places={**inventory.places, **places},
    )
    return _loaded(seen, hosts, today)


def _loaded(
    inventory: Inventory,
    hosts: tuple[str, ...],
    today: date,
    known: tuple[Problem, ...] = (),
    fitting: Fitting | None = None,
) -> Loaded:
    survey = survey_site(inventory, known)
    site = survey.site
    peers = {device.name: device.ha_peer for device in site.devices if device.ha_peer}
    chosen = (*hosts, *(peers[name] for name in hosts if name in peers))
    managers = {one.name: one.manager for one in site.devices if one.manager in inventory.hosts}
    chosen = (*chosen, *(managers[name] for name in chosen if name in managers))
    members = [device.name for device in site.devices if device.name not in managers]
    reached = (*members, *peers.values(), *dict.fromkeys(managers.values()))
    nowhere = left_out(inventory, list(reached), chosen)
    connections, unopened, astray = _connections(inventory, site, nowhere)
    astray += not_mocked(inventory, list(reached), chosen)
    problems = (*survey.problems, *astray)
    if fitting is not None:
        problems = (*problems, *_following(survey, inventory, problems, today, fitting))
    if problems:
        raise InventoryError(tuple(dict.fromkeys(problems)))
    return Loaded(
        inventory=inventory,
        site=site,
        hosts=hosts,
        connections={**connections, **_groups(site, connections, hosts)},
        warnings=(
            *inventory.surroundings,
            *inventory.unread,
            *_unused(inventory),
            *find(site, today),
            *unopened,
        ),
        digest=digest(site),
        files=tuple(Path(name) for name in inventory.files),
    )


def _following(
    survey: SiteSurvey,
    inventory: Inventory,
    problems: Sequence[Problem],
    today: date,
    fitting: Fitting,
) -> Iterator[Problem]:
    """Yield what is wrong with the paths of the conduits that are understood, and for platforms.

    What platforms refuse comes only beside other problems: alone it is the caller's to tell.
    """
    compiled, gaps, others = compile_known(survey.clear, today)
    unclear = dict(survey.unclear)
    told = bool(problems)
    for conduit, gap in gaps:
        sites = {key.partition("/")[0] for key in (*conduit.from_zones, *conduit.to_zones)}
        if sites & survey.doubtful:
            unclear[conduit.key] = conduit.declared
        else:
            told = True
            yield gap
    yield from others
    if not told and not others:
        return
    for name, desired in compiled.items():
        if name in survey.devices:
            yield from fitting(desired, survey.clear)
    lost = () if inventory.hosts else inventory.silent
    unread = {one.problem.file: Source(file=one.problem.file) for one in lost if not one.owner}
    yield from unchecked(unclear, unread)


def _unused(inventory: Inventory) -> Iterator[Problem]:
    """Yield zones and conduits of groups without hosts: nothing reads them."""
    for name in inventory.groups:
        origins = inventory.group_layer(name).origins
        own = [one for one in origins if one.startswith((ZONES, CONDUITS))]
        if own and not inventory.hosts_of(name):
            place = origins[own[0]]
            yield Problem(
                message=f"{own[0]} is not read: group {name!r} has no hosts",
                file=place.file,
                line=place.line,
                column=place.column,
                path=own[0],
                hint="add the firewalls of the site to the group",
                severity="warning",
                kind="empty-group",
                subject=name,
            )


def digest(site: Site) -> str:
    """Return the SHA-256 of what is declared, wherever it stands in the files."""
    text = json.dumps(_canonical(site, {}), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _canonical(value: object, names: dict[type, tuple[str, ...]]) -> object:
    """Return what JSON can hold; `names` remembers the fields of each dataclass."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, tuple):
        return [_canonical(item, names) for item in cast("tuple[object, ...]", value)]
    if not is_dataclass(value) or isinstance(value, type):
        return str(value)
    kind = type(value)
    if kind not in names:
        names[kind] = tuple(one.name for one in fields(value) if one.compare)
    held = ((name, getattr(value, name)) for name in names[kind])
    return {
        name: _canonical(item, names)
        for name, item in held
        if name not in _LATER or item not in _NOTHING
    }


def _connections(
    inventory: Inventory, site: Site, nowhere: Container[str]
) -> tuple[dict[str, Mapping[str, object]], list[Problem], list[Problem]]:
    """Return each firewall's connection variables, with warnings and with errors.

    Those of a pair have those of its peer among them, under `MEMBERS`. Those of `nowhere` lead to
    no address.
    """
    wanted = (*_PLAIN, *_PATHS, *_SECRETS)
    connections: dict[str, Mapping[str, object]] = {}
    warnings: list[Problem] = []
    errors: list[Problem] = []
    peers = {device.name: device.ha_peer for device in site.devices if device.ha_peer}
    managers = (one.manager for one in site.devices if one.manager in inventory.hosts)
    names = [*(device.name for device in site.devices), *peers.values(), *dict.fromkeys(managers)]
    opened: dict[str, Secret | VaultError] = {}
    for name, layer in inventory.host_layers(names):
        found: dict[str, object] = {}
        errors += check(inventory, name, layer, wanted)
        mock = NOWHERE if name in nowhere else inventory.hosts[name].mock
        variables = way_to(mock, layer.variables)
        for key in wanted:
            value = variables.get(key)
            if value is None:
                continue
            if key in _SECRETS or isinstance(value, Encrypted):
                secret = _secret(value, inventory.vault, opened)
                if isinstance(secret, VaultError):
                    warnings.append(_unopened(name, key, secret))
                    value = Sealed(cast("Encrypted", value).ciphertext)
                else:
                    value = secret
            elif key in _PATHS:
                value = _expanded(value)
            elif key == "segctl_tls_verify" and isinstance(value, str):
                value = typed(value)
            found[key] = value
        if mock is not None:
            found[MARK] = True
        connections[name] = found
    for name, peer in peers.items():
        way = connections.pop(peer)
        connections[name] = {**connections[name], MEMBERS: {peer: way}}
    return connections, warnings, errors


def _groups(
    site: Site, connections: Mapping[str, Mapping[str, object]], hosts: Sequence[str]
) -> dict[str, Mapping[str, object]]:
    """Return how each device group and each firewall in one is reached: by their manager."""
    found: dict[str, Mapping[str, object]] = {}
    rows: dict[str, list[dict[str, object]]] = {}
    for device in site.devices:
        if not device.group:
            continue
        own = connections[device.name]
        manager: dict[str, object] = {**connections.get(device.manager, {})}
        manager[MANAGER] = device.manager
        both = list(_rows(device, own, asked=device.name in hosts))
        rows.setdefault(group_name(device), []).extend(both)
        found[group_name(device)] = {**manager, RECEIVERS: rows[group_name(device)]}
        kept = {name: own[name] for name in _OWN if name in own}
        found[device.name] = {**manager, **kept, RECEIVERS: both, VIA: str(device.group)}
    return found


def _rows(device: Device, own: Mapping[str, object], *, asked: bool) -> Iterator[dict[str, object]]:
    """Yield how a manager knows a firewall, and its peer if it is one of a pair."""
    named = [(device.name, own, device.serial)]
    named += [(name, way, device.peer_serial) for name, way in ways_of(own).items()]
    for name, way, serial in named:
        yield {
            "name": name,
            "host": str(way.get("ansible_host") or name),
            "serial": serial,
            "part": device.scope.name,
            "asked": asked,
            "of": "" if name == device.name else device.name,
        }


def ways_of(connection: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """Return how the other members of a firewall's pair are reached, by host."""
    ways = cast("dict[str, object]", connection.get(MEMBERS) or {})
    return {
        name: cast("Mapping[str, object]", way)
        for name, way in ways.items()
        if isinstance(way, dict)
    }


def _expanded(value: object) -> str | list[str]:
    """Return a path, or each of a list of paths, with ``~`` resolved."""
    if isinstance(value, list):
        return [expand_home(str(one)) for one in cast("list[object]", value)]
    return expand_home(str(value))


def _secret(
    value: object, vault: VaultSecrets | None, opened: dict[str, Secret | VaultError]
) -> Secret | VaultError:
    if not isinstance(value, Encrypted):
        return Secret(str(value))
    if value.ciphertext not in opened:
        try:
            plain = decrypt(value.ciphertext, vault)
            opened[value.ciphertext] = Secret(plain, Sealed(value.ciphertext))
        except VaultError as error:
            opened[value.ciphertext] = error
    return opened[value.ciphertext]


def _unopened(host: str, variable: str, error: VaultError) -> Problem:
    return Problem(
        message=f"{variable} is vaulted and cannot be opened: {error}",
        path=host,
        hint="give --vault-password-file or --ask-vault-pass to reach the device",
        severity="warning",
    )
