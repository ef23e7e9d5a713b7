"""Global options: what they are, and that they may stand before or after a command's name."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from segctl.cli.interrupts import heeding
from segctl.cli.prompts import vault_password
from segctl.operations.options import CommonOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from segctl.operations.options import Interrupts
    from segctl.transports.credentials import Secret

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
class Settings(CommonOptions):
    """The global options: those of every operation, and how its result is printed."""

    ask_vault_password: Callable[[str], Secret] = vault_password
    interrupts: Interrupts = heeding
    json: bool = False
    json_lines: bool = False
    verbose: bool = False


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
