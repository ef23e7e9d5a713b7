"""What is there to look up: ``segctl inventory``, ``segctl protocols``, ``segctl schema``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.options import given_to, settings_of
from segctl.cli.screen import print_dumped, print_json, print_table, say, tell
from segctl.model.errors import UsageError
from segctl.operations.loading import vault


@app.command(cls=Command, epilog=epilog("inventory"))
def inventory(
    context: typer.Context,
    *,
    list_: Annotated[
        bool, typer.Option("--list", help="Show all hosts and variables as JSON")
    ] = False,
    host: Annotated[
        str | None, typer.Option("--host", help="Show the variables of one host")
    ] = None,
    graph: Annotated[bool, typer.Option("--graph", help="Show the groups as a tree")] = False,
    vars_: Annotated[bool, typer.Option("--vars", help="With --graph: show variables too")] = False,
    playbook_dir: Annotated[
        Path | None,
        typer.Option(
            "--playbook-dir",
            metavar="DIR",
            help="Add the variables in this folder, as ansible-inventory does",
        ),
    ] = None,
    group: Annotated[str, typer.Argument(help="With --graph: start at this group")] = "all",
) -> None:
    """Show the inventory as ansible-inventory does.

    Variables of the current folder are shown only with --playbook-dir.
    """
    from segctl.inventory import (
        dump,
        graph_json,
        graph_text,
        host_json,
        list_json,
        read_inventory,
    )
    from segctl.inventory.mocked import otherwise_in_ansible

    settings, display = given_to(context)
    if [list_, host is not None, graph].count(True) != 1:
        raise UsageError("give one of --list, --host HOST and --graph")
    if playbook_dir is not None and not playbook_dir.is_dir():
        raise UsageError(f"--playbook-dir {playbook_dir}: the folder does not exist")
    read = read_inventory(
        list(settings.sources),
        extra_vars=settings.extra_vars,
        vault=vault(settings),
        playbook_dir=playbook_dir,
        as_ansible=True,
        allow_programs=settings.allow_executable_inventory,
    )
    for name, names, file in otherwise_in_ansible(read):
        tell(
            f"segctl: {name}: in Ansible's view {', '.join(names)} differ from {file}; "
            f"the other commands of segctl reach the mock that {file} declares"
        )
    for problem in (*read.lost, *read.surroundings):
        display.warn(str(problem))
    if host is not None:
        print_dumped(dump(host_json(read, host)))
    elif graph and settings.json:
        print_json(graph_json(read, group, variables=vars_), lines=settings.json_lines)
    elif graph:
        say(graph_text(read, group, variables=vars_))
    else:
        print_dumped(dump(list_json(read, settings.limit)))


@app.command(cls=Command, epilog=epilog("protocols"))
def protocols(
    context: typer.Context,
    id_: Annotated[str | None, typer.Argument(metavar="[ID]", help="Id of a protocol")] = None,
) -> None:
    """Show the protocol catalogue, or one protocol's applications by access class."""
    from segctl.protocols import catalogue, rows

    protocol = catalogue().get(id_) if id_ else None
    head, *table = rows(protocol, "PAN-OS")
    settings = settings_of(context)
    if settings.json:
        names = [name.lower() for name in head]
        listed = [dict(zip(names, row, strict=True)) for row in table]
        print_json({"format_version": "1.0", "protocols": listed}, lines=settings.json_lines)
        return
    print_table([head, *table])
    if protocol is not None:
        for text in (protocol.caveat, protocol.notes, protocol.dependency_note):
            if text:
                say(f"\n{text}")


@app.command(cls=Command, epilog=epilog("schema"))
def schema(
    context: typer.Context,
    kind: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Name of a document")] = None,
) -> None:
    """Print the JSON Schema of a document, or which documents have one."""
    from segctl.planning.documents import schema as read_schema
    from segctl.planning.documents import schema_names

    names = ("inventory", "playbook", "checks", *schema_names())
    if kind is None:
        if settings_of(context).json:
            print_json({"format_version": "1.0", "schemas": list(names)})
        else:
            say("\n".join(names))
    elif kind == "inventory":
        from segctl.inventory import json_schema

        print_json(json_schema())
    elif kind == "playbook":
        from segctl.playbook import json_schema as playbook_schema

        print_json(playbook_schema())
    elif kind == "checks":
        from segctl.playbook import checks_schema

        print_json(checks_schema())
    elif kind in names:
        print_json(read_schema(kind))
    else:
        raise UsageError(f"there is no schema {kind!r}; choose one of {', '.join(names)}")


@app.command(cls=Command, epilog=epilog("version"))
def version(context: typer.Context) -> None:
    """Show which segctl this is, and on which Python it runs."""
    import platform

    import segctl

    settings, python = settings_of(context), platform.python_version()
    if settings.json:
        document = {"format_version": "1.0", "version": segctl.__version__, "python": python}
        print_json(document, lines=settings.json_lines)
    else:
        say(f"segctl {segctl.__version__} (Python {python})")


@app.command(cls=Command, epilog=epilog("explain"))
def explain(
    context: typer.Context,
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="Kind of a finding")] = None,
) -> None:
    """Explain a kind of finding: what it means, why it matters, what to do."""
    from segctl.report.rules import explained

    settings = settings_of(context)
    found = explained(rule)
    if settings.json:
        rules = [{"id": one.id, **one.told} for one in found]
        print_json({"format_version": "1.0", "rules": rules}, lines=settings.json_lines)
    elif rule is None:
        print_table([("rule", "what it finds"), *((one.id, one.told["title"]) for one in found)])
    else:
        width = max(len(name) for name in found[0].told)
        say(found[0].id)
        for name, text in found[0].told.items():
            say(f"  {name:<{width}}  {text}")
