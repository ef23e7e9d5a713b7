"""A device's address, its login, and how its identity is checked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.model.scope import DEFAULT_SCOPE, Scope
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from segctl.transports.answers import Answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a group with one name: a cluster, a pair, or a manager's devices.

    `way` is how it is reached where that is another way than to the device it belongs to.
    """

    name: str
    host: str
    way: Target | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Managed:
    """A firewall of the inventory that a manager manages.

    The manager knows it by `serial`, and parts of it by `part`; without a serial, by its address
    or name. What the group holds is for those that are `asked`. The peer of a firewall is `of` it:
    together they are one, under the name of that host.
    """

    name: str
    host: str
    serial: str = ""
    part: str = ""
    asked: bool = True
    of: str = ""

    @property
    def firewall(self) -> str:
        """The host that the inventory has as the firewall."""
        return self.of or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A device's address and how its identity is checked; the password never leaves it.

    `scope` is the part of the device that is meant. `members` are the other devices it stands for,
    reached by the same account unless they say otherwise; empty for a single device. `managed` are
    the firewalls of a group of a manager; one of them is reached `via` the group, at that address.
    `common` is what sessions of one command share that reach the same device, or its manager; None
    where every session is to ask itself.
    """

    name: str
    host: str
    port: int = 0
    user: str = ""
    password: Secret = field(default_factory=lambda: Secret(""), repr=False)
    scope: Scope = DEFAULT_SCOPE
    ca_file: Path | None = None
    tls_fingerprint: str = ""
    tls_verify: bool = True
    known_hosts: tuple[Path, ...] = ()
    key_file: Path | None = None
    ssh_fingerprint: str = ""
    transcript: Path | None = None
    timeout: float = 60.0
    commit_timeout: float = 1200.0
    max_answer: int = 96 * 2**20
    allow_unsupported_version: bool = False
    members: tuple[Member, ...] = ()
    managed: tuple[Managed, ...] = ()
    via: Scope = DEFAULT_SCOPE
    common: Answers | None = field(default=None, repr=False, compare=False)

    def of(self, member: Member) -> Target:
        """Return the target for one of the members."""
        if member.way is not None:
            return replace(member.way, common=self.common)
        return replace(self, name=member.name, host=member.host, members=())
