"""What every operation is given: which inventory, which devices, how they are worked on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.transports.credentials import Secret

#: Devices that are worked on at a time.
FORKS = 10


class Interrupts(Protocol):
    """How the caller stops an operation that changes devices."""

    def __call__(
        self, revert: Callable[[], None], finish: Callable[[], None] | None = None
    ) -> AbstractContextManager[None]:
        """Return what stands around the work.

        Args:
            revert: stops the devices at their next step and takes back what was begun.
            finish: begins nothing more and lets what runs come to its end; None where there is
                nothing more to begin. Both may be called from any thread, more than once.
        """
        ...


def uninterrupted(
    revert: Callable[[], None], finish: Callable[[], None] | None = None
) -> AbstractContextManager[None]:
    """Let the work come to its end; an exception in the calling thread is all that stops it."""
    del revert, finish
    return nullcontext()


def ask_nobody(vault_id: str) -> Secret:
    """Refuse to ask for a Vault password.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        f"nobody can be asked for the Vault password {vault_id!r}: name a file that holds it"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """The options that all operations share, named as the command line names them.

    `ask_vault_password` takes a vault id and returns its password. `interrupts` stands around all
    work that changes devices.
    """

    inventory: tuple[Path, ...] = ()
    limit: str | None = None
    extra_vars: tuple[str, ...] = ()
    vault_ids: tuple[str, ...] = ()
    vault_password_files: tuple[Path, ...] = ()
    ask_vault_pass: bool = False
    allow_executable_inventory: bool = False
    forks: int = FORKS
    executor: str = ""
    cache: bool = True
    ask_vault_password: Callable[[str], Secret] = ask_nobody
    interrupts: Interrupts = uninterrupted

    @property
    def sources(self) -> tuple[Path, ...]:
        """The inventories to read."""
        return self.inventory or (Path("inventory"),)

    def words(self) -> list[str]:
        """Return these options as a command line; what may be secret is left to be repeated."""
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
        words += ["-f", str(self.forks)] if self.forks != FORKS else []
        words += ["--executor", self.executor] if self.executor else []
        words += [] if self.cache else ["--no-cache"]
        return words
