"""Making days of traffic: sessions in order, each written down by whoever sees it.

Memory is bounded by the sessions that are open at one time, whatever the number of lines.
"""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl_mocks import storage
from segctl_mocks.traffic import truth
from segctl_mocks.traffic.forms.linux import Conntrack, KernelLog, Ulogd
from segctl_mocks.traffic.forms.nfdump import Nfdump
from segctl_mocks.traffic.forms.panos import Export, Syslog
from segctl_mocks.traffic.forms.panos_api import TrafficFile
from segctl_mocks.traffic.forms.panos_config import Configuration
from segctl_mocks.traffic.forms.panos_values import Values
from segctl_mocks.traffic.forms.suricata import Suricata
from segctl_mocks.traffic.forms.zeek import Zeek
from segctl_mocks.traffic.plant import Firewall, Sensor
from segctl_mocks.traffic.records import Files, Record
from segctl_mocks.traffic.sessions import LEASES, sessions
from segctl_mocks.traffic.sights import Sights
from segctl_mocks.traffic.truth import Counted, Seen

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from segctl_mocks.traffic.plant import Plant, Witness
    from segctl_mocks.traffic.records import Form
    from segctl_mocks.traffic.sessions import Session, Window
    from segctl_mocks.traffic.sights import Sight

#: The forms by name, and what writes each.
FORMS = {
    "panos-syslog": "firewalls of PAN-OS",
    "panos-export": "firewalls of PAN-OS",
    "panos-api": "firewalls of PAN-OS",
    "panos-config": "firewalls of PAN-OS",
    "conntrack": "gateways of Linux",
    "nflog": "gateways of Linux",
    "ulogd": "gateways of Linux",
    "zeek": "sensors",
    "zeek-json": "sensors",
    "suricata": "sensors",
    "nfdump-csv": "exporters of flows",
    "nfdump-json": "exporters of flows",
}
#: The one file in which all firewalls of PAN-OS have what the mock answers from.
TRAFFIC_FILE = "traffic.jsonl"
_POLL = 3600.0
_RETRIES = (1.0, 3.0)


def generate(
    plant: Plant,
    window: Window,
    folder: Path,
    *,
    forms: Iterable[str] = tuple(FORMS),
    compress: bool = False,
) -> dict[str, int]:
    """Write the traffic of a plant and its ground truth below a folder; return lines by file.

    Raises:
        ValueError: there is no such form.
        OSError: a file cannot be written.
    """
    wanted = list(forms)
    if unknown := [name for name in wanted if name not in FORMS]:
        message = f"no form {', '.join(unknown)}; there are {', '.join(FORMS)}"
        raise ValueError(message)
    maker = _Maker(plant, window, folder, wanted, compress=compress)
    try:
        maker.run()
    finally:
        maker.close()
    lines = maker.lines()
    text = json.dumps(truth.document(plant, window, maker.seen, maker.counted, lines), indent=1)
    storage.write(folder / "truth.json", f"{text}\n".encode())
    return lines


@dataclass(slots=True)
class _Rule:
    """What a rule of a firewall counted."""

    hits: int = 0
    first: float = 0.0
    last: float = 0.0


@dataclass(slots=True)
class _Desk:
    """Where one witness writes: its forms, its counters, and what waits for its end."""

    witness: Witness
    forms: list[Form]
    moments: frozenset[str]
    files: Files
    gaps: Sequence[tuple[float, float]]
    chance: random.Random
    number: int = 0
    flow: int = 0
    counted: Counted = field(default_factory=Counted)
    rules: dict[str, _Rule] = field(default_factory=dict[str, _Rule])
    still_open: list[_Note] = field(default_factory=list["_Note"])


@dataclass(frozen=True, slots=True)
class _Note:
    """That a witness will write down something of a session."""

    desk: _Desk
    moment: str
    flow: int
    session: Session
    sight: Sight

    def at(self, time: float) -> Record:
        """Return the record at its time."""
        return Record(
            time=time,
            number=self.desk.number,
            flow=self.flow,
            moment=self.moment,
            session=self.session,
            sight=self.sight,
            ahead=self.desk.witness.clock,
        )


