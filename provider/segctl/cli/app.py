"""The Typer application: its help, its global options, its groups of commands."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the types of the global options
from typing import Annotated

import typer

import segctl
from segctl.cli.arguments import ALLOW_EXECUTABLE_INVENTORY, Settings
from segctl.cli.completion import Program, complete_hosts
from segctl.cli.examples import epilog
from segctl.model.errors import UsageError

_CLOSING = (
    "These options may stand before or after the command. "
    "Exit status: 0 done or nothing to do, 1 problem, 2 differs (drift; plan --detailed-exitcode)."
)

app = typer.Typer(
    name="segctl",
    help="Provision firewalls for OT network segmentation from IEC 62443 zones and conduits.",
    cls=Program,
    epilog=epilog("", _CLOSING),
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
mock_app = typer.Typer(
    help="Serve mock devices to try things on; make days of a plant's traffic.",
    epilog=epilog("mock"),
    invoke_without_command=True,
    rich_markup_mode=None,
)
drift_app = typer.Typer(epilog=epilog("drift"), invoke_without_command=True, rich_markup_mode=None)
evidence_app = typer.Typer(
    epilog=epilog("evidence"), invoke_without_command=True, rich_markup_mode=None
)
contain_app = typer.Typer(
    help="Cut an address, asset or zone off at every firewall of its paths, for a time.",
    epilog=epilog("contain"),
    invoke_without_command=True,
    rich_markup_mode=None,
)
island_app = typer.Typer(
    help="Cut a zone or a site from what is above it, for a time; essential flows go on.",
    epilog=epilog("island"),
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(contain_app, name="contain")
app.add_typer(island_app, name="island")
app.add_typer(mock_app, name="mock")
app.add_typer(drift_app, name="drift")
app.add_typer(evidence_app, name="evidence")


def _version(value: bool) -> None:  # noqa: FBT001 - Click's own form of a callback
    if value:
        typer.echo(f"segctl {segctl.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    context: typer.Context,
    *,
    inventory: Annotated[
        list[Path] | None,
        typer.Option("-i", "--inventory", help="Inventory file or folder; repeatable [inventory/]"),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(
            "-l",
            "--limit",
            help="Only hosts that match this pattern, as in Ansible",
            autocompletion=complete_hosts,
        ),
    ] = None,
    extra_vars: Annotated[
        list[str] | None,
        typer.Option("-e", "--extra-vars", help="Variables: key=value, YAML, JSON or @file"),
    ] = None,
    vault_id: Annotated[
        list[str] | None,
        typer.Option(
            "--vault-id",
            metavar="ID@FILE",
            help="A vault id and the file or program that gives its password, or ID@prompt; "
            "repeatable",
        ),
    ] = None,
    vault_password_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--vault-password-file",
            help="File or program that gives an Ansible Vault password; repeatable",
        ),
    ] = None,
    ask_vault_pass: Annotated[
        bool, typer.Option("--ask-vault-pass", help="Ask for the Vault password")
    ] = False,
    allow_executable_inventory: Annotated[
        bool,
        typer.Option(
            "--allow-executable-inventory",
            envvar=ALLOW_EXECUTABLE_INVENTORY,
            show_envvar=False,
            help="Run inventory sources that are programs or plugins "
            f"(or {ALLOW_EXECUTABLE_INVENTORY}=1)",
        ),
    ] = False,
    forks: Annotated[
        int,
        typer.Option("-f", "--forks", min=1, max=512, help="Number of devices worked on at a time"),
    ] = 10,
    executor: Annotated[
        str,
        typer.Option(
            "--executor",
            envvar="SEGCTL_EXECUTOR",
            show_envvar=False,
            help="Where the work runs: threads, processes, dask://HOST:PORT, "
            "tls://HOST:PORT (or SEGCTL_EXECUTOR) [depends on the number of devices]",
        ),
    ] = "",
    no_cache: Annotated[
        bool,
        typer.Option("--no-cache", help="Parse every answer again, even one seen before"),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout")] = False,
    json_lines: Annotated[
        bool, typer.Option("--json-lines", help="Events as JSON lines on stdout, then the document")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show every step")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    del version
    needs_command(context)
    context.obj = Settings(
        inventory=tuple(inventory or ()),
        limit=limit,
        extra_vars=tuple(extra_vars or ()),
        vault_ids=tuple(vault_id or ()),
        vault_password_files=tuple(vault_password_file or ()),
        ask_vault_pass=ask_vault_pass,
        allow_executable_inventory=allow_executable_inventory,
        forks=forks,
        json=json or json_lines,
        json_lines=json_lines,
        executor=executor,
        cache=not no_cache,
        verbose=verbose,
    )


def needs_command(context: typer.Context) -> None:
    """Show the help, as an error, where no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise UsageError("no command was given")


@contain_app.callback()
def _contain(context: typer.Context) -> None:
    needs_command(context)


@island_app.callback()
def _island(context: typer.Context) -> None:
    needs_command(context)


@mock_app.callback()
def _mock(context: typer.Context) -> None:
    needs_command(context)
