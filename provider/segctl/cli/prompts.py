"""What a person at the terminal is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from segctl.transports.credentials import Secret


def vault_password(vault_id: str) -> Secret:
    """Ask for the password of a vault id."""
    from segctl.inventory.passwords import DEFAULT
    from segctl.transports.credentials import Secret

    of = "" if vault_id == DEFAULT else f" ({vault_id})"
    return Secret(typer.prompt(f"Vault password{of}", hide_input=True))


def approved(question: str = "Apply these changes? Only 'yes' is accepted") -> bool:
    """Ask whether something may be done; nothing but ``yes`` agrees."""
    try:
        answer = typer.prompt(question, default="no")
    except typer.Abort:
        typer.echo(err=True)
        return False
    return str(answer).strip() == "yes"
