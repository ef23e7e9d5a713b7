"""Check: whether firewalls allow a flow, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segctl.analysis.space import Box, Space
from segctl.fleet.permits import Pair, PolicyResult, joined_answers, legs_by_device
from segctl.model.errors import UsageError
from segctl.operations.loading import desired_of, load_inventory, vault
from segctl.operations.workers import at_work

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from segctl.analysis.policies import PolicyTest, Tested
    from segctl.analysis.query import Check, Question
    from segctl.analysis.verdict import Verdict
    from segctl.compiler.build import Desired
    from segctl.fleet import Failure
    from segctl.fleet.legs import Leg
    from segctl.fleet.queries import Checked
    from segctl.fleet.readings import Readings
    from segctl.inventory import Loaded
    from segctl.model.errors import Problem
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What is asked: the checks of a file, or `checks`.

    With `declared` no device is asked, with `offline` their snapshots are. `readings` are what was
    read of the devices before.
    """

    file: Path | None = None
    checks: tuple[Check | PolicyTest, ...] = ()
    declared: bool = False
    offline: Path | None = None
    readings: Readings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The questions, and each asked firewall's answers or why it gave none.

    `verdicts` are what becomes of each flow end to end, None where that is too complex to tell.
    `policies` are the policy tests with what they found.
    """

    loaded: Loaded
    questions: tuple[Question, ...]
    answers: Mapping[str, Checked | Failure]
    verdicts: tuple[Verdict | None, ...]
    policies: tuple[PolicyResult, ...] = ()


def one_check(
    *,
    source: str,
    destination: str,
    application: str = "",
    protocol: str | None = None,
    port: int | None = None,
    icmp_type: str = "",
    user: str = "",
    allow: bool = True,
) -> Check:
    """Return a question about one flow; `allow` is what is right.

    Raises:
        UsageError: an end is missing, or the rest contradicts itself.
    """
    from segctl.analysis.query import Check
    from segctl.model.icmp import refusal

    if not source or not destination:
        raise UsageError("give --from and --to, or a file of checks")
    spoken = protocol or "tcp"
    if port is not None and spoken in {"icmp", "icmpv6"}:
        raise UsageError(f"{spoken} has no port: leave --port out")
    if icmp_type and (why := refusal(spoken, icmp_type, application)):
        raise UsageError(f"--icmp-type {icmp_type}: {why}")
    return Check(
        source=source,
        destination=destination,
        application=application,
        protocol=spoken,
        open_protocol=protocol is None and port is None,
        port=port or 0,
        icmp_type=icmp_type,
        user=user,
        allow=allow,
    )


def check(common: CommonOptions, options: CheckOptions, progress: Progress) -> CheckResult:
    """Ask firewalls whether they allow flows; never writes to a device.

    Raises:
        ChecksError: the file cannot be used, or asks what no firewall can answer.
        InventoryError: the inventory cannot be used.
        UsageError: a check asks what no firewall can answer.
    """
    return check_of(common, load_inventory(common, progress), options, progress)


def check_of(
    common: CommonOptions, loaded: Loaded, options: CheckOptions, progress: Progress
) -> CheckResult:
    """Ask firewalls of an inventory that has been read.

    Raises:
        ChecksError: the file cannot be used, or asks what no firewall can answer.
        UsageError: a check asks what no firewall can answer.
    """
    asked = _read(common, options.file) if options.file is not None else options.checks
    chosen = desired_of(loaded)
    questions, tests = _resolved(asked, loaded, chosen)
    pairs = _pairs(tests, loaded, chosen)
    legs = legs_by_device(pairs, [item.device.name for item in chosen])
    work = [
        item
        for item in chosen
        if legs[item.device.name] or any(item.device.name in one.devices for one in questions)
    ]
    wanted = {name: tuple(held.values()) for name, held in legs.items()}
    given = _answers(common, loaded, work, questions, progress, options=options, legs=wanted)
    answers = {item.device.name: one for item, one in zip(work, given, strict=True)}
    platforms = {item.device.name: item.device.platform for item in chosen}
    found = iter(joined_answers(pairs, legs, answers, platforms, "live"))
    return CheckResult(
        loaded=loaded,
        questions=questions,
        answers=answers,
        verdicts=tuple(_verdicts(questions, answers, platforms)),
        policies=tuple(
            PolicyResult(test=one.test, found=tuple(next(found) for _ in one.pairs))
            for one in tests
        ),
    )


def _pairs(tests: Sequence[Tested], loaded: Loaded, chosen: Sequence[Desired]) -> list[Pair]:
    """Return every pair of ends that the tests are about, in their order."""
    from segctl.analysis.ends import Extents

    extents, names = Extents(loaded.site), {item.device.name for item in chosen}
    return [
        Pair(
            source=source,
            destination=destination,
            region=Space((Box(source=extents.of(source), destination=extents.of(destination)),)),
            hops=hops,
            missing=tuple(sorted({hop.device for hop in hops} - names)),
            statement=statement,
        )
        for test in tests
        for source, destination, hops, statement in test.pairs
    ]


def _verdicts(
    questions: Sequence[Question],
    answers: Mapping[str, Checked | Failure],
    platforms: Mapping[str, str],
) -> Iterator[Verdict | None]:
    """Yield what becomes of each flow on its whole way."""
    from segctl.analysis.answer import OTHERS, with_others
    from segctl.analysis.space import TooComplexError
    from segctl.analysis.verdict import end_to_end
    from segctl.fleet.queries import Answered, Checked

    own = {name: iter(one.answers) for name, one in answers.items() if isinstance(one, Checked)}
    for question in questions:
        given = [next(own[name]) for name in own if name in question.devices]
        known = [one for one in given if isinstance(one, Answered)]
        passages = {hop: passage for one in known for hop, passage in one.passages.items()}
        reasons = [why for one in known for why in one.answer.why]
        try:
            found = end_to_end(question, passages, platforms, reasons)
            if question.check.open_protocol and found.answer.verdict == "deny":
                aside = replace(question, check=replace(question.check, protocol=OTHERS))
                rest = {hop: one for each in known for hop, one in each.other_passages.items()}
                others = end_to_end(aside, rest, platforms, reasons)
                if others.answer.allowed or others.answer.unknown:
                    found = replace(others, answer=with_others(found.answer, others.answer))
                    question, passages = aside, rest  # noqa: PLW2901 - the rest is about these
            held = {hop: one for each in known for hop, one in each.present_passages.items()}
            if held and found.answer.unknown:
                now = {**passages, **held}
                answers_now = ((one.present and one.present.answer) or one.answer for one in known)
                reasons = [why for one in answers_now for why in one.why]
                found = replace(found, present=end_to_end(question, now, platforms, reasons).answer)
            yield found
        except TooComplexError:
            yield None


def _read(common: CommonOptions, file: Path) -> tuple[Check | PolicyTest, ...]:
    from segctl.playbook import read_checks

    return read_checks(file, vault=vault(common))


def _resolved(
    asked: Sequence[Check | PolicyTest], loaded: Loaded, chosen: Sequence[Desired]
) -> tuple[tuple[Question, ...], tuple[Tested, ...]]:
    """Resolve what is asked, and refuse what no chosen firewall can answer."""
    from segctl.analysis.ends import sites_of
    from segctl.analysis.policies import PolicyTest, resolved
    from segctl.analysis.query import questions, unanswerable
    from segctl.model.errors import ChecksError

    devices = [item.device for item in chosen]
    near = sites_of(devices)
    checks = [one for one in asked if not isinstance(one, PolicyTest)]
    tests = [one for one in asked if isinstance(one, PolicyTest)]
    found, problems = questions(checks, loaded.site, near)
    names = frozenset(device.name for device in devices)
    tested, more = resolved(tests, loaded.site, near, names)
    problems += (*unanswerable(found, devices), *more)
    if not problems:
        return found, tested
    if any(problem.file for problem in problems):
        raise ChecksError(sorted_by_place(problems))
    raise UsageError("\n".join(str(problem) for problem in problems))


def sorted_by_place(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return problems in the order of their lines."""
    return tuple(sorted(problems, key=lambda one: (one.file, one.line, one.column)))


def _answers(
    common: CommonOptions,
    loaded: Loaded,
    asked: Sequence[Desired],
    questions: Sequence[Question],
    progress: Progress,
    *,
    options: CheckOptions,
    legs: Mapping[str, tuple[Leg, ...]],
) -> Sequence[Checked | Failure]:
    from segctl.fleet.queries import asked_of, check_declared, check_devices, check_snapshot

    if options.declared:
        return [
            check_declared(item, asked_of(item.device, questions), legs[item.device.name])
            for item in asked
        ]
    if options.offline is not None:
        from segctl.planning.snapshot import load_snapshots

        kept = load_snapshots(options.offline)
        return [
            check_snapshot(item, asked_of(item.device, questions), legs[item.device.name], kept)
            for item in asked
        ]
    names = [item.device.name for item in asked]
    with at_work(common, names, progress) as (executor, report):
        return check_devices(
            asked,
            questions,
            loaded.connections,
            forks=common.forks,
            report=report,
            executor=executor,
            legs=legs,
            readings=options.readings,
        )
