"""What a plan means, as text: rows of rules, and one line for whatever no rule matches."""

from __future__ import annotations

from dataclasses import replace

from segctl.analysis.compare import OTHER_ZONE
from segctl.analysis.rows import Row
from segctl.model.diff import Change
from segctl.model.policy import DefaultRule
from segctl.planning.meaning import Meaning
from segctl.planning.plan import DevicePlan
from segctl.report.meaning_text import meaning_lines, texts_of

ROW = Row(
    from_zones=("IT",),
    to_zones=("OT",),
    source=("10.1.0.0/16",),
    services=("tcp/502",),
    rule="mill.polling.modbus",
    conduit="mill.polling",
)
DENY = DefaultRule(name="interzone-default", action="deny", log=True)
SAID = "IT → OT; source 10.1.0.0/16; destination any; user any; application any; service tcp/502"


def rest(enters: tuple[str, ...], leaves: tuple[str, ...], source: str = "any") -> Row:
    return Row(
        from_zones=enters,
        to_zones=leaves,
        source=(source,),
        rule="interzone-default",
        rest=True,
        may=("narrow",),
        why=("a doubt",),
    )


def shown(found: Meaning, *, brief: bool = False) -> list[str]:
    change = Change(op="update", kind="default-rule", name=DENY.name, before=DENY, after=DENY)
    device = DevicePlan(name="fw1", platform="panos", changes=(change,), meaning=found)
    return [line.lead + line.text for line in meaning_lines(device, brief=brief)]


def test_a_rule_says_its_conduit_where_its_name_does_not() -> None:
    rows = (ROW, replace(ROW, rule="theirs"), replace(ROW, rule="theirs", conduit=""))
    assert texts_of(rows, "panos") == [
        f"mill.polling.modbus: {SAID}",
        f"theirs (conduit mill.polling): {SAID}",
        f"theirs (no conduit): {SAID}",
    ]


def test_whatever_no_rule_matches_is_one_line() -> None:
    end = " — may be no longer permitted — a doubt"
    rows = (rest(("IT",), ("OT",), "10.0.0.0/8"), rest(("IT",), ("OT",)), rest(("OT",), ("IT",)))
    told = f"interzone-default: between IT and OT; whatever no rule above matches{end}"
    assert texts_of(rows, "panos") == [told]
    more = (*rows, rest(("IT", "OT"), (OTHER_ZONE,)), rest((OTHER_ZONE,), ("IT", "OT")))
    (told,) = texts_of(more, "panos")
    assert told.startswith(f"interzone-default: between IT, OT and {OTHER_ZONE}; whatever")
    (told,) = texts_of((*rows, rest(("IT",), ("DMZ",))), "panos")
    assert told.startswith("interzone-default: IT → DMZ, OT; OT → IT; whatever no rule above")


def test_other_doubts_and_other_rows_stay_apart() -> None:
    one = rest(("IT",), ("OT",))
    rows = (one, replace(one, why=("another",)), replace(one, rest=False), replace(one, rule=""))
    found = texts_of(rows, "panos")
    assert len(found) == 4
    assert "source any" in found[2]
    assert found[3].startswith("IT → OT; whatever no rule matches")


def test_in_brief_one_line_counts_the_lines() -> None:
    found = Meaning(
        more=(ROW,),
        unknown=(rest(("IT",), ("OT",)), rest(("OT",), ("IT",))),
        marks=("cannot tell",),
    )
    assert shown(found, brief=True) == ["  newly permitted (1)  cannot tell (1)"]
    assert [line for line in shown(found) if not line.startswith("    ")] == [
        "  newly permitted",
        "  cannot tell",
    ]


def test_a_long_list_says_how_much_is_left_out() -> None:
    rows = tuple(replace(ROW, source=(f"10.1.0.{n}",)) for n in range(43))
    first, *lines, last = shown(Meaning(more=rows, marks=("widens",)))
    assert first == "  newly permitted (43)"
    assert len(lines) == 40
    assert last == "    … and 3 more: --json has them all"
