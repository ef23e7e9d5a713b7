"""The keywords of a playbook: one table from which the reader and the JSON Schema are built."""

from __future__ import annotations

from typing import Final

from segctl.inventory.schema import LEVELS
from segctl.inventory.schema_document import schema_of, variables_schema
from segctl.inventory.shapes import Cases, Either, Field, Free, Many, Record, Scalar
from segctl.model.site import ZONE_KINDS
from segctl.playbook.model import DAYS

#: Prefix of segctl's own keywords where they stand in ``vars``.
PREFIX: Final = "segctl_"
#: The collection that offers the same actions to ansible-playbook.
COLLECTION: Final = "segctl.segctl."
ACTIONS: Final = {"segctl_plan": "plan", "segctl_apply": "apply", "segctl_drift": "drift"}

_TEXT: Final = Scalar(kind="text")
_BOOLEAN: Final = Scalar(kind="boolean")
_DURATION: Final = Scalar(kind="duration")
_TAGS: Final = Many(item=Scalar(kind="tags"), or_one=True)
_PATH: Final = Scalar(kind="path")


def _choice(*choices: str) -> Scalar:
    return Scalar(kind="choice", choices=choices)


_WINDOW: Final = Record(
    fields=(
        Field(
            name="days",
            shape=Many(item=_choice(*DAYS), or_one=True, not_empty=True),
            doc="Days on which the window opens (default: every day).",
        ),
        Field(name="from", shape=Scalar(kind="clock"), doc="When it opens, HH:MM.", required=True),
        Field(
            name="to",
            shape=Scalar(kind="clock"),
            doc="When it closes, HH:MM or 24:00; on the next day if not later than from.",
            required=True,
        ),
        Field(
            name="timezone",
            shape=Scalar(kind="timezone"),
            doc="Time zone of these times, for example Europe/Berlin.",
            required=True,
        ),
    )
)

_TRIES: Final = (
    Field(
        name="timeout",
        shape=Scalar(kind="duration", minimum=1, maximum=3600),
        doc="How long a try may take: seconds, or 30s, 5m (default 5s).",
    ),
    Field(
        name="retries",
        shape=Scalar(kind="integer", minimum=0, maximum=1000),
        doc="Further attempts after a failure, one second apart (default 2).",
    ),
)
_OPEN: Final = Field(
    name="expect", shape=_choice("open", "closed"), doc="The expected result (default open)."
)

_FLOW: Final = Record(
    fields=(
        Field(name="from", shape=_TEXT, doc="Source: a zone, asset or address.", required=True),
        Field(name="to", shape=_TEXT, doc="Destination: a zone, asset or address.", required=True),
        Field(
            name="protocol",
            shape=_choice("tcp", "udp", "icmp", "icmpv6"),
            doc="Transport protocol (default tcp; without a port, nothing else may pass either "
            "where a denial is expected).",
        ),
        Field(
            name="port",
            shape=Scalar(kind="integer", minimum=1, maximum=65535),
            doc="Destination port.",
        ),
        Field(
            name="icmp_type",
            shape=_TEXT,
            doc="Type of ICMP: a name such as echo-request, or a number.",
        ),
        Field(name="application", shape=_TEXT, doc="The application, as the platform names it."),
        Field(name="user", shape=_TEXT, doc="The user, as the firewall names them."),
        Field(
            name="expect",
            shape=_choice("allow", "deny"),
            doc="The expected result (default allow).",
        ),
    )
)

CHECK: Final = Record(
    fields=(
        Field(
            name="check",
            shape=_FLOW,
            doc="A flow to look up in the policy that each device holds.",
            required=True,
        ),
        Field(
            name="expect",
            shape=_choice("allow", "deny"),
            doc="The expected result (default allow).",
        ),
    )
)

_NAMES: Final = Many(item=_TEXT, or_one=True, not_empty=True)
_ENDS: Final = Either(
    plain=_NAMES,
    mapping=Record(
        fields=(
            Field(name="zone", shape=_NAMES, doc="Zones, assets or addresses by name."),
            Field(
                name="kind",
                shape=Many(item=_choice(*ZONE_KINDS), or_one=True, not_empty=True),
                doc="All zones of these kinds.",
            ),
            Field(
                name="level",
                shape=Many(item=Scalar(kind="number", choices=LEVELS), or_one=True, not_empty=True),
                doc="All zones of these levels.",
            ),
            Field(name="except", shape=_NAMES, doc="Zones that are left out."),
        )
    ),
)

