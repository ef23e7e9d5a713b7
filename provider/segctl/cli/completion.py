"""Completion for bash, zsh and fish: commands, options, and the hosts of the inventory.

Nothing is run for it and nobody is asked: an inventory that is a program, or that cannot be read,
has no hosts to offer.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer  # noqa: TC002 - Typer reads the types of what completes
from typer.core import TyperCommand, TyperGroup

from segctl.cli.arguments import hoist
from segctl.model.errors import SegctlError

if TYPE_CHECKING:
    from segctl.inventory import Inventory

#: What is before the last name of a host pattern: ``fw1,!`` of ``fw1,!fw2``.
_BEFORE = re.compile(r"^(?:.*[,:])?[!&]?")
#: A name that a shell takes as it is: bash does not quote what it is offered.
_PLAIN = re.compile(r"\w[\w.:@%+/-]*")


class Program(TyperGroup):
    """Segctl itself: a command is loaded when a command line names it.

    While a line is completed, its global options may follow the command.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Return the context of a command line, or of its beginning that is being completed."""
        words = hoist(args) if extra.get("resilient_parsing") else args
        return super().make_context(info_name, words, parent, **extra)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Return the name, the command and its arguments, as Typer does."""
        from segctl.cli.commands import command

        name, found, rest = super().resolve_command(ctx, args)
        return name, found and command(name or ""), rest


class Command(TyperCommand):
    """A command that offers the global options beside its own."""

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return the options that begin with `incomplete`."""
        own = super().shell_complete(ctx, incomplete)
        root = ctx.find_root()
        if root is ctx:
            return own
        every = TyperCommand.shell_complete(root.command, root, incomplete)
        there = {item.value for item in own}
        listed = {name for param in root.command.params for name in param.opts} - _OF_ITSELF
        return own + [item for item in every if item.value in listed - there]


#: Options that only segctl itself has: after a command they mean nothing.
_OF_ITSELF = {"--version", "--install-completion", "--show-completion", "--help", "-h"}


def complete_hosts(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return host patterns that begin with `incomplete`: the inventory's hosts and groups.

    A Panorama is none of them: it is never selected, its firewalls are. Nor is a name that a shell
    would read as more than a name, such as ``$(id)``: the inventory may be somebody else's.
    """
    from segctl.inventory import read_inventory

    sources = ctx.find_root().params.get("inventory") or [Path("inventory")]
    match = _BEFORE.match(incomplete)
    before = match[0] if match else ""
    try:
        found = read_inventory([Path(source) for source in sources], allow_programs=False)
        managers = _managers(found)
    except (SegctlError, OSError):
        return []
    names = sorted(filter(_PLAIN.fullmatch, {*found.hosts, *found.groups} - managers))
    return [before + name for name in names if name.startswith(incomplete[len(before) :])]


def _managers(inventory: Inventory) -> set[str]:
    """Return the hosts that others name as their Panorama."""
    named = (layer.variables.get("segctl_panorama") for _, layer in inventory.host_layers())
    return {name for name in named if isinstance(name, str)}
