"""Inventory values that are more than plain YAML: where they stand, vaulted and unsafe strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

#: Names of variables that belong to segctl begin with this.
PREFIX = "segctl_"


class Unsafe(str):
    """A string that Ansible must not treat as a template (``!unsafe``, extra variables)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A ``!vault`` value: the vault text as written, decrypted only where it is needed."""

    ciphertext: str

    def __repr__(self) -> str:
        """Return what Ansible shows where such a value is deep in a variable."""
        return f"EncryptedString(ciphertext={self.ciphertext!r})"


class Place(NamedTuple):
    """Where a key and its value stand in a file (from 1; 0 = unknown).

    ``text`` is the plain scalar as written when YAML 1.1 reads it as something other than
    text, ``key_text`` the same for the key.
    """

    file: str = ""
    line: int = 0
    column: int = 0
    value_line: int = 0
    value_column: int = 0
    text: str | None = None
    key_text: str | None = None


#: Places of the items of a container, by key or index.
Items = Mapping[object, Place]

#: Places of the items of all containers of a document, by identity of the container.
Places = Mapping[int, Items]

#: Host, group or file variables.
Variables = dict[str, object]

#: Where segctl's own variables among some `Variables` were declared.
Origins = dict[str, Place]
