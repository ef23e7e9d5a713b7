"""The configuration of a firewall of a plant, as an export: zones, interfaces, its own rules.

A mock that holds it answers policy tests by the rules that its logs name, and counts by their
names. Shape: exports of 9.1 to 11.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.traffic.forms.panos_values import rule_uuid
from segctl_mocks.traffic.records import Plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl_mocks.traffic.plant import Firewall, Rule
    from segctl_mocks.traffic.records import Record

#: A version of each release, after the faults that its release notes name for logs and counts.
VERSIONS = {"6.0": "6.0.15", "8.1": "8.1.25", "9.1": "9.1.16", "10.2": "10.2.14", "11.1": "11.1.6"}


class Configuration(Plain):
    """Writes running-config.xml of one firewall."""

    def __init__(self, firewall: Firewall) -> None:
        self._firewall = firewall

    def moments(self) -> frozenset[str]:
        """Return none: it tells nothing of sessions."""
        return frozenset()

    def lines(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield nothing."""
        del record
        yield from ()

    def closing(self, still_open: Sequence[Record]) -> Iterator[tuple[str, str]]:
        """Yield the configuration."""
        del still_open
        yield "running-config.xml", f"{configuration(self._firewall)}\n"


def configuration(firewall: Firewall) -> str:
    """Write the configuration."""
    interfaces = sorted({interface for _, interface in firewall.zones.values()})
    ports = "".join(f"<entry name={quoteattr(name)}><layer3/></entry>" for name in interfaces)
    zones = "".join(
        f"<entry name={quoteattr(name)}><network><layer3>"
        f"<member>{escape(interface)}</member></layer3></network></entry>"
        for name, interface in firewall.zones.values()
    )
    rules = "".join(_rule(firewall, rule) for rule in firewall.rules)
    version = VERSIONS[firewall.release]
    name = escape(firewall.name)
    return (
        f'<?xml version="1.0"?>\n<config version="{firewall.release}.0" '
        f'detail-version="{version}"><mgt-config><users><entry name="admin"><permissions>'
        "<role-based><superuser>yes</superuser></role-based></permissions></entry></users>"
        '</mgt-config><shared/><devices><entry name="localhost.localdomain"><network><interface>'
        f"<ethernet>{ports}</ethernet></interface></network><deviceconfig><system>"
        f"<hostname>{name}</hostname><timezone>UTC</timezone></system></deviceconfig>"
        f"<vsys><entry name={quoteattr(firewall.vsys)}><zone>{zones}</zone><rulebase><security>"
        f"<rules>{rules}</rules></security>{_defaults(firewall)}</rulebase><import><network>"
        f"<interface>{_members(interfaces)}</interface></network></import></entry></vsys></entry>"
        "</devices></config>"
    )


def _members(names: Iterable[str]) -> str:
    found = "".join(f"<member>{escape(name)}</member>" for name in names)
    return found or "<member>any</member>"


def _rule(firewall: Firewall, rule: Rule) -> str:
    log = "".join(
        f"<log-{moment}>{'yes' if moment in rule.log else 'no'}</log-{moment}>"
        for moment in ("start", "end")
    )
    return (
        f"<entry name={quoteattr(rule.name)} uuid={quoteattr(rule_uuid(firewall.name, rule.name))}>"
        f"<to>{_members(rule.targets)}</to><from>{_members(rule.sources)}</from>"
        f"<source>{_members(rule.source_networks)}</source>"
        f"<destination>{_members(rule.target_networks)}</destination>"
        "<source-user><member>any</member></source-user>"
        "<category><member>any</member></category>"
        f"<application>{_members(rule.applications)}</application>"
        "<service><member>any</member></service>"
        f"<action>{'allow' if rule.allow else 'deny'}</action>{log}</entry>"
    )


def _defaults(firewall: Firewall) -> str:
    """Write that the default rules log, where they do; they do not unless somebody says so."""
    if not firewall.log_defaults:
        return ""
    rules = "".join(
        f'<entry name="{name}"><action>{action}</action><log-end>yes</log-end></entry>'
        for name, action in (("intrazone-default", "allow"), ("interzone-default", "deny"))
    )
    return f"<default-security-rules><rules>{rules}</rules></default-security-rules>"
