"""Whoever reads pieces of records, however they are cut and in whatever order: the same result."""

from __future__ import annotations

import pickle
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from segctl.observe.discover.evidence import Evidence, Window
from segctl.observe.grouping import Count, Groups
from segctl.observe.reading import ReadOptions, read, read_piece
from segctl.observe.sources import MAX_LINE
from support.records import NOW, RECORDS, logged

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from segctl.observe.reading import Partial, Reading, Work

A, B = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
#: Members of one pair, and a firewall of its own.
SERIALS = ("001", "002", "003")
MEMBERS = {"001": "fw", "002": "fw"}
GARBAGE = ("", "nonsense", "1,2026/11/02 10:00:00,001,SYSTEM,general", ",TRAFFIC,", '1,"x')


@st.composite
def lines(draw: st.DrawFn) -> str:
    """A record of PAN-OS, like others in all that joins records; now and then hardly one."""

    def of(usual: str, *odd: str) -> str:
        return draw(st.sampled_from([usual] * 3 * len(odd) + [*odd]))

    def either(*choices: str) -> str:
        return draw(st.sampled_from(choices))

    if garbage := of("", *GARBAGE):
        return garbage
    made = f"2026/11/02 10:0{either('0', '1')}:{of('07', '08', '60', '5')}"
    uuid = either("", A, B)
    host, rest = of("", "fw1", "fw2"), of("", A)
    columns = [
        *("1", of(made, "2026/11/02 10:05:00", "2026/99/02 10:00:00"), either(*SERIALS), "TRAFFIC"),
        *(of("end", "start", "start", "deny", ""), of("2562", "2816"), made),
        *(of("10.1.0.1", "10.1.0.2"), "10.2.0.1", "0.0.0.0", "0.0.0.0"),
        *(of("rule", '"a,b"', f'"a{A}"'), "", "", either("ssl", "ftp"), "vsys1", "IN", "OUT"),
        *("ethernet1/1", "ethernet1/2", "fwd", made, either("1", "2"), of("1", "3")),
        *(of("1024", "70000"), "443", "0", "0", "0x19", "tcp", "allow", of("900", "x")),
        *("300", "600", "9", made, "0", "any", "", either("0", "0", "0", "11", "12", "13", "14")),
        *("0x0", "", "", "", "5", "4", "aged-out", "", "", "", "", "", host, "from-policy"),
    ]
    columns += [""] * (65 - len(columns)) + [uuid, "", rest, "", ""]
    if exact := of("", "+00:00", "+01:00"):
        columns.append(f"2026-11-02T10:00:07.123{exact}")
    return ",".join([*columns, ""])


def written(name: str) -> str:
    """One of the files that are written by hand."""
    return (RECORDS / name).read_text("utf-8")


others = st.sampled_from(sorted(path.name for path in RECORDS.iterdir()))
logs = st.lists(lines(), min_size=2, max_size=12).map("\n".join)
files = st.lists(
    st.one_of(logs, logs, others.map(written)),
    min_size=1,
    max_size=4,
)
sizes = st.sampled_from([1, 1, 300, 1000, 1 << 20])


@dataclass(frozen=True, slots=True)
class Apart:
    """Reads pieces as other processes do: in any order, knowing nothing but what was pickled."""

    piece: int
    random: Random

    def read(self, work: Sequence[Work], /) -> Generator[Partial]:
        order = [*range(len(work))]
        self.random.shuffle(order)
        sent = pickle.dumps([*work])
        done = {one: pickle.dumps(read_piece(pickle.loads(sent)[one])) for one in order}
        for one in range(len(work)):
            yield pickle.loads(done[one])


