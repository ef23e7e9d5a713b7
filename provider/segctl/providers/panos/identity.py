"""Which firewall answered, and which two of a pair it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.providers.base import Identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.model.scope import Scope
    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.standing import Standing


def identity(system: Element, scope: Scope, members: Sequence[Standing], read: str) -> Identity:
    """Return the identity of the firewall whose ``show system info`` this is.

    Args:
        system: the answer.
        scope: the virtual system or device group that was read.
        members: those of the pair it is one of; none for a firewall that is alone.
        read: the host that was read, of a pair.
    """

    def text(name: str) -> str:
        return system.findtext(f"result/system/{name}") or ""

    return Identity(
        serial=text("serial"),
        os_version=text("sw-version"),
        content_version=text("app-version"),
        scope=scope,
        model=text("model"),
        hostname=text("hostname"),
        serials=tuple(sorted(one.serial for one in members if one.serial)),
        answered=read,
    )
