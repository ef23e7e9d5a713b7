"""Writing: how many requests a change takes, against one per rule."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench import corpus
from bench.contenders import PASSWORD, USER
from bench.measure import Case, Claim, run

from segctl.planning.apply import apply_device
from segctl.planning.make import plan_device
from segctl.providers.panos import PanosProvider
from segctl.transports.credentials import Secret
from segctl.transports.target import Target
from segctl_mocks.panos.mock import PanosMock

if TYPE_CHECKING:
    from segctl.compiler.build import Desired
    from segctl.planning.plan import DevicePlan


def apply_new(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Add many rules to a firewall that has none of ours."""
    count = 50 if quick else 1_000
    case = Case("apply n new rules and 2n objects; writes are all requests that change anything")
    wanted = corpus.desired(count)
    with _mock(corpus.held(replace(wanted, policy=wanted.policy.replace(rules=())))) as mock:
        made, result = _plan_and_apply(wanted, mock)
        before = _writes_before_commit(mock)
        result |= {"writes_before_commit": before, "changes": len(made.changes)}
    with _mock(corpus.held(corpus.desired(0))) as mock:
        other = run("create-each", mock.port, count)
        theirs = _writes_before_commit(mock)
    case.results.append(
        {
            "rules": count,
            "segctl": result,
            "pan-os-python create()": {"seconds": other["seconds"], "writes_before_commit": theirs},
        }
    )
    case.claims += [
        Claim(text="write requests before commit", value=before, relation="<=", target=10),
        Claim(
            text="write requests of pan-os-python create() for each rule",
            value=theirs / count,
            relation=">=",
            target=1,
        ),
    ]
    return case


def one_edit(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Change one rule among many."""
    count = 100 if quick else 5_000
    case = Case("one rule of n changed: configuration writes and moves")
    wanted = corpus.desired(count)
    rules = list(wanted.policy.rules)
    rules[count // 2] = replace(rules[count // 2], destinations=("host-000000",))
    changed = replace(wanted, policy=wanted.policy.replace(rules=tuple(rules)))
    with _mock(corpus.held(wanted)) as mock:
        made, result = _plan_and_apply(changed, mock)
        writes = sum(one.type == "config" and one.is_write for one in mock.requests)
    moves = made.summary["move"] + made.script.count("<move ")
    case.results.append({"rules": count, "segctl": result | {"config_writes": writes}})
    case.claims += [
        Claim(text="changes", value=len(made.changes), relation="==", target=1),
        Claim(text="configuration writes", value=writes, relation="<=", target=2),
        Claim(text="moves", value=moves, relation="==", target=0),
    ]
    return case


def _mock(config: bytes) -> PanosMock:
    return PanosMock("bench", config, users={USER: PASSWORD}, job_seconds=0.0)


def _plan_and_apply(wanted: Desired, mock: PanosMock) -> tuple[DevicePlan, dict[str, Any]]:
    provider = PanosProvider()
    target = Target(
        name="bench",
        host=mock.host,
        port=mock.port,
        user=USER,
        password=Secret(PASSWORD),
        ca_file=mock.ca_file,
    )
    begin = time.perf_counter()
    with provider.connect(target, read_only=True) as opened:
        made = plan_device(wanted, provider.parse(opened.read()), provider)
    planned = time.perf_counter()
    outcome = apply_device(made, provider, target, progress=lambda _: None)
    applied = time.perf_counter()
    return made, {
        "status": outcome.status,
        "plan_seconds": round(planned - begin, 3),
        "apply_seconds_with_mock": round(applied - planned, 3),
        "requests": len(mock.requests),
    }


def _writes_before_commit(mock: PanosMock) -> int:
    requests = mock.requests
    kinds = [request.type for request in requests]
    end = kinds.index("commit") if "commit" in kinds else len(requests)
    return sum(request.is_write for request in requests[:end])