#: A statement about sets of zones, in a file for ``segctl check``.
POLICY: Final = Record(
    fields=(
        Field(
            name="policy",
            shape=Record(
                fields=(
                    Field(
                        name="from",
                        shape=_ENDS,
                        doc="Sources: names, `any`, or zones by kind, level and except.",
                        required=True,
                    ),
                    Field(
                        name="to",
                        shape=_ENDS,
                        doc="Destinations: names, `any`, or zones by kind, level and except.",
                        required=True,
                    ),
                    Field(
                        name="permits",
                        shape=Many(item=_TEXT, or_one=True),
                        doc="All that may pass: [] for nothing, `conduits`, uses such as "
                        "modbus.read, protocols, applications.",
                        required=True,
                    ),
                    Field(
                        name="of",
                        shape=_NAMES,
                        doc="What is looked at (default everything): access classes such as "
                        "program, uses, protocols, applications.",
                    ),
                    Field(name="name", shape=_TEXT, doc="What the statement says, in words."),
                )
            ),
            doc="What may pass between sets of zones; anything else fails the check.",
            required=True,
        ),
    )
)

VERIFY: Final = Cases(
    records=(
        Record(
            fields=(
                Field(
                    name="tcp",
                    shape=Scalar(kind="endpoint"),
                    doc="host:port that accepts TCP connections from this machine.",
                    required=True,
                ),
                _OPEN,
                *_TRIES,
            )
        ),
        Record(
            fields=(
                Field(
                    name="tls",
                    shape=Scalar(kind="endpoint"),
                    doc="host:port that completes a TLS handshake; its certificate must verify.",
                    required=True,
                ),
                Field(
                    name="server_name",
                    shape=Scalar(kind="host"),
                    doc="Name that the certificate must carry (default: the host).",
                ),
                Field(name="ca_file", shape=_PATH, doc="CA certificates, PEM (default: system's)."),
                _OPEN,
                *_TRIES,
            )
        ),
        Record(
            fields=(
                Field(
                    name="icmp",
                    shape=Scalar(kind="host"),
                    doc="Host that answers an echo request from this machine.",
                    required=True,
                ),
                _OPEN,
                *_TRIES,
            )
        ),
        CHECK,
        Record(
            fields=(
                Field(
                    name="command",
                    shape=_TEXT,
                    doc="A command that each device runs and that changes nothing.",
                    required=True,
                ),
                Field(
                    name="expect",
                    shape=Scalar(kind="answer"),
                    doc="Text that the answer must contain, or ~ and a regular expression.",
                ),
                Field(
                    name="platform",
                    shape=_TEXT,
                    doc="Run it only on devices of this platform, for example panos.",
                ),
                *_TRIES,
            )
        ),
    )
)

_REPLAY: Final = Either(
    plain=_choice("required"),
    mapping=Record(
        fields=(
            Field(
                name="max_age_days",
                shape=Scalar(kind="integer", minimum=1, maximum=366),
                doc="How many days ago the records that were replayed may end.",
            ),
            Field(
                name="may_drop",
                shape=_choice("inessential", "nothing"),
                doc="Traffic that was seen and may be newly dropped (default inessential).",
            ),
        ),
        or_nothing=True,
    ),
)

#: segctl's own keywords; in a file for ansible-playbook they stand in `vars`, with the prefix.
OWN: Final = (
    Field(
        name="window",
        shape=Either(plain=Many(item=_WINDOW, not_empty=True), mapping=_WINDOW),
        doc="When a wave may begin.",
    ),
    Field(
        name="soak", shape=_DURATION, doc="How long to wait after a wave that changed something."
    ),
    Field(
        name="verify", shape=Many(item=VERIFY), doc="Probes that judge a wave before it is kept."
    ),
    Field(
        name="revert_in",
        shape=_DURATION,
        doc="Time after which a device with a timed revert reverts unless it was confirmed.",
    ),
    Field(
        name="on_failure",
        shape=_choice("revert", "stop", "continue"),
        doc="What happens to a wave in which a device fails (default stop).",
    ),
    Field(
        name="replay",
        shape=_REPLAY,
        doc="Refuse a plan that segctl replay did not rehearse, or that drops essential traffic.",
    ),
)