class _Maker:
    def __init__(
        self, plant: Plant, window: Window, folder: Path, forms: list[str], *, compress: bool
    ) -> None:
        self._plant = plant
        self._window = window
        self.seen = {one.name: Seen() for one in plant.conversations}
        self._desks: dict[str, _Desk] = {}
        self._shared = Files(folder, compress=False)
        everybody: list[Witness] = [*plant.firewalls.values(), *plant.sensors.values()]
        for one in everybody:
            made = list(_forms(plant, window, one, forms))
            self._desks[one.name] = _Desk(
                witness=one,
                forms=made,
                moments=frozenset(moment for form in made for moment in form.moments()),
                files=Files(folder / one.name, compress=compress),
                gaps=[window.of(gap) for gap in one.gaps],
                chance=window.chance("duplicates", one.name),
                number=window.seed * 1_000_003 % 10**9 + 7 * 10**15,
            )
        self._waiting: list[tuple[float, int, _Note]] = []
        self._order = 0

    @property
    def counted(self) -> dict[str, Counted]:
        return {name: desk.counted for name, desk in self._desks.items()}

    def lines(self) -> dict[str, int]:
        found = {
            f"{name}/{file}": count
            for name, desk in self._desks.items()
            for file, count in desk.files.lines.items()
        }
        return found | dict(self._shared.lines)

    def run(self) -> None:
        sights = Sights(self._plant)
        for session in sessions(self._plant, self._window):
            self._until(session.start)
            found = sights.of(session)
            if session.conversation is not LEASES:
                self.seen[session.conversation.name].add(session, found)
            for sight in found:
                self._see(self._desks[sight.witness.name], session, sight)
        self._until(self._window.end)
        for desk in self._desks.values():
            self._close(desk)

    def _see(self, desk: _Desk, session: Session, sight: Sight) -> None:
        """Let a witness see a session: note when it will write something down."""
        desk.flow += 1
        if sight.verdict is not None:
            rule = desk.rules.setdefault(sight.verdict.rule, _Rule(first=session.start))
            rule.hits += session.repeats
            rule.last = session.start
        for time, moment in self._moments(desk, session, sight):
            if moment.partition("-")[0] in desk.moments:
                self._put(time, _Note(desk, moment, desk.flow, session, sight))
        if session.end > self._window.end and session.answer == "done" and sight.passed:
            desk.still_open.append(_Note(desk, "open", desk.flow, session, sight))

    def _put(self, time: float, note: _Note) -> None:
        self._order += 1
        heapq.heappush(self._waiting, (time, self._order, note))

    def _moments(self, desk: _Desk, session: Session, sight: Sight) -> Iterator[tuple[float, str]]:
        begins = max(session.start, self._window.start)
        log = sight.verdict.log if sight.verdict is not None else None
        if isinstance(desk.witness, Firewall) and desk.witness.platform == "panos":
            yield from _of_panos(session, sight, begins, log or frozenset())
        else:
            if session.start >= self._window.start:
                yield session.start, "begin"
            if log and not sight.passed:
                for later in _RETRIES:
                    yield session.start + later, "retry"
            if session.end > self._window.end and log is None:
                yield begins + _POLL * 0.5, "poll"
            if session.conversation.threat and sight.passed and log is None:
                yield session.start + 1.0, "threat"
            yield session.end, "end"

    def _until(self, time: float) -> None:
        """Write down everything up to a time of the window."""
        end = min(time, self._window.end)
        while self._waiting and self._waiting[0][0] < end:
            when, _, note = heapq.heappop(self._waiting)
            desk = note.desk
            if note.moment == "poll":
                self._put(when + _POLL, note)
            if any(first <= when < last for first, last in desk.gaps):
                desk.counted.lost += 1
                continue
            desk.number += 1
            self._write(desk, note.at(when))

    def _write(self, desk: _Desk, record: Record) -> None:
        desk.counted.records += 1
        twice = desk.chance.random() < desk.witness.duplicates
        desk.counted.twice += twice
        for form in desk.forms:
            if record.moment.partition("-")[0] not in form.moments():
                continue
            for name, text in list(form.lines(record)):
                self._line(desk, form, name, text)
                if twice and not isinstance(form, Export | TrafficFile):
                    self._line(desk, form, name, text)

    def _line(self, desk: _Desk, form: Form, name: str, text: str) -> None:
        if isinstance(form, TrafficFile):
            self._shared.write(TRAFFIC_FILE, text, form.frame(name))
        else:
            desk.files.write(name, text, form.frame(name))

    def _close(self, desk: _Desk) -> None:
        end = self._window.end
        kept = [note.at(end) for note in desk.still_open]
        for form in desk.forms:
            for name, text in form.closing(kept):
                self._line(desk, form, name, text)
            if isinstance(form, TrafficFile):
                for rule, counted in sorted(desk.rules.items()):
                    ahead = desk.witness.clock
                    name, text = form.counted(
                        rule, counted.hits, counted.first + ahead, counted.last + ahead
                    )
                    self._line(desk, form, name, text)

    def close(self) -> None:
        for desk in self._desks.values():
            desk.files.close()
        self._shared.close()


def _of_panos(
    session: Session, sight: Sight, begins: float, log: frozenset[str]
) -> Iterator[tuple[float, str]]:
    """Yield when a firewall of PAN-OS logs a session: a denied one at once, whatever it logs."""
    if not log:
        return
    if not sight.passed:
        yield session.start, "end"
        return
    if "start" in log and begins == session.start:
        yield session.start, "begin"
        if session.answer == "done":
            for at in range(1, len(session.applications)):
                yield session.start + 0.2 * at, f"shift-{at}"
    if session.conversation.threat:
        yield session.start + 1.0, "threat"
    if "end" in log:
        yield session.end, "end"


def _forms(plant: Plant, window: Window, witness: Witness, wanted: list[str]) -> Iterator[Form]:
    offset = plant.offset
    makers: dict[str, object] = {}
    if isinstance(witness, Firewall) and witness.platform == "panos":
        values = Values(witness, offset)
        makers = {
            "panos-syslog": lambda: Syslog(witness, values),
            "panos-export": lambda: Export(witness, values),
            "panos-api": lambda: TrafficFile(witness, values),
            "panos-config": lambda: Configuration(witness),
        }
    elif isinstance(witness, Firewall):
        makers = {
            "conntrack": Conntrack,
            "nflog": lambda: KernelLog(witness.name, offset),
            "ulogd": lambda: Ulogd(witness.name, offset),
        }
    elif isinstance(witness, Sensor) and witness.exports_flows:
        makers = {
            "nfdump-csv": lambda: Nfdump(offset, as_json=False),
            "nfdump-json": lambda: Nfdump(offset, as_json=True),
        }
    else:
        midstream = witness.midstream if isinstance(witness, Sensor) else 0.0
        makers = {
            "zeek": lambda: Zeek(window.start, midstream, as_json=False),
            "zeek-json": lambda: Zeek(window.start, midstream, as_json=True),
            "suricata": Suricata,
        }
    for name in wanted:
        if name in makers:
            yield makers[name]()  # type: ignore[operator] # each makes a form
