"""Which operational commands a probe may run on PAN-OS: those that only show something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

if TYPE_CHECKING:
    from segctl.providers.panos.elements import Element


def refusal(command: str) -> str:
    """Return why `command` may not run; empty for a single ``<show>`` command, as XML."""
    try:
        root = _root(command)
    except etree.XMLSyntaxError:
        return f"{command!r} is not XML: write <show>…</show>"
    # `bare` would send the entities, and not what they stand for
    if "<!DOCTYPE" in command:
        return f"{command!r} has a document type: write <show>…</show>"
    if root.tag != "show":
        return f"<{root.tag}> is not permitted: a probe may run only <show> commands"
    return ""


def bare(command: str) -> str:
    """Return a command that `refusal` accepts, without comments or text around its element."""
    return etree.tostring(_root(command), encoding="unicode", with_tail=False)


def _root(command: str) -> Element:
    return etree.fromstring(command.encode(), etree.XMLParser(resolve_entities=False))