#: Arguments that only the modules of the collection use; segctl ignores them.
_CALLING: Final = (Field(name="executable", shape=_PATH, doc="Path of segctl, for Ansible."),)
_FAILING: Final = Field(name="fail_on_drift", shape=_BOOLEAN, doc="Fail a device that has drifted.")
_PURGE: Final = Field(
    name="allow_purge",
    shape=_BOOLEAN,
    doc="Allow segctl_unmanaged: purge to delete others' rules.",
)
_MASS_DELETE: Final = Field(
    name="allow_mass_delete",
    shape=_BOOLEAN,
    doc="Allow most of segctl's own rules on a device to be deleted.",
)
_BASELINE: Final = Field(
    name="baseline", shape=_PATH, doc="Accepted drift, as for segctl drift --baseline."
)
ARGUMENTS: Final = {
    "segctl_plan": Record(fields=_CALLING, or_nothing=True),
    "segctl_apply": Record(fields=(_PURGE, _MASS_DELETE, *_CALLING), or_nothing=True),
    "segctl_drift": Record(fields=(_BASELINE, _FAILING, *_CALLING), or_nothing=True),
}
TASK: Final = Cases(
    otherwise="use ansible-playbook to run a playbook with other modules",
    records=tuple(
        Record(
            fields=(
                Field(
                    name=f"{prefix}{action}",
                    shape=ARGUMENTS[action],
                    doc=f"segctl {ACTIONS[action]} on each host.",
                    required=True,
                ),
                Field(name="name", shape=_TEXT, doc="Name of the task."),
                Field(name="tags", shape=_TAGS, doc="Tags of the task."),
            )
        )
        for action in ACTIONS
        for prefix in (COLLECTION, "")
    ),
)

PLAY: Final = Record(
    fields=(
        Field(
            name="hosts",
            shape=Many(item=_TEXT, or_one=True, not_empty=True),
            doc="Host pattern, or a list of patterns.",
            required=True,
        ),
        Field(name="name", shape=_TEXT, doc="Name of the play."),
        Field(
            name="serial",
            shape=Many(item=Scalar(kind="batch"), or_one=True),
            doc="Hosts per wave: a number, a percentage, or a list of these; the last one repeats.",
        ),
        Field(
            name="max_fail_percentage",
            shape=Scalar(kind="percent"),
            doc="A wave fails when more than this percentage of its hosts fail.",
        ),
        Field(name="any_errors_fatal", shape=_BOOLEAN, doc="One failed host fails the wave."),
        Field(name="tags", shape=_TAGS, doc="Tags of all tasks of the play."),
        Field(name="vars", shape=Free(), doc="Variables of the play's hosts."),
        Field(
            name="strategy",
            shape=_choice("linear", "free", "host_pinned"),
            doc="linear: the hosts of a wave run each task together; else each proceeds alone.",
        ),
        Field(
            name="gather_facts", shape=_BOOLEAN, doc="For Ansible only; segctl gathers no facts."
        ),
        Field(name="connection", shape=_TEXT, doc="For Ansible only; segctl picks the transport."),
        Field(
            name="tasks",
            shape=Many(item=TASK),
            doc="segctl_plan, segctl_apply, segctl_drift (default: one apply).",
        ),
        *OWN,
    )
)


_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def checks_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of files for ``segctl check``."""
    return {
        "$schema": _DRAFT,
        "$id": "urn:segctl:schema:checks",
        "title": "segctl checks",
        "type": "array",
        "minItems": 1,
        "items": schema_of(Cases(records=(CHECK, POLICY))),
    }


def json_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of playbooks."""
    play = schema_of(PLAY)
    own = tuple(Field(name=f"{PREFIX}{one.name}", shape=one.shape, doc=one.doc) for one in OWN)
    properties: dict[str, object] = play["properties"]  # type: ignore[assignment] # made as a dict
    properties["vars"] = variables_schema(own)
    twice = [
        {
            "not": {
                "required": [one.name, "vars"],
                "properties": {"vars": {"required": [f"{PREFIX}{one.name}"]}},
            }
        }
        for one in OWN
    ]
    return {
        "$schema": _DRAFT,
        "$id": "urn:segctl:schema:playbook",
        "title": "segctl playbook",
        "type": "array",
        "minItems": 1,
        "items": play | {"allOf": twice},
    }
