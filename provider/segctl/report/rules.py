"""What findings are called and what to do about them, by the word that machines read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.planning.findings import DISPLACED, HOLE, LOCKED, NOT_KEPT, PENDING
from segctl.planning.losses import MASS_DELETE
from segctl.providers.state import UNREAD
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
    UNREAD: Rule(
        title="A table of others could not be read",
        help="Whether it drops what conduits permit, or takes connections past segctl's rules, "
        "cannot be told. Update nftables on the host, or have the table taken away.",
    ),
    PENDING: Rule(
        title="A change that nobody has confirmed",
        help="A run was cut off, or is still at work. The next segctl apply judges the change as a "
        "fresh one and keeps it, or takes it back; a gateway goes back by itself.",
    ),
    NOT_KEPT: Rule(
        title="A reboot would bring another policy",
        help="What the device loads at boot is not what it enforces now, or that could not be "
        "told. segctl apply writes what it enforces.",
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
    "import": Rule(
        title="What an import could not decide",
        help="Look at what was written and say what is meant.",
    ),
}


def rule_id(kind: str, severity: str) -> str:
    """Return which rule a finding belongs to; one without a word of its own is of a general one."""
    return kind or ("inventory" if severity == "error" else "finding")


def rule(identifier: str) -> Rule:
    """Return a rule; words of providers of third parties explain themselves."""
    return RULES.get(identifier) or Rule(
        title=identifier.replace("-", " ").replace("_", " ").capitalize(),
        help="The message says what to do.",
    )
