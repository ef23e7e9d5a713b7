"""Laws 1 to 8: what a provider does to a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import assume
from hypothesis import strategies as st

from segctl.analysis.decide import decider
from segctl.compiler.build import with_closing
from segctl.model.diff import in_place, longest_increasing
from segctl.model.errors import SegctlError
from segctl.model.policy import Policy, Service
from segctl.planning.freshness import managed
from segctl.testing.trying import (
    apply,
    draw_desired,
    draw_packets,
    plan,
    policies_met,
    quiet,
    reach,
    read,
    require,
    trial,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypothesis.strategies import DataObject

    from segctl.model.policy import DeclaredPolicy, Rule
    from segctl.model.site import Position
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Live
    from segctl.testing.harness import ProviderHarness, Workbench


def converges(harness: ProviderHarness) -> None:
    """Law 1: from any state one push reaches desired, and then the diff is empty."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            reach(harness, bench, draw_desired(data, harness, "desired before"))
            bench.disturb(data)
            wanted = draw_desired(data, harness)
            made = reach(harness, bench, wanted)
            again = plan(harness, bench, wanted)
            require(again.changes == (), made.script, again.changes)
            held = managed(read(harness, bench), made.covers)
            require(held.digest == made.desired)

    trial(law)


def round_trip(harness: ProviderHarness) -> None:
    """Law 2: what `render` wrote, `parse` reads as the fitted policy."""

    def law(data: DataObject) -> None:
        wanted = draw_desired(data, harness)
        fitted, _ = harness.provider.fit(wanted.policy, wanted.device)
        with harness.workbench() as bench:
            made = reach(harness, bench, wanted)
            held = managed(read(harness, bench), made.covers)
        if held.rules != fitted.rules:  # others' rules follow: the block is closed
            fitted, _ = harness.provider.fit(with_closing(wanted), wanted.device)
        require(held.rules == fitted.rules)
        for (kind, ours), (_, theirs) in zip(fitted.objects(), held.objects(), strict=True):
            require(
                {item.name: item for item in ours} == {item.name: item for item in theirs}, kind
            )

    trial(law)


def leaves_others(harness: ProviderHarness) -> None:
    """Law 3: what others own is untouched, byte for byte, and in its order."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            before = bench.others()
            reach(harness, bench, draw_desired(data, harness, "desired before"))
            require(bench.others() == before)
            reach(harness, bench, draw_desired(data, harness))
            require(bench.others() == before)

    trial(law)


def nothing_in_between(harness: ProviderHarness) -> None:
    """Law 4: every configuration that traffic meets is the old or the new in all it decides."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            reach(harness, bench, draw_desired(data, harness, "desired before"))
            start = len(bench.met()) - 1
            reach(harness, bench, draw_desired(data, harness))
            met = policies_met(harness, bench)[start:]
        old, *between, new = [decider(policy) for policy in (met if len(met) > 1 else met * 2)]
        for packet in draw_packets(data, *met):
            before, after = old(packet).action, new(packet).action
            for policy in between:
                require(policy(packet).action in (before, after), packet)

    trial(law)


def reverts(harness: ProviderHarness) -> None:
    """Law 5: revert restores the printed configuration."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            reach(harness, bench, draw_desired(data, harness, "desired before"))
            bench.disturb(data)
            before = bench.printed()
            made = plan(harness, bench, draw_desired(data, harness))
            assume(made.changes)
            with harness.provider.connect(bench.target, read_only=False, progress=quiet) as session:
                session.read()
                with session.lock():
                    session.push(made.script)
                    require(bench.printed() != before)
                    session.read()
                    session.revert()
            require(bench.printed() == before)
            require(bench.locks == 0)

    trial(law)


def old_or_new(harness: ProviderHarness) -> None:
    """Law 6: a connection dropped anywhere leaves old or new; a rerun converges; no lock stays."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            reach(harness, bench, draw_desired(data, harness, "desired before"))
            wanted = draw_desired(data, harness)
            made = plan(harness, bench, wanted)
            assume(made.changes)
            old = bench.printed()
            start = len(bench.met()) - 1
            bench.sever(
                data.draw(st.integers(0, 40), "request"),
                data.draw(st.sampled_from(("before", "after", "within")), "how"),
            )
            try:
                apply(harness, bench, made)
            except SegctlError:
                require(bench.printed() == old or _holds(harness, bench, made))
            else:
                require(_holds(harness, bench, made))
            first, *later = (
                managed(harness.provider.parse(document), made.covers).digest
                for document in bench.met()[start:]
            )
            require(set(later) <= {first, made.desired}, "a mixture was live")
            bench.mend()
            reach(harness, bench, wanted)
            require(_holds(harness, bench, made))
            require(bench.locks == 0)

    trial(law)


