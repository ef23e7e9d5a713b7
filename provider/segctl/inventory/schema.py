"""The segctl variables: one table, of which both the checker and `schema_document` are made."""

from __future__ import annotations

from typing import Final

from segctl.inventory.shapes import (
    Either,
    Field,
    Many,
    Record,
    Scalar,
    Shape,
    Table,
)
from segctl.model.site import ACCESS_CLASSES, SIGNS, ZONE_KINDS

#: Zone, conduit, flow, asset and site ids.
ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
LEVELS: Final = ("0", "1", "2", "3", "3.5", "4", "5")
DAYS: Final = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
_WINDOW_PATTERN: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"
_SERVICE_PATTERN: Final = r"^(icmp|(tcp|udp)/[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*)$"

CLOCK_PATTERN: Final = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
BATCH_PATTERN: Final = r"^-?[0-9]{1,9}%?$"

_ID: Final = Scalar(kind="id", pattern=ID_PATTERN)
_TEXT: Final = Scalar(kind="text")
_WORD: Final = Scalar(kind="word")
_REFERENCE: Final = Scalar(kind="reference")
_BOOLEAN: Final = Scalar(kind="boolean")
_DATE: Final = Scalar(kind="date")
_LEVEL_0_4: Final = Scalar(kind="integer", minimum=0, maximum=4)
_UP_TO_A_DAY: Final = Scalar(kind="duration", minimum=1, maximum=86400)
#: The longest that PAN-OS keeps a registered address with a time (vendor's API usage guide).
_UP_TO_30_DAYS: Final = Scalar(kind="duration", minimum=60, maximum=2_592_000)
_WINDOWS: Final = Many(
    item=Scalar(kind="window", pattern=_WINDOW_PATTERN), or_one=True, not_empty=True
)


def _choice(*choices: str) -> Scalar:
    return Scalar(kind="choice", choices=choices)


_RENAMED: Final = Field(
    name="renamed_from",
    shape=Many(item=_ID, or_one=True, not_empty=True),
    doc="Ids it had before, the latest first: devices keep what they remember of it.",
)

_ASSET: Final = Record(
    fields=(
        Field(
            name="addresses",
            shape=Many(item=Scalar(kind="address"), or_one=True, not_empty=True),
            doc="Every address the asset has in this zone.",
            required=True,
        ),
        Field(name="role", shape=_TEXT, doc="What the asset is, for example plc or hmi."),
        Field(
            name="shared",
            shape=_BOOLEAN,
            doc="Whether other assets of the site have its addresses too (a high-availability "
            "pair); each of them says so.",
        ),
        _RENAMED,
    )
)

_SECURITY_LEVEL: Final = Record(
    fields=tuple(
        Field(name=name, shape=_LEVEL_0_4, doc=doc)
        for name, doc in (
            ("iac", "FR 1 identification and authentication control"),
            ("uc", "FR 2 use control"),
            ("si", "FR 3 system integrity"),
            ("dc", "FR 4 data confidentiality"),
            ("rdf", "FR 5 restricted data flow"),
            ("tre", "FR 6 timely response to events"),
            ("ra", "FR 7 resource availability"),
        )
    )
)

ZONE: Final = Record(
    fields=(
        Field(name="name", shape=_TEXT, doc="What people call the zone."),
        Field(
            name="level",
            shape=Scalar(kind="number", choices=LEVELS),
            doc="Purdue level: 0, 1, 2, 3, 3.5, 4 or 5.",
        ),
        Field(name="kind", shape=_choice(*ZONE_KINDS), doc="What the zone is for."),
        Field(
            name="security_level",
            shape=Either(plain=_LEVEL_0_4, mapping=_SECURITY_LEVEL),
            doc="SL-T (IEC 62443-3-3): 0 to 4, or a vector over the foundational requirements.",
        ),
        Field(
            name="networks",
            shape=Many(item=Scalar(kind="network"), or_one=True),
            doc="The zone's networks in CIDR notation.",
        ),
        Field(
            name="assets",
            shape=Table(
                key=_ID,
                item=Either(
                    plain=Many(item=Scalar(kind="address"), or_one=True, not_empty=True),
                    mapping=_ASSET,
                ),
            ),
            doc="The zone's assets by name: an address, or a mapping that says more.",
        ),
        Field(
            name="intrazone",
            shape=_choice("allow", "deny"),
            doc="Whether assets of the zone may talk to each other through a firewall.",
        ),
        _RENAMED,
    )
)

