"""Log entries as the XML API writes them.

Sources: a whole traffic entry recorded on 10.2 and a threat entry recorded on 10.1. Values that are
empty are left out, as there; what CSV calls ``0.0.0.0`` for want of a translation too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Mapping

_FLAGS = [
    "flag-pcap",
    "flag-flagged",
    "flag-proxy",
    "flag-url-denied",
    "flag-nat",
    "captive-portal",
    "non-std-dport",
    "transaction",
    "pbf-c2s",
    "pbf-s2c",
    "temporary-match",
    "sym-return",
    "decrypt-mirror",
    "credential-detected",
    "flag-mptcp-set",
    "flag-tunnel-inspected",
    "flag-recon-excluded",
    "flag-wf-channel",
]
_HEAD = ["domain", "receive_time", "serial", "seqno", "actionflags"]
_BODY = [
    "type",
    "subtype",
    "config_ver",
    "time_generated",
    "high_res_timestamp",
    "src",
    "dst",
    "natsrc",
    "natdst",
    "rule",
    "srcuser",
    "dstuser",
]
_MORE = [
    "app",
    "vsys",
    "from",
    "to",
    "inbound_if",
    "outbound_if",
    "logset",
    "time_received",
    "sessionid",
    "repeatcnt",
    "sport",
    "dport",
    "natsport",
    "natdport",
    "flags",
]
_TRAFFIC = [
    "rule_uuid",
    "device_name",
    "bytes",
    "bytes_sent",
    "bytes_received",
    "packets",
    "start",
    "elapsed",
    "category",
    "pkts_sent",
    "pkts_received",
    "session_end_reason",
    "action_source",
]
_THREAT = [
    "rule_uuid",
    "device_name",
    "threatid",
    "category",
    "severity",
    "direction",
    "thr_category",
]
_NONE = frozenset(("", "0.0.0.0"))  # noqa: S104  # what stands for no address


def to_xml(entry: Mapping[str, str], number: int) -> str:
    """Write an entry; `number` is that of the store."""
    parts = [_texts(entry, _HEAD), "<is-logging-service>no</is-logging-service>"]
    parts.append(_texts(entry, _BODY))
    for name in ("srcloc", "dstloc"):
        place = entry.get(name, "")
        if place:
            parts.append(f"<{name} code={quoteattr(place)}>{escape(place)}</{name}>")
    parts.append(_texts(entry, _MORE))
    nat = "yes" if entry.get("natsrc", "") not in _NONE else "no"
    parts.extend(f"<{flag}>{nat if flag == 'flag-nat' else 'no'}</{flag}>" for flag in _FLAGS)
    parts.append(_texts(entry, ["proto", "action"]))
    parts.extend(f"<dg_hier_level_{at}>0</dg_hier_level_{at}>" for at in range(1, 5))
    kind = entry.get("type", "")
    parts.append(_texts(entry, _THREAT if kind == "THREAT" else _TRAFFIC))
    return f'<entry logid="{7044309865149235200 + number}">{"".join(parts)}</entry>'


def _texts(entry: Mapping[str, str], names: list[str]) -> str:
    return "".join(
        f"<{name}>{escape(value)}</{name}>"
        for name in names
        if (value := entry.get(name, "")) not in _NONE
    )
