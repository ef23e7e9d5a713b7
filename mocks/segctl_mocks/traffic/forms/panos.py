"""PAN-OS: syslog lines of traffic and threat, and the web interface's CSV export.

Sources. Names and order of fields: ``data/panos-logs.txt``, checked by tests against genuine lines.
How many a release writes: those lines. Header of the export: one of 6.x; of later releases none is
known, so what 6.x has no column for bears the field's own name.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from segctl_mocks.traffic.records import Plain, local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl_mocks.traffic.forms.panos_values import Values
    from segctl_mocks.traffic.plant import Firewall
    from segctl_mocks.traffic.records import Record

#: Columns of traffic and of threat by release.
WIDTHS = {
    "6.0": (46, 42),
    "8.1": (65, 75),
    "9.1": (75, 77),
    "10.2": (115, 121),
    "11.1": (117, 123),
}
#: What the web interface exports at most, unless it is set otherwise: the rest is cut, silently.
EXPORTED = 65_535
_CHARACTERISTICS = '"has-known-vulnerability,tunnel-other-application,pervasive-use"'
_ZEROS = frozenset(
    (
        "tunnelid_imsi",
        "parent_session_id",
        "assoc_id",
        "chunks",
        "chunks_sent",
        "chunks_received",
        "http2_connection",
        "link_change_count",
        "padding",
        "cpadding",
    )
)


@cache
def names(section: str) -> tuple[str, ...]:
    """Return the fields of a log (traffic, threat), or the header of an export, in order."""
    text = files("segctl_mocks").joinpath("data/panos-logs.txt").read_text("utf-8")
    body = text.partition(f"[{section}]\n")[2].partition("\n\n")[0]
    return tuple(body.strip().splitlines() if section == "export" else body.split())


def quoted(text: str) -> str:
    """Write a value that holds what a CSV line is made of."""
    if "," in text or '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return text


class Rows:
    """Rows of one width: what never changes is filled in once."""

    def __init__(self, fields: tuple[str, ...], width: int, release: str) -> None:
        self.names = fields[:width]
        self._at = {name: at for at, name in enumerate(self.names)}
        constant = dict.fromkeys(self.names, "")
        constant |= {name: "0" for name in _ZEROS if name in constant}
        constant |= {f"dg_hier_level_{at}": "0" for at in range(1, 5)} if width > 47 else {}
        extra = {
            "tunnel": "N/A",
            "subcategory_of_app": "ics-protocols",
            "category_of_app": "business-systems",
            "technology_of_app": "client-server",
            "risk_of_app": "2",
            "characteristic_of_app": _CHARACTERISTICS,
            "is_saas_of_app": "no",
            "sanctioned_state_of_app": "no",
            "offloaded": "0",
            "flow_type": "NonProxyTraffic",
        }
        constant |= {name: value for name, value in extra.items() if name in constant}
        if release in {"10.2", "11.1"}:
            constant |= {name: "" for name in ("padding", "cpadding") if name in constant}
        self._row = list(constant.values())

    def row(self, values: dict[str, str]) -> list[str]:
        """Return a row of texts, ready to be joined with commas."""
        row = self._row.copy()
        for name, value in values.items():
            at = self._at.get(name)
            if at is not None:
                row[at] = quoted(value)
        return row


class Syslog(Plain):
    """Lines of traffic.log and threat.log, with the header that the firewall's collector adds."""

    def __init__(self, firewall: Firewall, values: Values) -> None:
        self._values = values
        self._firewall = firewall
        self._offset = values.offset
        traffic, threat = WIDTHS[firewall.release]
        self._traffic = Rows(names("traffic"), traffic, firewall.release)
        self._threat = Rows(names("threat"), threat, firewall.release)

    def moments(self) -> frozenset[str]:
        """Return the moments that it writes down."""
        return frozenset(("begin", "shift", "threat", "end"))

    def lines(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the line of a record."""
        head = self._head(record.time)
        if record.moment == "threat":
            row = self._threat.row(self._values.threat(record))
            yield "threat.log", f"{head}{','.join(row)}\n"
        else:
            row = self._traffic.row(self._values.traffic(record))
            yield "traffic.log", f"{head}{','.join(row)}\n"

    def _head(self, time: float) -> str:
        name, seconds = self._firewall.name, int(time) + self._offset
        match self._firewall.header:
            case "bsd":
                return f"<14>{local(seconds, '%b %e %H:%M:%S')} {name} "
            case "ietf":
                return f"<14>1 {local(int(time), '%Y-%m-%dT%H:%M:%SZ')} {name} - - - - "
            case "relay":
                stamp = local(seconds, "%b %e %H:%M:%S")
                return f"<13>{stamp} relay1 {stamp} {name} "
            case _:
                return ""


class Export(Plain):
    """The CSV that the web interface exports of the traffic log, cut at the rows it exports."""

    def __init__(self, firewall: Firewall, values: Values) -> None:
        self._values = values
        width = WIDTHS[firewall.release][0]
        self._rows = Rows(names("traffic"), width, firewall.release)
        header = names("export")
        self._header = ",".join([*header, *self._rows.names[len(header) :]])
        self._count = 0

    def moments(self) -> frozenset[str]:
        """Return the moments that it writes down."""
        return frozenset(("begin", "shift", "end"))

    def lines(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the row of a record."""
        if self._count < EXPORTED:
            self._count += 1
            yield "export.csv", f"{','.join(self._rows.row(self._values.traffic(record)))}\n"

    def frame(self, name: str) -> tuple[str, str, str]:
        """Return the header."""
        del name
        return f"{self._header}\n", "", ""
