"""The commands: what the overview says of each, and the tree of all of them.

`segctl --help` answers at once: it needs no command's module.
"""

from __future__ import annotations

from copy import copy
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from segctl.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Callable

#: In the order of work: what each command does, as its own help begins.
OVERVIEW = {
    "validate": "Check the inventory without any device: syntax, references, paths, "
    "policy findings.",
    "inventory": "Show the inventory as ansible-inventory does.",
    "fmt": "Give inventory files and playbooks their one layout; values and comments stay.",
    "plan": "Read the devices and show what would change; never writes to a device.",
    "show": "Show a saved plan and who signed it, or how it differs from another.",
    "apply": "Make the devices what the inventory says: a saved plan verbatim, or plan and ask.",
    "drift": "Compare the devices with the inventory; never writes to a device and never locks "
    "one.",
    "contain": "Cut an address, asset or zone off at every firewall of its paths, for a time.",
    "island": "Cut a zone or a site from what is above it, for a time; essential flows go on.",
    "history": "Show what was applied to devices, from the audit journal; never writes to a "
    "device.",
    "check": "Ask firewalls whether they allow a flow, and by which rule; never writes to a "
    "device.",
    "lint": "Find rules without effect, in conflict, or too wide; never writes to a device.",
    "prove": "Prove that firewalls permit exactly what the conduits declare; never writes to a "
    "device.",
    "evidence": "Take evidence of IEC 62443-3-3 from what firewalls hold; never writes to a "
    "device.",
    "query": "List everything that firewalls permit between two zones; never writes to a device.",
    "matrix": "List what firewalls permit between all zones, declared and live side by side.",
    "graph": "Draw the plant: zones by Purdue level, firewalls, conduits; never writes to a "
    "device.",
    "site": "Show the plant on one page: drawing, matrix, register, findings; never writes to a "
    "device.",
    "serve": "Serve the plant on one page: drift as it is now, and answers; never writes to a "
    "device.",
    "list": "List what is declared: zones, assets, conduits, flows, firewalls or rules.",
    "review": "List conduits that are due for review, or decide about one; never writes to a "
    "device.",
    "usage": "Show which rules and conduits are used, by what devices count; never writes to a "
    "device.",
    "discover": "Propose what flows and is not declared, as inventory files; changes no device.",
    "traffic": "Add up what records of traffic show, against what is declared; changes no device.",
    "threats": "Show threats, blocked and not, and unknown applications; changes no device.",
    "watch": "Judge records of threats and traffic, and propose whom to contain, or contain them.",
    "replay": "Judge traffic that was seen under a plan, as declared, or as an island; changes no "
    "device.",
    "snapshot": "Keep what devices hold, without secrets, for plan --offline; never writes to a "
    "device.",
    "verify": "Say who signed a file, by the signature beside it; fails where nobody trusted did.",
    "import": "Write a device as inventory files; planning them back changes nothing.",
    "protocols": "Show the protocol catalogue, or one protocol's applications by access class.",
    "schema": "Print the JSON Schema of a document, or which documents have one.",
    "mock": "Serve mock devices to try things on; make days of a plant's traffic.",
    "explain": "Explain a kind of finding: what it means, why it matters, what to do.",
    "version": "Show which segctl this is, and on which Python it runs.",
    "demo": "Tell the whole story on mock firewalls: plan, apply, a change by hand, drift, repair.",
}
#: The modules of commands that have another name than their module.
_MODULES = {
    "inventory": "reference",
    "show": "plan",
    "history": "audit",
    "matrix": "query",
    "list": "register",
    "verify": "snapshot",
    "import": "importing",
    "protocols": "reference",
    "schema": "reference",
    "explain": "reference",
    "version": "reference",
    "demo": "mock",
}


@cache
def command(name: str) -> Any:
    """Return a command as Typer makes it, or None where there is none of that name.

    Only the module of that command is imported: all of them take longer than many of them run.
    """
    if name not in OVERVIEW:
        return None
    for module in {"drift": ("drift", "history")}.get(name, (_MODULES.get(name, name),)):
        import_module(f"segctl.cli.{module}")
    program: Any = typer.main.get_command(app)
    return program.commands[name]


@cache
def program() -> Callable[..., Any]:
    """Return the program: what it says of itself at once, each command when it is asked for."""
    made: Any = typer.main.get_command(app)
    made.commands = {
        name: TyperCommand(name, help=summary, rich_markup_mode=None)
        for name, summary in OVERVIEW.items()
    }
    return made  # type: ignore[no-any-return] # Typer's own class


def tree() -> Callable[..., Any]:
    """Return the program with every command in it, as one that lists them all needs it."""
    made: Any = copy(program())
    made.commands = {name: command(name) for name in OVERVIEW}
    return made  # type: ignore[no-any-return] # Typer's own class
