"""What findings are called and what to do about them, by the word that machines read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.inventory import segmentation
from segctl.model.errors import UsageError, nearest
from segctl.planning.findings import (
    BLOCKED,
    CANNOT_TELL,
    DISPLACED,
    HOLE,
    LOCKED,
    NOT_ENFORCED,
    NOT_KEPT,
    PENDING,
    REFUSED,
)
from segctl.planning.losses import MASS_DELETE
from segctl.providers.state import UNREAD
from segctl.report.check import FAILED, UNKNOWN
from segctl.report.plan_report import UNREADABLE
from segctl.report.plan_text import DOUBT

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A kind of finding: its title, and help for who meets it."""

    title: str
    help: str


RULES: Mapping[str, Rule] = {
    "inventory": Rule(
        title="The inventory is wrong",
        help="A file cannot be read, a key or value is not what it must be, or a reference leads "
        "nowhere. Nothing is planned before it is right.",
    ),
    "finding": Rule(
        title="Worth a look",
        help="The policy or a device is not as it should be; the message says what to do.",
    ),
    "unsupported": Rule(
        title="The platform cannot express it",
        help="The firewall on the path has no way to hold what the conduit declares. segctl never "
        "makes it wider: narrow the conduit, or lead it through another firewall.",
    ),
    UNREADABLE: Rule(
        title="A device could not be read",
        help="Whether it holds what is declared is not known. See that it answers and that the "
        "account may read it.",
    ),
    HOLE: Rule(
        title="A device permits what no conduit declares",
        help="A rule of somebody else stands above segctl's rules and lets traffic pass. Declare "
        "it as a conduit, narrow it, or move it below.",
    ),
    BLOCKED: Rule(
        title="A device denies what a conduit declares",
        help="A rule of somebody else denies it, or ours is not as declared. The finding has a "
        "packet that does not pass.",
    ),
    CANNOT_TELL: Rule(
        title="Cannot tell what a rule permits",
        help="The rule is written in words whose meaning only the device knows. Take it for a hole "
        "until somebody who knows the device has looked, then accept it in a baseline.",
    ),
    REFUSED: Rule(
        title="No plan can be made",
        help="segctl plan refuses for this reason; what the device enforces is judged all the "
        "same.",
    ),
    UNREAD: Rule(
        title="What others put on a device could not be read",
        help="Whether it drops what conduits permit, or lets pass what none permits, cannot be "
        "told. A table on a gateway: update nftables on the host, or have the table taken away. "
        "What Panorama pushed to a firewall: give the account the right to show it.",
    ),
    PENDING: Rule(
        title="A change that nobody has confirmed",
        help="A run was cut off, or is still at work. The next segctl apply judges the change as a "
        "fresh one and keeps it, or takes it back; a gateway goes back by itself.",
    ),
    NOT_KEPT: Rule(
        title="A reboot or a failover would bring another policy",
        help="What the device loads at boot is not what it enforces now, or that could not be "
        "told: segctl apply writes what it enforces. Or the members of a pair hold different "
        "configurations: have them synchronized.",
    ),
    "pair": Rule(
        title="The members of a pair are not as one",
        help="One gives no answer, does not take over, does not synchronize, or has other content. "
        "Nothing is applied until that is mended (docs/operations.md, ha_state).",
    ),
    NOT_ENFORCED: Rule(
        title="A firewall does not enforce what its device group holds",
        help="Panorama holds the policy, and the firewall was not connected, refused the push, or "
        "was never pushed to. segctl apply pushes to it; where it refuses, its reason says why.",
    ),
    "stranger": Rule(
        title="A device group has a firewall that the inventory does not know",
        help="What is pushed to the group reaches that firewall, too. Add it to the inventory with "
        "the same segctl_device_group, or move it to another device group.",
    ),
    "older-manager": Rule(
        title="A Panorama is older than a firewall it manages",
        help="It cannot push to that firewall. Update Panorama first.",
    ),
    "no-zone": Rule(
        title="No template gives a zone to a firewall",
        help="Rules with that zone fail on the firewall. Add the zone to a template of its stack, "
        "or correct segctl_zone_map.",
    ),
    "boot": Rule(
        title="Nothing loads the policy at boot",
        help="The boot file is there, but no enabled unit and no include reaches it, or that could "
        "not be told. Enable nftables.service, or include the file.",
    ),
    LOCKED: Rule(
        title="A lock is held",
        help="The message says by whom, and whether that run is dead: then the next segctl apply "
        "removes it.",
    ),
    MASS_DELETE: Rule(
        title="The plan takes most of the policy away",
        help="Mostly the inventory has lost something; the message says what. Where it is meant: "
        "segctl apply --allow-mass-delete.",
    ),
    DISPLACED: Rule(
        title="A rule of others stands between segctl's rules and their place",
        help="Rules are met in order. segctl apply moves segctl's rules back; if the other rule is "
        "meant to stand there, say so in segctl_position.",
    ),
    "drift-missing": Rule(
        title="Declared, and not on the device",
        help="Somebody removed it, or it was never applied: segctl apply brings it back.",
    ),
    "drift-changed": Rule(
        title="The device holds something else than declared",
        help="Somebody changed it by hand: segctl apply sets it right; if the change was meant, "
        "declare it.",
    ),
    "drift-moved": Rule(
        title="A rule stands in another place",
        help="Rules are met in order: segctl apply puts it back.",
    ),
    "drift-unexpected": Rule(
        title="On the device, and not declared any more",
        help="It carries segctl's mark, and no conduit asks for it, often because that expired: "
        "segctl apply removes it.",
    ),
    "expired": Rule(
        title="A conduit has expired",
        help="It is no longer in the policy. Remove it, or have it approved again.",
    ),
    "expires-soon": Rule(
        title="A conduit expires within 30 days",
        help="Ask its owner whether it is still needed: after its day the next apply removes it.",
    ),
    "review-overdue": Rule(
        title="A conduit was to be reviewed",
        help="Have its owner look at it, and set review_by anew.",
    ),
    "no-ticket": Rule(
        title="A temporary conduit names no ticket",
        help="Name the change that approved it.",
    ),
    "skips-dmz": Rule(
        title="Traffic skips the DMZ",
        help="Enterprise or external zones exchange traffic with operations directly. End every "
        "session in a zone of level 3.5.",
    ),
    "shared-network": Rule(
        title="Two zones share a network",
        help="Only a firewall at layer 2 can tell them apart. Give each zone its own network.",
    ),
    "unattached-zone": Rule(
        title="A zone is attached to no firewall",
        help="Nothing separates it. Add it to segctl_zone_map of the firewall next to it.",
    ),
    "cleartext": Rule(
        title="A service sends passwords in clear",
        help="Use SSH or SFTP instead.",
    ),
    "any-application": Rule(
        title="Any application is permitted",
        help="Whatever uses the ports passes. Name the protocols or applications that are needed.",
    ),
    "wide-service": Rule(
        title="A very wide range of ports",
        help="Name the ports, or the application.",
    ),
    "functions-not-enforced": Rule(
        title="The functions of a protocol are not enforced",
        help="The flow permits every function, writing and programming too. Use a platform that "
        "tells them apart, or narrow the assets.",
    ),
    "functions": Rule(
        title="How far functions are enforced",
        help="The platform judges functions of the protocol not at all, or packet by packet.",
    ),
    "unverified-protocol": Rule(
        title="What the catalogue knows of a protocol is not verified",
        help="Check the application names on the firewall first.",
    ),
    "application": Rule(
        title="An application to be careful with",
        help="The message says why.",
    ),
    DOUBT: Rule(
        title="How sure the catalogue is",
        help="The protocol is recognised with a reservation; see segctl protocols.",
    ),
    "empty-group": Rule(
        title="Zones or conduits that nothing reads",
        help="Their group has no hosts. Add the firewalls of the site to it.",
    ),
    "unread-file": Rule(
        title="A file that nothing reads",
        help="It is called like no host and no group. Rename or remove it.",
    ),
    "tls": Rule(
        title="TLS is not verified",
        help="Whoever answers at the device's address gets the password. Pin the certificate with "
        "segctl_tls_fingerprint, or name the authority in segctl_ca_file.",
    ),
    "exception-not-needed": Rule(
        title="An exception from a rule that the conduit keeps",
        help="Remove it: it would hide what comes later.",
    ),
    "shadowed": Rule(
        title="A rule never applies, and rules before it decide otherwise",
        help="Rules before it match every packet that it matches. Move it up if it is meant to "
        "decide, or remove it.",
    ),
    "redundant": Rule(
        title="A rule is not needed",
        help="Without it every packet is decided as it is with it. Remove it, one rule at a time, "
        "unless it is there for its log.",
    ),
    "generalised": Rule(
        title="A rule matches all that rules before it match, and decides otherwise",
        help="The rules before it are exceptions to it. That is usual; see that they are meant.",
    ),
    "correlated": Rule(
        title="Two rules decide otherwise about packets of both",
        help="Only their order says which of them decides. Narrow one of them so that they have "
        "nothing in common.",
    ),
    "never_matches": Rule(
        title="A rule never matches",
        help="The message says why no packet can match it. Correct it, or remove it.",
    ),
    "application_port": Rule(
        title="An application on ports that it does not use",
        help="The rule matches only where somebody runs the application on another port. Use "
        "application-default, or correct the port.",
    ),
    "permits_everything": Rule(
        title="A rule permits everything between zones",
        help="Whatever reaches it passes. Declare what is needed as conduits, then remove it.",
    ),
    "unused_object": Rule(
        title="An object that nothing uses",
        help="Remove it: neither rules nor anything else that was read of the device uses it.",
    ),
    "indirect_reach": Rule(
        title="A zone is reached by way of third zones",
        help="Whoever holds a host in between gets there. End sessions in the third zone, and see "
        "that what leads on from there is needed.",
    ),
    "lint_cannot_tell": Rule(
        title="What lint cannot tell",
        help="A rule is written in words whose meaning only the device knows, or is too complex. "
        "Nothing is claimed of it.",
    ),
    "import": Rule(
        title="What an import could not decide",
        help="Look at what was written and say what is meant.",
    ),
    FAILED: Rule(
        title="A check is answered otherwise than expected",
        help="The firewalls permit what the check forbids, or forbid what it asks for. The rule "
        "that decides is named: correct the conduit, the rule on the device, or the check.",
    ),
    UNKNOWN: Rule(
        title="It cannot be told what a firewall permits",
        help="A rule uses a word whose meaning only the device knows. Ask about what the rule does "
        "not touch, or write the rule in addresses, ports and applications.",
    ),
}


