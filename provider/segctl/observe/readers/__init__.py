"""One module a format; each streams, by header or width, and counts what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.observe.readers import (
    conntrack,
    netfilter,
    nfdump,
    panos_answers,
    panos_csv,
    panos_export,
    panos_xml,
    suricata,
    zeek,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.observe.readers.base import Reader
    from segctl.providers.watching import Way

#: Every format; of two that claim as many lines of a file, the first one reads it.
READERS: Final[tuple[Reader, ...]] = (
    panos_csv.READER,
    panos_export.READER,
    panos_xml.READER,
    zeek.TSV,
    zeek.JSON,
    suricata.READER,
    nfdump.CSV,
    nfdump.JSON,
    conntrack.TEXT,
    conntrack.XML,
    netfilter.TEXT,
    netfilter.JSON,
)


#: How each way of asking a device tells.
TOLD: Final[Mapping[Way, Reader]] = {
    "traffic log": panos_answers.LOG,
    "threat log": panos_answers.LOG,
    "traffic report": panos_answers.REPORT,
    "session table": panos_answers.TABLE,
    "connections": conntrack.TEXT,
    "kernel log": netfilter.TEXT,
}


def reader_of(head: str) -> Reader | None:
    """Return the reader of a text that begins so: by what it says, never by its name."""
    claims = [(reader.claims(head), reader) for reader in READERS]
    most, best = max(claims, key=lambda claim: claim[0])
    return best if most else None
