"""What applications and ports stand for in checks: messages, interactive access, clear text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from segctl.model.policy import ANY
from segctl.protocols import catalogue

if TYPE_CHECKING:
    from collections.abc import Collection

    from segctl.evidence.scene import Scene
    from segctl.model.policy import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What stands for something: applications, and ports as ``(protocol, port)``."""

    applications: frozenset[str]
    ports: frozenset[tuple[str, int]]


@cache
def words(name: str) -> Words:
    """Return what stands for ``messages``, ``interactive`` or ``clear_text``, or is ``plain``.

    Raises:
        KeyError: there is no such list.
    """
    import yaml

    text = (files("segctl.evidence") / "words.yaml").read_text(encoding="utf-8")
    held = cast("dict[str, dict[str, list[str]]]", yaml.safe_load(text))[name]
    ports = (port.split("/") for port in held["ports"])
    return Words(
        applications=frozenset(held["applications"]),
        ports=frozenset((protocol, int(number)) for protocol, number in ports),
    )


@cache
def _industrial() -> frozenset[str]:
    return frozenset(
        one.name for protocol in catalogue().protocols.values() for one in protocol.applications
    )


def _means(name: str, of: Collection[str]) -> bool:
    """Whether an application is one of some, or a function of one: ``smtp-base`` of ``smtp``."""
    return name in of or any(name.startswith(f"{word}-") for word in of)


def meets(scene: Scene, rule: Rule, name: str) -> bool:
    """Whether a rule permits an application of a list, or any application on a port of it."""
    wanted = words(name)
    named = scene.applications(rule)
    if any(_means(one, wanted.applications) for one in named):
        return True
    if ANY not in named:
        return False
    ports = scene.ports(rule)
    return ports is None or any(
        protocol == of and first <= port <= last
        for of, first, last in ports
        for protocol, port in wanted.ports
    )


def unplaced(scene: Scene, rule: Rule) -> list[str]:
    """Return the applications of a rule of which it is not known that they carry no messages."""
    plain = words("plain").applications
    return [
        one
        for one in scene.applications(rule)
        if one not in _industrial() and not _means(one, plain)
    ]