def rule_id(kind: str, severity: str) -> str:
    """Return which rule a finding belongs to; one without a word of its own is of a general one."""
    return kind or ("inventory" if severity == "error" else "finding")


def rule(identifier: str) -> Rule:
    """Return a rule; words of providers of third parties explain themselves."""
    known = RULES.get(identifier)
    if known is not None:
        return known
    for one in segmentation.rules():
        if one.id == identifier:
            return Rule(title=one.title, help=f"{one.why} {one.remedy}")
    return Rule(
        title=identifier.replace("-", " ").replace("_", " ").capitalize(),
        help="The message says what to do.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What `segctl explain` tells of one rule, by what each text is."""

    id: str
    told: Mapping[str, str]


def explained(identifier: str | None) -> tuple[Explained, ...]:
    """Return one rule with all that is known of it, or every rule.

    Raises:
        UsageError: there is no such rule.
    """
    found = {
        name: Explained(id=name, told={"title": one.title, "help": one.help})
        for name, one in RULES.items()
    }
    for each in segmentation.rules():
        found[each.id] = Explained(id=each.id, told=each.explanation())
    if identifier is None:
        return tuple(found[name] for name in sorted(found))
    if identifier not in found:
        hint = nearest(identifier, found, "segctl explain lists all of them")
        raise UsageError(f"there is no rule {identifier!r} ({hint})")
    return (found[identifier],)
