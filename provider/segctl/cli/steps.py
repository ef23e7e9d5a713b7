"""What every command needs first: settings, the inventory, the devices' plans."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.arguments import Settings
from segctl.cli.screen import progress, tell
from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from segctl.compiler.build import Desired
    from segctl.fleet import Failure, Workers
    from segctl.inventory import Loaded, VaultSecrets
    from segctl.inventory.loading import Fitting
    from segctl.model.errors import Problem
    from segctl.planning.plan import DevicePlan, Plan
    from segctl.planning.snapshot import Snapshot
    from segctl.transports.credentials import Secret

OfflineOption = Annotated[
    Path | None,
    typer.Option("--offline", help="Read no device but this snapshot, or this folder of them"),
]


def settings_of(context: typer.Context) -> Settings:
    """Return the global options of this run."""
    found = context.find_object(Settings)
    return found or Settings()


def vault(settings: Settings) -> VaultSecrets | None:
    """Return what opens vaulted values, if it was given.

    Raises:
        InventoryError: what is named cannot be read.
    """
    import os

    from segctl.inventory.passwords import DEFAULT, vault_secrets

    def ask(vault_id: str) -> Secret:
        from segctl.transports.credentials import Secret

        of = "" if vault_id == DEFAULT else f" ({vault_id})"
        return Secret(typer.prompt(f"Vault password{of}", hide_input=True))

    return vault_secrets(
        ids=settings.vault_ids,
        files=settings.vault_password_files,
        ask_pass=settings.ask_vault_pass,
        environment=os.environ,
        ask=ask,
    )


@contextmanager
def working(settings: Settings, devices: int) -> Generator[Workers]:
    """Open the workers that the settings name, or that suit so many devices.

    Raises:
        ExecutorError: they cannot be used.
    """
    from segctl.fleet import exposed, workers

    if warning := exposed(settings.executor):
        tell(f"segctl: {warning}")
    with workers(settings.executor, devices=devices, forks=settings.forks) as found:
        yield found


def load_inventory(
    settings: Settings, *, telling: bool = True, fitting: Fitting | None = None
) -> Loaded:
    """Read the inventory; say of what lies around it what may mislead, unless the caller does.

    With `fitting` (see `segctl.inventory.load`) paths and platforms are followed too.

    Raises:
        InventoryError: with every problem there is.
        UsageError: ``--limit`` selects no firewall.
    """
    from segctl.inventory import load

    loaded = load(
        list(settings.sources),
        limit=settings.limit,
        extra_vars=settings.extra_vars,
        vault=vault(settings),
        allow_programs=settings.allow_executable_inventory,
        today=today(),
        fitting=fitting,
    )
    if telling:
        tell_warnings(loaded.inventory.surroundings)
    return loaded


def tell_warnings(problems: Iterable[Problem]) -> None:
    """Write problems that stop nothing to standard error."""
    for problem in problems:
        tell(f"segctl: warning: {problem}")


def refuse_writable(loaded: Loaded) -> None:
    """Refuse to change a device by an inventory that every user of this machine can change.

    Raises:
        InventoryError: it is one.
    """
    from segctl.inventory.surroundings import WRITABLE
    from segctl.model.errors import InventoryError

    found = [one for one in loaded.warnings if one.kind == WRITABLE]
    if found:
        raise InventoryError(tuple(replace(one, severity="error") for one in found))


def today() -> date:
    """Return the day by the clock of this machine."""
    return datetime.now(UTC).astimezone().date()


def desired_of(loaded: Loaded) -> list[Desired]:
    """Return what every firewall that the limit selects should hold."""
    from segctl.compiler.build import compile_site

    compiled = compile_site(loaded.site, today())
    chosen = [compiled[name] for name in loaded.hosts if name in compiled]
    if not chosen:
        raise UsageError(
            "no firewall is selected: a host is one when it has ansible_network_os; "
            f"the inventory has {', '.join(compiled) or 'none'}"
        )
    return chosen


def read_plans(
    settings: Settings, loaded: Loaded, offline: Mapping[str, Snapshot] | None = None
) -> tuple[list[DevicePlan], list[Failure]]:
    """Read every selected device; return the plans, and the devices that have none.

    With `offline` no device is read: its snapshot is.
    """
    from segctl.fleet import plan_devices

    chosen = desired_of(loaded)
    names = [item.device.name for item in chosen]
    if offline is not None:
        from segctl.fleet.snapshots import plan_offline

        with progress(settings, names) as report:
            return _parted(plan_offline(chosen, offline, report))
    with working(settings, len(names)) as executor, progress(settings, names) as report:
        results = plan_devices(
            chosen,
            loaded.connections,
            forks=settings.forks,
            report=report,
            executor=executor,
            cache=settings.cache,
        )
    return _parted(results)


def _parted(
    results: Iterable[DevicePlan | Failure],
) -> tuple[list[DevicePlan], list[Failure]]:
    from segctl.planning.plan import DevicePlan

    found = list(results)
    plans = [item for item in found if isinstance(item, DevicePlan)]
    return plans, [item for item in found if not isinstance(item, DevicePlan)]


def snapshots(path: Path | None) -> dict[str, Snapshot] | None:
    """Return the snapshots of a file or folder by device, if it is given.

    Raises:
        SnapshotError: they cannot be used.
    """
    if path is None:
        return None
    from segctl.planning.snapshot import load_snapshots

    return load_snapshots(path)


def intent(
    settings: Settings, loaded: Loaded, offline: Mapping[str, Snapshot] | None = None
) -> dict[str, Any]:
    """Return which inventory a plan is made from, and which snapshots."""
    from segctl.system.checkout import commit_of

    commit, dirty = commit_of(settings.sources[0])
    found: dict[str, Any] = {"git_commit": commit, "dirty": dirty, "digest": loaded.digest}
    if offline is not None:
        found["snapshots"] = {
            name: one.taken for name, one in offline.items() if name in loaded.hosts
        }
    return found


def plan_all(
    settings: Settings,
    loaded: Loaded | None = None,
    *,
    valid_for: float = 24.0,
    offline: Mapping[str, Snapshot] | None = None,
) -> tuple[Plan, list[Failure]]:
    """Read the inventory, unless it is, and the devices; return the plan, and who has none."""
    from segctl.planning.plan import make_plan

    loaded = loaded or load_inventory(settings)
    plans, failures = read_plans(settings, loaded, offline)
    found = intent(settings, loaded, offline)
    made = make_plan(plans, found, valid_for=timedelta(hours=valid_for))
    return made, failures