FLOW: Final = Record(
    fields=(
        Field(
            name="source",
            shape=Many(item=_REFERENCE, or_one=True, not_empty=True),
            doc="Assets or networks of the from zones; omitted: the whole zones.",
        ),
        Field(
            name="destination",
            shape=Many(item=_REFERENCE, or_one=True, not_empty=True),
            doc="Assets or networks of the to zones; omitted: the whole zones.",
        ),
        Field(
            name="protocols",
            shape=Table(
                key=_REFERENCE,
                item=Many(item=_choice(*ACCESS_CLASSES), or_one=True, not_empty=True),
            ),
            doc="Catalogue protocols and what may be done with each.",
        ),
        Field(
            name="services",
            shape=Many(
                item=Scalar(kind="service", pattern=_SERVICE_PATTERN), or_one=True, not_empty=True
            ),
            doc="Plain services such as tcp/8443 or udp/1000-2000; icmp is echo (ping).",
        ),
        Field(
            name="applications",
            shape=Many(item=_WORD, or_one=True, not_empty=True),
            doc="The platform's own application names.",
        ),
        Field(
            name="users",
            shape=Many(item=Scalar(kind="user"), or_one=True, not_empty=True),
            doc="Users or groups as the firewall knows them.",
        ),
        Field(name="schedule", shape=_REFERENCE, doc="Name of a schedule in segctl_schedules."),
        Field(name="essential", shape=_BOOLEAN, doc="Must never be cut by a change."),
        Field(name="log", shape=_BOOLEAN, doc="Whether sessions are logged (default true)."),
        Field(
            name="functions",
            shape=_choice("enforced", "not-enforced"),
            doc="not-enforced accepts that the platform cannot tell a protocol's functions apart.",
        ),
        _RENAMED,
    )
)

_EXCEPTION: Final = Record(
    fields=(
        Field(name="reason", shape=_TEXT, doc="Why the rule is not kept.", required=True),
        Field(name="owner", shape=_TEXT, doc="Who accepts the risk.", required=True),
        Field(name="expires", shape=_DATE, doc="The last day it is accepted.", required=True),
    )
)

_REVIEW: Final = Record(
    fields=(
        Field(name="date", shape=_DATE, doc="The day of the decision.", required=True),
        Field(name="by", shape=_TEXT, doc="Who decided.", required=True),
        Field(
            name="decision",
            shape=_choice("keep", "narrow", "retire"),
            doc="What was decided.",
            required=True,
        ),
        Field(name="reason", shape=_TEXT, doc="Why.", required=True),
    )
)

CONDUIT: Final = Record(
    fields=(
        Field(
            name="from",
            shape=Many(item=_REFERENCE, or_one=True, not_empty=True),
            doc="Zone ids that open sessions; site/zone for a zone of another site.",
            required=True,
        ),
        Field(
            name="to",
            shape=Many(item=_REFERENCE, or_one=True, not_empty=True),
            doc="Zone ids that answer; site/zone for a zone of another site.",
            required=True,
        ),
        Field(name="reason", shape=_TEXT, doc="Why the conduit exists.", required=True),
        Field(name="owner", shape=_TEXT, doc="Who answers for it.", required=True),
        Field(name="ticket", shape=_TEXT, doc="The change that approved it."),
        Field(name="expires", shape=_DATE, doc="The last day it is in force."),
        Field(name="review_by", shape=_DATE, doc="The day by which it must be reviewed."),
        Field(
            name="reviewed",
            shape=_REVIEW,
            doc="What was decided when it was reviewed last (segctl review writes it).",
        ),
        Field(
            name="mode",
            shape=_choice("enforce", "monitor", "absent"),
            doc="enforce, monitor (allow and alert) or absent.",
        ),
        Field(
            name="threat_prevention",
            shape=_choice("strict", "alert", "none"),
            doc="Which threat profiles apply.",
        ),
        Field(
            name="via",
            shape=Many(item=_REFERENCE, or_one=True, not_empty=True),
            doc="Firewalls that enforce it, instead of those computed.",
        ),
        _RENAMED,
        Field(
            name="exceptions",
            shape=Table(key=_REFERENCE, item=_EXCEPTION),
            doc="Segmentation rules it need not keep, by name (segctl explain).",
        ),
        Field(
            name="flows",
            shape=Table(key=_ID, item=FLOW),
            doc="The needs inside the conduit, by name.",
            required=True,
        ),
    )
)

