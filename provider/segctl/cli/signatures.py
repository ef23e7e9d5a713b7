"""Signed plans on the command line: their options, and the key's password."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from segctl.transports.credentials import Secret

_PASSWORD, _PASSWORD_FILE = "SEGCTL_SIGN_PASSWORD", "SEGCTL_SIGN_PASSWORD_FILE"

VerifyOption = Annotated[
    Path | None,
    typer.Option(
        "--verify",
        envvar="SEGCTL_VERIFY",
        help="Only accept a plan signed by one of these keys (allowed signers, minisign)",
    ),
]
SignOption = Annotated[
    Path | None,
    typer.Option(
        "--sign", help="With -o: sign the plan with this SSH private or minisign secret key"
    ),
]


def key_password(key: Path) -> Secret:
    """Return the password of a key, from the environment or from a person.

    Raises:
        UsageError: neither gives it.
    """
    from segctl.transports.credentials import Secret, secret_in

    if text := os.environ.get(_PASSWORD):
        return Secret(text)
    if name := os.environ.get(_PASSWORD_FILE):
        return secret_in(Path(name), _PASSWORD_FILE)
    if not sys.stdin.isatty():
        raise UsageError(
            f"the key {key} has a password: set {_PASSWORD_FILE} or {_PASSWORD}, or run this "
            "at a terminal"
        )
    return Secret(typer.prompt(f"Password of {key}", hide_input=True, err=True))
