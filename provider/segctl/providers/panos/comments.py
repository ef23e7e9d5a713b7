"""Audit comments of rules: written to the candidate before its commit, a request each.

Source: the vendor's operational commands (`set audit-comment`, from PAN-OS 9.0 on; a comment has at
most 256 characters) and pan-os-php, which sends the same. A comment is a remark for people: where
the device refuses one, the policy goes live without it, and the run says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lxml import etree

from segctl.model.errors import ConnectError, DeviceError
from segctl.providers.panos.writing import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl.providers.panos.client import Client
    from segctl.providers.panos.location import Location


@dataclass(slots=True, kw_only=True)
class Comments:
    """Writes the comments `wanted` of rules, by name.

    `written` counts them, `missing` says which there are not, and why.
    """

    wanted: Mapping[str, str] = field(default_factory=dict[str, str])
    written: int = 0
    missing: list[str] = field(default_factory=list[str])

    def write(self, client: Client, location: Location, progress: Callable[[str], None]) -> None:
        """Write the comments of rules of `location`; what the device refuses, `missing` says.

        Raises:
            ConnectError: the connection is lost, so the change itself is in doubt.
        """
        self.written = 0
        self.missing.clear()
        refused: dict[str, list[str]] = {}
        for number, (rule, text) in enumerate(self.wanted.items(), 1):
            progress(f"audit comment {number}/{len(self.wanted)}")
            try:
                client.op(command(location, rule, text))
            except ConnectError:
                raise
            except DeviceError as error:
                refused.setdefault(error.message, []).append(rule)
            else:
                self.written += 1
        for why, rules in refused.items():
            more = f" and {len(rules) - 5} more" if len(rules) > 5 else ""
            self.missing.append(
                f"no audit comment on rule {', '.join(rules[:5])}{more}: the device refuses it "
                f"({why})"
            )


def command(location: Location, rule: str, text: str) -> str:
    """Return the command that sets the comment of a rule, whatever characters it has."""
    root = etree.Element("set")
    asked = etree.SubElement(root, "audit-comment")
    etree.SubElement(asked, "xpath").text = location.path("rule", rule)
    etree.SubElement(asked, "comment").text = text
    return text_of(root)
