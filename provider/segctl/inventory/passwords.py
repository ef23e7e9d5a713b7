"""Which vault passwords there are: from options, and from the environment as Ansible reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from segctl.inventory.files import problem, vault_password
from segctl.inventory.vault import VaultSecrets
from segctl.transports.credentials import VAULT_PASSWORD_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from segctl.transports.credentials import Secret

    #: Asks a person for the password of a vault id.
    Ask = Callable[[str], Secret]

#: Ansible's own variables: a file or program, and a list of ``id@file`` parted by commas.
ANSIBLE_FILE: Final = "ANSIBLE_VAULT_PASSWORD_FILE"
ANSIBLE_IDS: Final = "ANSIBLE_VAULT_IDENTITY_LIST"
DEFAULT: Final = "default"
_PROMPT: Final = "prompt"


def vault_secrets(
    *,
    ids: Sequence[str] = (),
    files: Sequence[Path] = (),
    ask_pass: bool = False,
    environment: Mapping[str, str],
    ask: Ask,
) -> VaultSecrets | None:
    """Return all vault passwords that are given, or None where there are none.

    Args:
        ids: values of ``--vault-id``: ``id@file``, ``id@prompt``, or a file alone.
        files: values of ``--vault-password-file``.
        ask_pass: whether to ask for one more.
        environment: where Ansible's variables and segctl's own are looked up. Settings in an
            ``ansible.cfg`` are not read: it may lie in the current folder, and name a program.
        ask: asks a person.

    Raises:
        InventoryError: one that is named cannot be had.

    """
    listed = [one.strip() for one in environment.get(ANSIBLE_IDS, "").split(",") if one.strip()]
    found = [_of_id(slug, ask) for slug in (*listed, *ids)]
    found += [(DEFAULT, vault_password(path)) for path in files]
    ours = environment.get(VAULT_PASSWORD_FILE)
    if not (ids or files or ask_pass) and ours:
        found.append((DEFAULT, vault_password(Path(ours))))
    elif theirs := environment.get(ANSIBLE_FILE):
        found.append((DEFAULT, vault_password(Path(theirs))))
    if ask_pass:
        found.append((DEFAULT, ask(DEFAULT)))
    return VaultSecrets(tuple(found)) if found else None


def _of_id(slug: str, ask: Ask) -> tuple[str, Secret]:
    label, at, source = slug.partition("@")
    if not at:
        label, source = "", slug
    vault_id = label or DEFAULT
    if not source:
        raise problem("--vault-id", f"{slug!r} names no file", "write id@file or id@prompt")
    if source == _PROMPT:
        return vault_id, ask(vault_id)
    return vault_id, vault_password(Path(source), label)
