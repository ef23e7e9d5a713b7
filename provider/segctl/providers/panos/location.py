"""Where a policy lives in a configuration: in a virtual system, or in a device group of Panorama.

Source: configuration schemas of PAN-OS and Panorama 10.0: a device group has its rules in a pre-
and a post-rulebase, and what it overrides of the default rules in the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from segctl.model.scope import GROUP, LATE_GROUP, Scope
from segctl.providers.panos import names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from segctl.providers.panos.elements import Element

    Base: TypeAlias = Literal["", "pre", "post"]

_RULES: Final = "security/rules"
_DEFAULTS: Final = "default-security-rules/rules"
#: Where each kind of items is, below a virtual system.
_OF_SYSTEM: Final[Mapping[str, str]] = {
    "tag": "tag",
    "zone": "zone",
    "address": "address",
    "address-group": "address-group",
    "service": "service",
    "application-group": "application-group",
    "schedule": "schedule",
    "log-profile": "log-settings/profiles",
    "default-rule": f"rulebase/{_DEFAULTS}",
    "rule": f"rulebase/{_RULES}",
}
#: The same below a device group, which has no zones: those come from templates.
_OF_GROUP: Final[Mapping[str, Mapping[str, str]]] = {
    base: {kind: path for kind, path in _OF_SYSTEM.items() if kind != "zone"}
    | {"default-rule": f"post-rulebase/{_DEFAULTS}", "rule": f"{base}-rulebase/{_RULES}"}
    for base in ("pre", "post")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A virtual system by its name; with a `rulebase`, that of a device group."""

    name: str
    rulebase: Base = ""

    @classmethod
    def of(cls, scope: Scope) -> Location:
        """Return where a scope's policy lives; by default in the first virtual system.

        Raises:
            ValueError: PAN-OS has no such scopes.
        """
        match scope.kind:
            case "":
                return cls(name=scope.name or "vsys1")
            case "device-group":
                return cls(name=scope.name, rulebase="pre")
            case "device-group-post":
                return cls(name=scope.name, rulebase="post")
            case other:
                message = f"PAN-OS has no {other}"
                raise ValueError(message)

    @classmethod
    def of_script(cls, root: Element) -> Location:
        """Return the place that a script is about."""
        if root.get("rulebase") == "post":
            return cls(name=root.get(GROUP, ""), rulebase="post")
        if root.get("rulebase"):
            return cls(name=root.get(GROUP, ""), rulebase="pre")
        return cls(name=root.get("vsys", ""))

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes by which `of_script` finds it."""
        if self.rulebase:
            return {GROUP: self.name, "rulebase": self.rulebase}
        return {"vsys": self.name}

    @property
    def scope(self) -> Scope:
        """The scope it is the place of."""
        kinds = {"": "", "pre": GROUP, "post": LATE_GROUP}
        return Scope(kind=kinds[self.rulebase], name=self.name)

    @property
    def container(self) -> str:
        """The tag of the node that holds it and its like: ``vsys`` or ``device-group``."""
        return GROUP if self.rulebase else "vsys"

    @property
    def xpath(self) -> str:
        """The xpath of its entry."""
        return f"{names.DEVICE}/{self.container}/entry[@name={names.quote(self.name)}]"

    @property
    def saved(self) -> str:
        """The path of its entry in a whole configuration, below an answer's ``result``."""
        return f"config/devices/entry/{self.container}/entry[@name={names.quote(self.name)}]"

    @property
    def containers(self) -> Mapping[str, str]:
        """Where each kind of items is below its entry, in the order in which they are made."""
        return _OF_GROUP[self.rulebase] if self.rulebase else _OF_SYSTEM

    def all_of(self, kind: str) -> str:
        """Return the xpath of the container of a kind."""
        return f"{self.xpath}/{self.containers[kind]}"

    def path(self, kind: str, name: str) -> str:
        """Return the xpath of one item."""
        return f"{self.all_of(kind)}/entry[@name={names.quote(name)}]"

    def __str__(self) -> str:
        """What people call it."""
        return f"device group {self.name}" if self.rulebase else self.name
