"""Which operational commands a probe may run on PAN-OS: those that only show something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

if TYPE_CHECKING:
    from segctl.providers.panos.elements import Element


def refusal(command: str) -> str:
    """Say why `command` is not run; empty where it is: one ``<show>`` command, as XML."""
    try:
        root = _root(command)
    except etree.XMLSyntaxError:
        return f"{command!r} is not XML: write <show>…</show>"
    if root.tag != "show":
        return f"<{root.tag}> is not run: only <show> commands are"
    return ""


def bare(command: str) -> str:
    """Return the command that `refusal` accepts without what may stand around its element."""
    return etree.tostring(_root(command), encoding="unicode", with_tail=False)


def _root(command: str) -> Element:
    return etree.fromstring(command.encode(), etree.XMLParser(resolve_entities=False))
