"""How the time of each work grows when there is four and sixteen times as much to do."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import corpus, plants
from bench.contenders import PASSWORD, USER
from bench.measure import Case, Claim, Runs, run
from bench.replay import Replay

from segctl.planning.documents import plan_file
from segctl.planning.make import make_plan, plan_device
from segctl.planning.plan import Intent
from segctl.providers.panos import PanosProvider
from segctl.transports.credentials import Secret
from segctl.transports.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: How many times as much there is to do.
TIMES = (1, 4, 16)
#: Time may grow as the work to this power.
MOST = 1.3
#: Rules of ours of the smallest device; a third as many of others stand beside them.
_RULES = 750
#: So many rounds more while some work seems to grow faster: where a run takes hundredths of a
#: second, what else the machine does looks like growth, and the least of more runs does not.
_MORE = 4
_INTENT = Intent(digest="sha256:bench")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One contender with its arguments."""

    name: str
    contender: str
    arguments: tuple[object, ...]


def growth(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Do the same works at three sizes, each run a process of its own."""
    times, rounds = ((1,), 1) if quick else (TIMES, 3)
    case = Case(
        "processor seconds of each work at 1, 4 and 16 times the size (the least of the rounds), "
        "and the exponent between neighbours"
    )
    found: dict[str, list[Runs]] = {}
    with tempfile.TemporaryDirectory() as folder:
        sized = [_works(Path(folder) / str(size), size, quick=quick) for size in times]
        for works in sized:
            for work in works:
                found.setdefault(work.name, []).append(Runs())
        for number in range(rounds + _MORE):
            if number >= rounds and all(max(_steps(times, one)) <= MOST for one in found.values()):
                break
            for at, works in enumerate(sized):
                for work in works:
                    sample = run(work.contender, *work.arguments)  # in order: first cold, then warm
                    found[work.name][at].samples.append(sample)
    for name, runs in found.items():
        seconds = _least(runs)
        steps = _steps(times, runs)
        case.results.append(
            {
                "work": name,
                "times": list(times),
                "processor_seconds": seconds,
                "exponents": [round(step, 3) for step in steps[: len(times) - 1]],
                "runs": [one.as_json() for one in runs],
            }
        )
        if len(times) > 1:
            case.claims.append(
                Claim(
                    text=f"{name}: the largest exponent",
                    value=max(steps),
                    relation="<=",
                    target=MOST,
                    gate=True,
                )
            )
    cold, warm = (found[name][0] for name in ("plan anew, cache it", "plan from the cache"))
    case.claims.append(
        Claim(
            text="the smallest device: plan from the cache / plan anew (processor seconds)",
            value=min(warm.of("cpu_seconds")) / min(cold.of("cpu_seconds")),
            relation="<",
            target=1,
        )
    )
    return case


def _least(runs: Sequence[Runs]) -> list[float]:
    return [min(one.of("cpu_seconds")) for one in runs]


def _steps(times: Sequence[float], runs: Sequence[Runs]) -> list[float]:
    """Return the exponents between neighbours; of one size alone it is 0."""
    return list(exponents(times, _least(runs))) or [0]


def exponents(times: Sequence[float], seconds: Sequence[float]) -> Iterator[float]:
    """Yield, for each size and the next, the power of the size that the seconds grow with."""
    for at in range(len(times) - 1):
        yield math.log(seconds[at + 1] / seconds[at]) / math.log(times[at + 1] / times[at])


def _works(folder: Path, size: int, *, quick: bool) -> list[Work]:
    """Generate sites, a device and a plan, and return what is to be done with them."""
    count, rules = (2, 20) if quick else (plants.PLANTS * size, _RULES * size)
    plants.write(folder / "site", count)
    document, plan, cache = folder / "device", folder / "plan.json", folder / "cache"
    cache.mkdir()
    site = corpus.manufactory(rules)
    document.write_bytes(answered(corpus.inhabited(site, rules // 3)))
    speaks = PanosProvider()
    made = plan_device(corpus.revised(site), speaks.parse(document.read_bytes()), speaks)
    plan.write_text(plan_file(make_plan([made], _INTENT)), encoding="utf-8")
    known = (rules, document, cache)
    return [
        Work(name="validate a manufacturer", contender="validate", arguments=(folder / "site",)),
        Work(name="plan for a device", contender="judge", arguments=(rules, document)),
        Work(name="import a device", contender="read-back", arguments=(document,)),
        Work(name="show a plan", contender="show", arguments=(plan,)),
        Work(name="report a plan", contender="report", arguments=(plan,)),
        Work(name="plan anew, cache it", contender="known-plan", arguments=(*known, "cold")),
        Work(name="plan from the cache", contender="known-plan", arguments=(*known, "warm")),
    ]


def answered(config: bytes) -> bytes:
    """Return all that a plan reads of a firewall with this configuration, as one document."""
    with tempfile.TemporaryDirectory() as folder, Replay(config, Path(folder)) as server:
        target = Target(
            name="bench",
            host="127.0.0.1",
            port=int(server.port),
            user=USER,
            password=Secret(PASSWORD),
            ca_file=Path(server.ca_file),
        )
        with PanosProvider().connect(target, read_only=True) as session:
            return session.read()
