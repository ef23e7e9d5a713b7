"""Parts of a configuration that commits, validations and reverts can be limited to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl_mocks.panos import xpath
from segctl_mocks.panos.references import DEVICE
from segctl_mocks.panos.tree import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl_mocks.panos.journal import Change
    from segctl_mocks.panos.tree import Element, Path

_DEVICE_PARTS = frozenset({"zone", "import", "display-name"})
_EXCLUDABLE = ("device-and-network", "shared-object", "policy-and-objects")
_NAMED = (
    "vsys",
    "device-group",
    "template",
    "template-stack",
    "log-collector",
    "log-collector-group",
    "wildfire-appliance",
    "wildfire-appliance-cluster",
)
READONLY = "readonly"
"""Where a Panorama keeps what it knows itself of its groups and templates, by their paths."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a commit, a validation or a revert covers.

    `only` limits each kind of container to some names; kinds that it lacks are covered whole
    (vendor's API guide: each kind has a form that names some and one that leaves all out).
    """

    admins: tuple[str, ...] | None = None
    excluded: frozenset[str] = frozenset()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    objects: tuple[Path, ...] | None = None

    @property
    def partial(self) -> bool:
        """Say whether something is left out."""
        limited = self.admins is not None or self.objects is not None
        return limited or bool(self.excluded) or bool(self.only)

    def covers(self, change: Change) -> bool:
        """Say whether one change is in it."""
        if self.admins is not None and change.admin not in self.admins:
            return False
        path = described(change.path)
        if part_of(path) in self.excluded:
            return False
        if self.objects is not None and not any(path[: len(one)] == one for one in self.objects):
            return False
        kind, name = container_of(path)
        return kind not in self.only or name in self.only[kind]


def described(path: Path) -> Path:
    """Return what a path is about: the group that has a property a Panorama keeps itself."""
    return path[1:] if path[:1] == ((READONLY, ""),) else path


def container_of(path: Path) -> tuple[str, str]:
    """Return the kind and the name of what a path lies in, such as a virtual system; else blanks.

    The name of a whole container is blank, too.
    """
    if len(path) <= len(DEVICE) or path[:2] != DEVICE or path[2][0] not in _NAMED:
        return "", ""
    return path[2][0], path[3][1] if len(path) > 3 else ""


def scope_of_command(command: Element | None) -> Scope:
    """Read ``partial`` and what is in it."""
    partial = None if command is None else command.find(".//partial")
    if partial is None:
        return Scope()
    only = {kind: names for kind in _NAMED if (names := _names(partial, kind)) is not None}
    only |= {kind: () for kind in _NAMED if partial.find(f"no-{kind}") is not None}
    objects = _names(partial, "object-xpaths")
    return Scope(
        admins=_names(partial, "admin"),
        excluded=frozenset(
            part for part in _EXCLUDABLE if text_of(partial.find(part)) == "excluded"
        ),
        only=only,
        objects=None if objects is None else tuple(xpath.place(text) for text in objects),
    )


def _names(partial: Element, tag: str) -> tuple[str, ...] | None:
    found = partial.find(tag)
    return None if found is None else tuple(text_of(each) for each in found)


def part_of(path: Path) -> str:
    """Say which part of the configuration a partial commit counts a node to."""
    tags = [tag for tag, _ in path]
    if tags[:1] == ["shared"]:
        return "shared-object"
    kind, _ = container_of(path)
    if kind != "vsys":
        return kind or "device-and-network"
    return (
        "policy-and-objects"
        if len(tags) > 4 and tags[4] not in _DEVICE_PARTS
        else ("device-and-network")
    )
