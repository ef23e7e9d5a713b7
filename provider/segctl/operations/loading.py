"""The inventory of an operation: read with its options, and compiled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.compiler.build import Desired
    from segctl.inventory import Loaded, VaultSecrets
    from segctl.inventory.loading import Fitting
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.plan import Intent
    from segctl.planning.snapshot import Snapshot
    from segctl.report.provenance import Provenance


def vault(common: CommonOptions) -> VaultSecrets | None:
    """Return what opens vaulted values, if it was given.

    Raises:
        InventoryError: what is named cannot be read.
    """
    import os

    from segctl.inventory.passwords import vault_secrets

    return vault_secrets(
        ids=common.vault_ids,
        files=common.vault_password_files,
        ask_pass=common.ask_vault_pass,
        environment=os.environ,
        ask=common.ask_vault_password,
    )


def load_inventory(
    common: CommonOptions, progress: Progress | None = None, *, fitting: Fitting | None = None
) -> Loaded:
    """Read the inventory; warn of what lies around it and may mislead, unless the caller does.

    With `fitting` (see `segctl.inventory.load`) paths and platforms are followed too.

    Raises:
        InventoryError: with every problem there is.
        UsageError: ``--limit`` selects no firewall.
    """
    from segctl.inventory import load

    loaded = load(
        list(common.sources),
        limit=common.limit,
        extra_vars=common.extra_vars,
        vault=vault(common),
        allow_programs=common.allow_executable_inventory,
        today=today(),
        fitting=fitting,
    )
    if progress is not None:
        for problem in loaded.inventory.surroundings:
            progress.warn(str(problem))
    return loaded


def refuse_writable(loaded: Loaded) -> None:
    """Refuse to change a device by an inventory that every user of this machine can change.

    Raises:
        InventoryError: it is one.
    """
    from segctl.inventory.surroundings import WRITABLE
    from segctl.model.errors import InventoryError

    writable = [problem for problem in loaded.warnings if problem.kind == WRITABLE]
    if writable:
        raise InventoryError(tuple(replace(problem, severity="error") for problem in writable))


def provenance(
    common: CommonOptions,
    loaded: Loaded | None = None,
    devices: Iterable[str] = (),
    moment: datetime | None = None,
) -> Provenance:
    """Return what a report is evidence of.

    Args:
        common: which inventory it is of.
        loaded: what the inventory said; None where it could not be read.
        devices: the devices that were read.
        moment: when; else now.
    """
    from segctl.report.provenance import Provenance
    from segctl.system.checkout import commit_of

    commit, dirty = commit_of(common.sources[0])
    when = moment or datetime.now(UTC)
    return Provenance(
        date=when.replace(microsecond=0).isoformat(),
        inventory=tuple(map(str, common.sources)),
        commit=commit,
        dirty=dirty,
        digest=loaded.digest if loaded is not None else "",
        devices=tuple(devices),
    )


def today() -> date:
    """Return the day by the clock of this machine."""
    return datetime.now(UTC).astimezone().date()


def desired_of(loaded: Loaded) -> list[Desired]:
    """Return what every firewall that the limit selects should hold.

    Raises:
        UsageError: it selects none.
    """
    from segctl.compiler.build import compile_site

    compiled = compile_site(loaded.site, today())
    chosen = [compiled[name] for name in loaded.hosts if name in compiled]
    if not chosen:
        raise UsageError(
            "no firewall is selected: a host is one when it has ansible_network_os; "
            f"the inventory has {', '.join(compiled) or 'none'}"
        )
    return chosen


def units_of(loaded: Loaded) -> list[Desired]:
    """Return what is read and changed as one, for the firewalls that the limit selects.

    That is each firewall by itself, but all firewalls of a device group of Panorama together.

    Raises:
        UsageError: the limit selects no firewall.
        InventoryError: firewalls of one group contradict each other.
    """
    from segctl.compiler.build import compile_site
    from segctl.compiler.groups import gathered

    chosen = [one.device.name for one in desired_of(loaded)]
    return gathered(compile_site(loaded.site, today()), chosen)


def watched(loaded: Loaded) -> list[Desired]:
    """Return what drift is asked of: device groups, each followed by its firewalls, and others.

    Raises:
        UsageError: the limit selects no firewall.
        InventoryError: firewalls of one group contradict each other.
    """
    chosen = {one.device.name: one for one in desired_of(loaded)}
    found: list[Desired] = []
    for unit in units_of(loaded):
        found.append(unit)
        found += [chosen[name] for name in unit.receivers]
    return found


def unit_names(loaded: Loaded) -> list[str]:
    """Return the names under which the firewalls that the limit selects are planned, in order."""
    from segctl.model.site import group_name

    devices = {one.name: one for one in loaded.site.devices}
    chosen = (devices[name] for name in loaded.hosts if name in devices)
    return list(dict.fromkeys(group_name(one) if one.group else one.name for one in chosen))


def intent(
    common: CommonOptions, loaded: Loaded, offline: Mapping[str, Snapshot] | None = None
) -> Intent:
    """Return which inventory a plan is made from, and which snapshots."""
    from segctl.planning.plan import Intent
    from segctl.system.checkout import commit_of

    commit, dirty = commit_of(common.sources[0])
    names = {*loaded.hosts, *unit_names(loaded)}
    taken = {name: one.taken for name, one in (offline or {}).items() if name in names}
    return Intent(
        git_commit=commit,
        dirty=dirty,
        digest=loaded.digest,
        snapshots=None if offline is None else taken,
    )