_BINDING: Final = Record(
    fields=(
        Field(name="zone", shape=_WORD, doc="The zone's name on the device (default: its id)."),
        Field(
            name="interfaces",
            shape=Many(item=_WORD, or_one=True),
            doc="The device's interfaces in the zone.",
        ),
    )
)

_SCHEDULE: Final = Record(
    fields=(
        Field(name="daily", shape=_WINDOWS, doc="Windows HH:MM-HH:MM on every day."),
        Field(
            name="weekly",
            shape=Record(
                fields=tuple(Field(name=day, shape=_WINDOWS, doc=f"On {day}.") for day in DAYS)
            ),
            doc="Windows HH:MM-HH:MM by day of the week.",
        ),
    )
)

_ISLANDS: Final = Record(
    fields=(
        Field(
            name="zones",
            shape=Many(item=_REFERENCE, or_one=True, not_empty=True),
            doc="Zones that can be cut from every zone of a higher level.",
        ),
        Field(
            name="sites",
            shape=Many(item=_REFERENCE, or_one=True, not_empty=True),
            doc="Sites that can be cut from all other sites, and from their own zones from level "
            "3.5 up.",
        ),
        Field(
            name="longest",
            shape=_UP_TO_30_DAYS,
            doc="For how long at most (default: longest of segctl_containment).",
        ),
    )
)

_CONTAINMENT: Final = Record(
    fields=(
        Field(
            name="zones",
            shape=Many(item=_REFERENCE, or_one=True, not_empty=True),
            doc="Zones whose assets and addresses may be contained (default: all).",
        ),
        Field(
            name="never",
            shape=Many(item=_REFERENCE, or_one=True, not_empty=True),
            doc="Assets that are contained only with --cut-essential.",
        ),
        Field(
            name="survive",
            shape=Many(item=_REFERENCE, or_one=True),
            doc="Flows, as conduit/flow, that go on for who is contained (default: all that are "
            "essential).",
        ),
        Field(
            name="longest",
            shape=_UP_TO_30_DAYS,
            doc="For how long at most: seconds, or 30m, 8h, 7d (default 8h).",
        ),
        Field(
            name="log_forwarding",
            shape=_WORD,
            doc="Log forwarding profile of what is denied (default: segctl_log_forwarding).",
        ),
        Field(
            name="islands",
            shape=_ISLANDS,
            doc="Zones and sites that segctl island can cut from what is above them.",
        ),
        Field(
            name="on",
            shape=Many(item=_choice(*SIGNS), or_one=True, not_empty=True),
            doc="What asks for containment by itself; needs zones.",
        ),
        Field(
            name="act",
            shape=Many(item=_choice(*SIGNS), or_one=True, not_empty=True),
            doc="Those of on that segctl watch --act contains; the others it proposes.",
        ),
        Field(
            name="at_once",
            shape=Scalar(kind="integer", minimum=1, maximum=100),
            doc="How many addresses are contained by themselves at a time (default 3).",
        ),
    )
)

#: Merged by zone or conduit id: every variable whose name begins with one of these.
ZONES: Final = "segctl_zones"
CONDUITS: Final = "segctl_conduits"

SITE_WIDE: Final[dict[str, Shape]] = {
    ZONES: Table(key=_ID, item=ZONE),
    CONDUITS: Table(key=_ID, item=CONDUIT),
}
SITE_WIDE_DOCS: Final = {
    ZONES: "Zones by id. Every variable that begins so is read; they are merged.",
    CONDUITS: "Conduits by id. Every variable that begins so is read; they are merged.",
}

SITE: Final = Field(name="segctl_site", shape=_ID, doc="The site that zone and conduit ids are of.")

