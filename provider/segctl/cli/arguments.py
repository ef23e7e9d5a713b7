"""Global options: what they are, and that they may stand before or after a command's name."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Says for every run of an account what the option of the same name says for one.
ALLOW_EXECUTABLE_INVENTORY = "SEGCTL_ALLOW_EXECUTABLE_INVENTORY"
#: Global options by spelling, with whether a value follows.
GLOBAL = {
    "-i": True,
    "--inventory": True,
    "-l": True,
    "--limit": True,
    "-e": True,
    "--extra-vars": True,
    "--vault-id": True,
    "--vault-password-file": True,
    "--ask-vault-pass": False,
    "--allow-executable-inventory": False,
    "-f": True,
    "--forks": True,
    "--executor": True,
    "--no-cache": False,
    "--json": False,
    "--json-lines": False,
    "-v": False,
    "--verbose": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The global options."""

    inventory: tuple[Path, ...] = ()
    limit: str | None = None
    extra_vars: tuple[str, ...] = ()
    vault_ids: tuple[str, ...] = ()
    vault_password_files: tuple[Path, ...] = ()
    ask_vault_pass: bool = False
    allow_executable_inventory: bool = False
    forks: int = 10
    executor: str = ""
    cache: bool = True
    json: bool = False
    json_lines: bool = False
    verbose: bool = False

    @property
    def sources(self) -> tuple[Path, ...]:
        """The inventories to read."""
        return self.inventory or (Path("inventory"),)

    def again(self) -> list[str]:
        """Return the options of the same run; what may be secret is left for the user to repeat."""
        words = [word for source in self.inventory for word in ("-i", str(source))]
        words += ["-l", self.limit] if self.limit else []
        for value in self.extra_vars:
            words += ["-e", value if value.startswith("@") else "…"]
        for slug in self.vault_ids:
            words += ["--vault-id", slug]
        for file in self.vault_password_files:
            words += ["--vault-password-file", str(file)]
        words += ["--ask-vault-pass"] if self.ask_vault_pass else []
        words += ["--allow-executable-inventory"] if self.allow_executable_inventory else []
        words += ["-f", str(self.forks)] if self.forks != Settings().forks else []
        words += ["--executor", self.executor] if self.executor else []
        words += [] if self.cache else ["--no-cache"]
        return words


def hoist(argv: list[str]) -> list[str]:
    """Return the arguments with global options moved before the command."""
    front: list[str] = []
    rest: list[str] = []
    words: Iterator[str] = iter(argv)
    while (word := next(words, None)) is not None:
        if word == "--":
            rest += [word, *words]
            break
        name, equals, _ = word.partition("=")
        cluster = word[:1] == "-" and word[:2] != "--" and len(word) > 2
        if name in GLOBAL and (equals or not GLOBAL[name]):
            front.append(word)
        elif name in GLOBAL:
            value = next(words, None)
            if value is None:
                return [*front, word]  # for Click to say that it needs a value
            front += [word, value]
        elif cluster and GLOBAL.get(word[:2]):
            front.append(word)
        elif cluster and word[:2] in GLOBAL:
            front.append(word[:2])
            words = chain([f"-{word[2:]}"], words)
        else:
            rest.append(word)
    return front + rest


def asks_json(hoisted: Sequence[str]) -> bool:
    """Whether the hoisted arguments ask for JSON, also where the rest of them is wrong."""
    return _asks(hoisted, "--json", "--json-lines")


def asks_lines(hoisted: Sequence[str]) -> bool:
    """Whether the hoisted arguments ask for JSON lines."""
    return _asks(hoisted, "--json-lines")


def asks_itself(hoisted: Sequence[str]) -> bool:
    """Whether the hoisted arguments ask for the program's own help or version."""
    return _asks(hoisted, "-h", "--help", "--version")


def _asks(hoisted: Sequence[str], *options: str) -> bool:
    words = iter(hoisted)
    for word in words:
        if word in options:
            return True
        if word[:1] != "-":
            return False
        if GLOBAL.get(word):
            next(words, None)
    return False
