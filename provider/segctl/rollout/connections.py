"""Connection variables into where a device is and who logs in there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from segctl.credentials import Secret, login
from segctl.errors import Problem
from segctl.providers.base import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def target(host: str, connection: Mapping[str, object], scope: str) -> Target:
    """Return where a host is and who logs in there, from its connection variables.

    Raises:
        AuthError: no user or no password is to be found.
    """

    def text(name: str) -> str:
        return str(connection.get(name) or "")

    def path(name: str) -> Path | None:
        return Path(text(name)) if text(name) else None

    password = connection.get("ansible_password")
    account = login(
        host,
        user=text("ansible_user"),
        password=password if isinstance(password, Secret) else None,
        key_file=text("ansible_ssh_private_key_file"),
    )
    return Target(
        name=host,
        host=text("ansible_host") or host,
        port=int(text("ansible_port") or 0),
        user=account.user,
        password=account.password,
        scope=scope,
        ca_file=path("segctl_ca_file"),
        tls_fingerprint=text("segctl_tls_fingerprint"),
        tls_verify=connection.get("segctl_tls_verify") is not False,
        known_hosts=path("segctl_known_hosts"),
        key_file=path("ansible_ssh_private_key_file"),
        ssh_fingerprint=text("segctl_ssh_fingerprint"),
        transcript=path("segctl_transcript"),
        timeout=float(text("segctl_timeout") or 60),
        commit_timeout=float(text("segctl_commit_timeout") or 1200),
        max_answer=int(float(text("segctl_max_answer_mb") or 512) * 2**20),
    )


def unverified(host: str, connections: Mapping[str, Mapping[str, object]]) -> Iterator[Problem]:
    """Say aloud that a host's identity is not checked."""
    connection = connections.get(host, {})
    if connection.get("segctl_tls_verify") is False and not connection.get(
        "segctl_tls_fingerprint"
    ):
        yield Problem(
            message=f"{host}: TLS is NOT verified (segctl_tls_verify: false): whoever answers at "
            "its address gets the password",
            hint="pin its certificate with segctl_tls_fingerprint, or name its CA in "
            "segctl_ca_file",
            severity="warning",
            kind="tls",
        )