def _holds(harness: ProviderHarness, bench: Workbench, made: DevicePlan) -> bool:
    live = harness.provider.parse(bench.met()[-1])
    return managed(live, made.covers).digest == made.desired


def never_widens(harness: ProviderHarness) -> None:
    """Law 7: what the fitted policy permits, the inventory declared."""

    def law(data: DataObject) -> None:
        wanted = draw_desired(data, harness)
        fitted, _ = harness.provider.fit(wanted.policy, wanted.device)
        declared = [harness.widest(rule) for rule in wanted.policy.rules]
        for rule, other in zip(declared, fitted.rules, strict=True):
            require(rule.action == other.action)
        names = {rule.name: index for index, rule in enumerate(fitted.rules)}
        require(len(names) == len(fitted.rules))
        widest = decider(_as_said(wanted.policy, declared, fitted))
        narrow = decider(fitted)
        for packet in draw_packets(data, fitted):
            found = narrow(packet)
            if found.action == "allow" and found.rule in names:
                require(widest(packet).action == "allow", packet, found)

    trial(law)


def _as_said(policy: DeclaredPolicy, rules: Iterable[Rule], fitted: Policy) -> Policy:
    """Return what is declared as if every platform had its words."""
    known = {service.name: service for service in (*policy[Service], *fitted[Service])}
    return Policy(policy.by_kind, rules=rules, services=known.values())


def fewest_moves(harness: ProviderHarness) -> None:
    """Law 8: our rules stand in order and in place, by the fewest moves, and others never move."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            wanted = draw_desired(data, harness)
            reach(harness, bench, wanted)
            bench.disturb(data)
            before = read(harness, bench)
            made = reach(harness, bench, wanted)
            after = read(harness, bench)
        ours = [rule.name for rule in after.policy.rules]
        leading = {rule.name for rule in after.policy.rules if rule.ahead}
        require(in_place(after.order, set(ours), made.position, leading))
        others = [name for name in before.order if name in before.other_rules]
        require([name for name in after.order if name in after.other_rules] == others)
        moves = sum(change.op == "move" for change in made.changes)
        require(moves == _fewest(before, ours, made, leading), made.changes)

    trial(law)


def _fewest(before: Live, ours: Sequence[str], made: DevicePlan, leading: set[str]) -> int:
    """Count the moves that no way of moving could do without."""
    renamed = {
        change.before.name: change.name
        for change in made.changes
        if (change.op, change.kind) == ("rename", "rule") and change.before is not None
    }
    others = [name for name in before.order if name in before.other_rules]
    rank = {name: index for index, name in enumerate(ours)}
    place = _place(others, made.position)
    common = [
        name for rule in before.policy.rules if (name := renamed.get(rule.name, rule.name)) in rank
    ]
    above, standing = 0, list[int]()
    for held in before.order:
        name = renamed.get(held, held)
        if held in before.other_rules:
            above += 1
        elif name in rank and above == (0 if name in leading else place):
            standing.append(rank[name])
    return len(common) - len(longest_increasing(standing))


def _place(others: Sequence[str], position: Position) -> int:
    if position.where in ("first", "last"):
        return 0 if position.where == "first" else len(others)
    return others.index(position.rule) + (position.where == "after")