def told(reading: Reading) -> Any:
    """Everything that a reading says, in one order."""
    held = reading.groups
    seen = sorted((group, count) for _, groups in held.flows() for group, count in counted(groups))
    if not isinstance(held, Evidence):
        return reading.coverage, reading.digests, seen
    left_out = sorted(
        (group, count) for _, groups in held.excluded.flows() for group, count in counted(groups)
    )
    times = {
        witness: {flow: sorted(one) for flow, one in flows.items()}
        for witness, flows in held.times.items()
    }
    return reading.coverage, reading.digests, seen, left_out, times, held.untimed


def counted(groups: list[tuple[Any, Count]]) -> list[tuple[Any, tuple[Any, ...]]]:
    return [
        (group, tuple(getattr(count, name) for name in Count.__slots__)) for group, count in groups
    ]


def collected(number: int) -> Groups:
    """Groups of the one or the other kind, few of them in memory or all."""
    if number == 0:
        return Groups(3)
    return Evidence([Window(1793613600.0, 1793613668.0)], 8 if number == 1 else 1000)


#: A number that the device used again: what had begun is told of at the next beginning.
REUSED = (
    logged(serial="001", seqno="0").replace(",end,", ",start,"),
    logged(serial="001", seqno="0", src="10.1.0.9"),
    logged(serial="002", seqno="0").replace(",end,", ",start,"),
)


@settings(max_examples=300)
@example(["".join(REUSED[:2]), REUSED[2]], 1 << 20, 0, 2, False)
@example([written("zeek-conn.log"), written("zeek-modbus.log")], 1 << 20, 0, 2, False)
@given(files, sizes, st.integers(0, 99), st.integers(0, 2), st.booleans())
def test_pieces_come_to_what_the_whole_does(
    texts: list[str],
    size: int,
    seed: int,
    kind: int,
    paired: bool,  # noqa: FBT001 - drawn
) -> None:
    options = ReadOptions(now=NOW, digests=True, members=MEMBERS if paired else {})
    with TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            Path(folder, f"{number}.log").write_text(text, "utf-8")
        whole = read([folder], options, collected(kind))
        apart = read([folder], options, collected(kind), readers=Apart(size, Random(seed)))
    with closing(whole.groups), closing(apart.groups):
        assert told(apart) == told(whole)


def test_behind_a_line_without_an_end_nothing_is_read(tmp_path: Path) -> None:
    """It is within a piece, and others follow that can be read."""
    log = tmp_path / "fw.log"
    polls = "".join(logged(seqno=str(100 + one)) for one in range(4000))
    log.write_text(f"{polls[: len(polls) // 700 * 70]}{'x' * (MAX_LINE + 1)}\n{polls}", "utf-8")
    options = ReadOptions(now=NOW)
    whole = read([str(log)], options)
    apart = read([str(log)], options, readers=Apart(MAX_LINE + (1 << 19), Random(0)))
    assert apart.pieces > 2
    assert told(apart) == told(whole)
    assert "has more than" in whole.coverage.files[0].problem


counts = st.builds(
    Count,
    *(st.integers(0, 9),) * 3,
    *(st.none() | st.floats(0, 1e10),) * 2,
    day=st.just(0),
    days=st.just(0),
)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=6), st.permutations(range(6)))
def test_days_are_the_same_in_any_order(days: list[int], order: list[int]) -> None:
    def after(taken: list[int]) -> tuple[int, int]:
        count = Count()
        for day in taken:
            count.seen(day)
        return count.day, count.days

    other = [days[place] for place in order if place < len(days)]
    assert after(other) == after(days)
    latest = max(days)
    kept = {day for day in days if latest - day < 20_000}
    first, bits = after(days)
    assert {first + place for place in range(bits.bit_length()) if bits >> place & 1} == kept


@given(st.lists(counts, min_size=3, max_size=3))
def test_counts_are_added_in_any_order(three: list[Count]) -> None:
    def added(*ones: Count) -> Count:
        whole = Count()
        for one in ones:
            whole.merge(one)
        return whole

    one, two, other = three
    assert added(one, two) == added(two, one)
    assert added(added(one, two), other) == added(one, added(two, other))
