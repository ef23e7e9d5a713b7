"""Everything that one read of a device group asks, in one document for `parse`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.model.errors import ParseError
from segctl.providers.panos import locks, names, references, refusals, version
from segctl.providers.panos.member import SYSTEM
from segctl.providers.panos.panorama import members, templates
from segctl.providers.panos.panorama.parse import (
    CONTENT,
    GROUP,
    HIERARCHY,
    MEMBERS,
    PARENT,
    PRECEDENCE,
    STANDING,
    children_of,
    parents_of,
)
from segctl.providers.panos.parse import COUNTED_KINDS
from segctl.providers.panos.reading import Reader, without_moving
from segctl.providers.panos.small import small
from segctl.providers.panos.snapshot import Snapshot
from segctl.providers.panos.wire import xml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.providers.panos.locks import Held
    from segctl.providers.panos.member import Member
    from segctl.providers.panos.panorama.members import Firewall
    from segctl.transports.target import Target

_HIERARCHY: Final = "<show><dg-hierarchy></dg-hierarchy></show>"
APPLICATIONS: Final = "/config/predefined/application/entry/@name"
_SETTINGS: Final = f"{names.DEVICE}/deviceconfig/setting/management"
_GROUPS: Final = f"{names.DEVICE}/device-group"


class GroupReader(Reader):
    """Reads one device group of a Panorama, what it inherits, and what its firewalls have of it."""

    def read(self) -> bytes:
        """Return the running configuration of the group, and what is needed to judge it.

        The number of requests grows with the groups around it and the templates of its firewalls,
        not with the number of firewalls or rules. What belongs to Panorama as a whole is asked for
        once in a command that only reads: see `common`.
        """
        self.room = self.target.max_answer
        name, group = self.target.name, self.location.name
        system = self.common({"type": "op", "cmd": SYSTEM})
        told = xml(self.target, system)
        self.member.writer.version = told.findtext("result/system/sw-version") or ""
        if told.get("status") == "success":
            self._refuse_firewall(told.findtext("result/system/model") or "")
            version.check(self.target, self.member.writer.version)
        parts = {
            "system": without_moving(system),
            "pending": self.get({"type": "op", "cmd": refusals.CHANGES}),
            GROUP: self.config("show", self.location.xpath),
            "shared": self.common_config("show", names.SHARED),
            PRECEDENCE: self.common_config("show", f"{_SETTINGS}/{PRECEDENCE}"),
            "applications": self.common_config("get", APPLICATIONS),
            "containers": self.common_config("get", "/config/predefined/application-container"),
            HIERARCHY: self.common({"type": "op", "cmd": _HIERARCHY}),
            STANDING: self.get({"type": "op", "cmd": standing_command(group)}),
            MEMBERS: members.to_part(self.target.managed),
        }
        tree = small(name, HIERARCHY, parts[HIERARCHY])
        for parent in parents_of(name, tree, group):
            where = f"{_GROUPS}/entry[@name={names.quote(parent)}]"
            parts[PARENT + parent] = self.common_config("show", where)
        if below := children_of(tree, group):
            either = " or ".join(f"@name={names.quote(child)}" for child in below)
            parts[references.SYSTEMS] = self.config("get", f"{_GROUPS}/entry[{either}]")
        for kind in COUNTED_KINDS:
            counted = f"{self.location.all_of(kind)}/entry/@name"
            parts[f"count {kind}"] = self.config("get", counted)
        known = firewalls(self.target, group, parts)
        parts |= templates.ask(self.common_config, name, known.values())
        own = told.findtext("result/system/app-version") or ""
        parts |= self._applications(known.values(), own)
        parts["locks"] = self.locks(system)
        return Snapshot(
            host=name,
            user=self.member.target.user,
            scope=str(self.location.scope),
            parts=parts,
            limit=self.target.max_answer,
        ).dump()

    def _applications(self, known: Iterable[Firewall], own: str) -> dict[str, bytes]:
        """Return the applications of each content that firewalls have and Panorama has not.

        One of the firewalls is asked, by way of Panorama. Where none of them is connected nobody
        can be asked: such a firewall checks what it would get before it gets it.
        """
        ask = {one.content_version: one.serial for one in known if one.connected}
        where = {"type": "config", "action": "get", "xpath": APPLICATIONS}
        return {
            f"{CONTENT}{content}": self.common({**where, "target": serial})
            for content, serial in sorted(ask.items())
            if content and content != own
        }

    def common(self, params: Mapping[str, str]) -> bytes:
        """Return the answer to a request that is the same for every group of this Panorama.

        What may change from one moment to the next is not among it: pending changes, locks, the
        group itself and what its firewalls have.
        """
        known = self.target.common
        if known is None:
            return self.get(params)
        room = self.room
        body = known.of(repr(sorted(params.items())), lambda: self.get(params))
        if len(body) > room:
            return self.get(params)  # too much beside all else: refused as any answer is
        self.room = room - len(body)
        return body

    def common_config(self, action: str, xpath: str) -> bytes:
        """Return the answer to a request of a part of the configuration; see `common`."""
        return self.common({"type": "config", "action": action, "xpath": xpath})

    def held(self, member: Member) -> list[Held]:
        """Return the locks that concern the group; those of other groups are left alone."""
        mine = (locks.SHARED, self.location.name)
        return [lock for lock in super().held(member) if lock.scope in mine]

    def _refuse_firewall(self, model: str) -> None:
        """Refuse a device that is not a Panorama.

        Source: pan-os-python tells one by its model, ``Panorama`` or ``M-…``.
        """
        if model != "Panorama" and not model.startswith("M-"):
            raise ParseError(
                self.target.name,
                f"the host that segctl_panorama names is a {model or 'device'}, not a Panorama: "
                "correct it, or its ansible_host",
            )


def standing_command(group: str) -> str:
    """Return the command that lists the firewalls of a device group."""
    return f"<show><devicegroups><name>{group}</name></devicegroups></show>"


def firewalls(target: Target, group: str, parts: Mapping[str, bytes]) -> dict[str, Firewall]:
    """Return the firewalls of the inventory as Panorama knows them now, by host.

    Raises:
        ParseError: one is not in the group, or not clear.
    """
    held = members.read(small(target.name, STANDING, parts[STANDING]), group)
    return members.matched(target.name, group, target.managed, held)