#: Variables of one firewall.
HOST: Final = Record(
    fields=(
        SITE,
        Field(
            name="segctl_zone_map",
            shape=Table(key=_REFERENCE, item=_BINDING),
            doc="Zones the firewall is attached to.",
        ),
        Field(
            name="segctl_position",
            shape=Either(
                plain=_choice("first", "last"),
                mapping=Record(
                    fields=(
                        Field(name="before", shape=_WORD, doc="Right before this rule."),
                        Field(name="after", shape=_WORD, doc="Right after this rule."),
                    )
                ),
            ),
            doc="Where the managed rules sit among those of others.",
        ),
        Field(
            name="segctl_unmanaged",
            shape=_choice("report", "purge"),
            doc="What to do with rules of others.",
        ),
        Field(name="segctl_vsys", shape=_WORD, doc="PAN-OS virtual system (default vsys1)."),
        Field(
            name="segctl_ha_peer",
            shape=_WORD,
            doc="The host of the other firewall of a high-availability pair (PAN-OS).",
        ),
        Field(
            name="segctl_panorama",
            shape=_WORD,
            doc="The inventory host that is the Panorama which manages the firewall.",
        ),
        Field(
            name="segctl_device_group",
            shape=_WORD,
            doc="The device group there that holds the firewall's policy.",
        ),
        Field(
            name="segctl_rulebase",
            shape=_choice("pre", "post"),
            doc="Whether the rules come before the firewall's own (default) or after them.",
        ),
        Field(
            name="segctl_serial",
            shape=_WORD,
            doc="The firewall's serial number, where Panorama does not know it by its address "
            "or name.",
        ),
        Field(name="segctl_manage_zones", shape=_BOOLEAN, doc="Also create zones."),
        Field(
            name="segctl_default_rules",
            shape=_choice("manage", "leave"),
            doc="Whether traffic between zones that no rule matches is made deny and log.",
        ),
        Field(
            name="segctl_unknown_applications",
            shape=_choice("deny", "leave"),
            doc="Whether what the firewall does not recognise is denied and logged between its "
            "zones by a rule of its own, except where a conduit may declare it (default: leave).",
        ),
        Field(
            name="segctl_threat_profiles",
            shape=Record(
                fields=(
                    Field(name="strict", shape=_WORD, doc="Profile group that blocks."),
                    Field(name="alert", shape=_WORD, doc="Profile group that only alerts."),
                )
            ),
            doc="The device's profile groups by level of threat prevention.",
        ),
        Field(
            name="segctl_audit_comments",
            shape=_BOOLEAN,
            doc="Write an audit comment on each rule that is created or changed (PAN-OS).",
        ),
        Field(name="segctl_log_forwarding", shape=_WORD, doc="Log forwarding profile."),
        Field(
            name="segctl_containment",
            shape=_CONTAINMENT,
            doc="Prepares what segctl contain needs: rules that deny nobody until then.",
        ),
        Field(
            name="segctl_schedules",
            shape=Table(key=_WORD, item=_SCHEDULE),
            doc="Schedules that flows name, in device time.",
        ),
        Field(name="segctl_ca_file", shape=Scalar(kind="path"), doc="CA certificates, PEM."),
        Field(
            name="segctl_known_hosts",
            shape=Many(item=Scalar(kind="path"), or_one=True, not_empty=True),
            doc="SSH host keys: a known_hosts file of OpenSSH, or several.",
        ),
        Field(
            name="segctl_ssh_fingerprint",
            shape=_WORD,
            doc="The device's SSH host key, as ssh-keygen -lf prints it: SHA256:….",
        ),
        Field(
            name="segctl_transcript",
            shape=Scalar(kind="path"),
            doc="Folder for transcripts: which requests, sizes, times, results; no contents.",
        ),
        Field(
            name="segctl_verify_keys",
            shape=Scalar(kind="path"),
            doc="Trusted keys: only plans signed with one of them are applied.",
        ),
        Field(name="segctl_tls_fingerprint", shape=_WORD, doc="SHA-256 of the device certificate."),
        Field(name="segctl_tls_verify", shape=_BOOLEAN, doc="Verify TLS (default true)."),
        Field(
            name="segctl_mock",
            shape=_BOOLEAN,
            doc="In a hosts file: this entry alone says how the host is reached (a mock).",
        ),
        Field(
            name="segctl_timeout",
            shape=_UP_TO_A_DAY,
            doc="How long to wait for an answer: seconds, or 30s, 5m, 2h.",
        ),
        Field(
            name="segctl_commit_timeout",
            shape=_UP_TO_A_DAY,
            doc="How long to wait for a commit: seconds, or 30s, 5m, 2h.",
        ),
        Field(
            name="segctl_max_answer_mb",
            shape=Scalar(kind="integer", minimum=1, maximum=4096),
            doc="Largest answer accepted from the device (default 128).",
        ),
        Field(
            name="segctl_allow_unsupported_version",
            shape=_BOOLEAN,
            doc="Go on, at your own risk, with a PAN-OS that is older than segctl supports.",
        ),
    )
)
