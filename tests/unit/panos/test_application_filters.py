"""Application filters in rules of others: what they select by the content that was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.model.errors import ConnectError, DeviceError, ParseError
from segctl.providers import parsed
from segctl.providers.base import provider, reading
from segctl.providers.panos import application_filters, filled
from segctl.providers.panos.parse import PanosLive
from support.panos_documents import answer, live, rule, system

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DataObject

VALUES: Mapping[str, tuple[str, ...]] = {
    "category": ("business-systems", "networking"),
    "subcategory": ("ics-protocols", "routing", "management"),
    "technology": ("client-server", "network-protocol"),
    "risk": ("1", "2", "5"),
}
FLAGS = {"evasive": "evasive-behavior", "pervasive": "pervasive-use", "is-saas": "is-saas"}
PLC = {
    "category": "business-systems",
    "subcategory": "ics-protocols",
    "technology": "client-server",
    "risk": "2",
}


def listed(tag: str, *members: str) -> str:
    return f"<{tag}>{''.join(f'<member>{one}</member>' for one in members)}</{tag}>"


def application(name: str, held: Mapping[str, str], more: str = "") -> str:
    inside = "".join(f"<{tag}>{text}</{tag}>" for tag, text in held.items())
    reference = '<references><entry name="w"><link>x</link></entry></references>'
    return f'<entry name="{name}">{inside}{reference}{more}</entry>'


def content(*applications: str) -> bytes:
    return answer(f"<result><application>{''.join(applications)}</application></result>")


def selecting(inside: str, name: str = "f") -> str:
    return f'<application-filter><entry name="{name}">{inside}</entry></application-filter>'


def held(
    told: bytes, objects: str, rules: str = "", parts: Mapping[str, bytes] | None = None
) -> PanosLive:
    rules = rules or rule("r", application="f")
    parts = parts or {}

    def config(action: str, xpath: str) -> bytes:
        assert (action, xpath) == ("get", "/config/predefined/application")
        return told

    found = application_filters.ask(config, (system(rules, objects), *parts.values()))
    return live(rules, objects, {**parts, **found})


def names(found: PanosLive, name: str = "f") -> tuple[set[str], set[str]]:
    one = found.filters[name]
    return set(one.surely), set(one.perhaps)


# --- what is asked -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "objects"),
    [
        (rule("r", application="f"), ""),
        (rule("r", application="ssl"), selecting("<evasive>yes</evasive>")),
        (rule("r", application="f", body="<disabled>yes</disabled>"), selecting("<risk/>")),
    ],
    ids=["no filter", "one that no rule names", "a rule that is disabled"],
)
def test_nothing_is_asked_where_no_rule_in_use_names_a_filter(rules: str, objects: str) -> None:
    def config(action: str, xpath: str) -> bytes:
        raise AssertionError(action + xpath)

    assert application_filters.ask(config, (system(rules, objects),)) == {}


def test_a_filter_behind_groups_is_one_in_use() -> None:
    groups = (
        f'<application-group><entry name="inner">{listed("members", "f")}</entry>'
        f'<entry name="outer">{listed("members", "inner")}</entry></application-group>'
    )
    found = held(
        content(application("plc", PLC)),
        groups + selecting(listed("risk", "2")),
        rule("r", application="outer"),
    )
    assert names(found) == ({"plc"}, set())


def test_a_filter_that_panorama_pushed_is_read() -> None:
    inside = f"<panorama>{selecting(listed('risk', '2'))}</panorama>"
    pushed = answer(f"<result><policy>{inside}</policy></result>")
    found = held(content(application("plc", PLC)), "", parts={"pushed policy": pushed})
    assert names(found) == ({"plc"}, set())


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (DeviceError("fw1", "Unauthorized request"), "Unauthorized request"),
        (content(), "lists 0 predefined applications"),
        (b"<response", "not complete XML"),
        (b'<response status="error"><msg>no</msg></response>', "refuses to show"),
        (b"<!DOCTYPE a><response/>", "declares XML entities"),
    ],
)
def test_what_is_not_told_is_said_with_the_reason(told: bytes | DeviceError, why: str) -> None:
    def config(_action: str, _xpath: str) -> bytes:
        if isinstance(told, DeviceError):
            raise told
        return told

    objects = selecting(listed("risk", "2"))
    rules = rule("r", application="f")
    parts = application_filters.ask(config, (system(rules, objects),))
    assert list(parts) == [application_filters.PART + filled.REFUSED]
    found = live(rules, objects, parts)
    assert why in found.filters["f"].unread
    match = reading(provider("panos"), found).at(0)
    assert not match.sure
    assert any(
        "f is an application filter, and what it selects was not read" in one for one in match.why
    )


def test_a_lost_connection_is_no_reason() -> None:
    def config(_action: str, _xpath: str) -> bytes:
        raise ConnectError("fw1", "is gone")

    with pytest.raises(ConnectError):
        application_filters.ask(config, (system(rule("r", application="f"), selecting("")),))


def test_what_is_kept_is_small_and_answers_alike() -> None:
    told = content(*(application(f"a{number}", PLC, "<x/>" * 300) for number in range(200)))
    objects = selecting(listed("risk", "2"))
    found = held(told, objects)
    assert names(found) == ({f"a{number}" for number in range(200)}, set())
    rules = rule("r", application="f")
    parts = application_filters.ask(lambda _action, _xpath: told, (system(rules, objects),))
    assert len(parts[application_filters.PART]) < len(told) / 3
    with pytest.raises(ParseError):
        live(rules, objects, {"vsys": b"<"})


# --- what is selected ----------------------------------------------------------------------------


def judged(filter_: Mapping[str, tuple[str, ...]], one: Mapping[str, str]) -> bool | None:
    """Judge one application by the sources anew: columns together, values of one as alternatives.

    Whether several flags are alternatives no source says.
    """
    for column in VALUES:
        if column in filter_ and one[column] not in filter_[column]:
            return False
    flags = [FLAGS[flag] in one for flag in filter_.get("flags", ())]
    if not flags or all(flags):
        return True
    return None if any(flags) else False


some_flags = st.lists(st.sampled_from(sorted(FLAGS)), unique=True, max_size=2)


@settings(max_examples=25)
@given(data=st.data())
def test_an_independent_judge_selects_alike(data: DataObject) -> None:
    known: dict[str, dict[str, str]] = {}
    for number in range(data.draw(st.integers(1, 6), "applications")):
        set_ = {FLAGS[flag]: "yes" for flag in data.draw(some_flags)}
        values = {column: data.draw(st.sampled_from(of)) for column, of in VALUES.items()}
        known[f"a{number}"] = values | set_
    asked: dict[str, tuple[str, ...]] = {}
    for column, of in VALUES.items():
        if chosen := data.draw(st.lists(st.sampled_from(of), unique=True), column):
            asked[column] = (*chosen,)
    flags = data.draw(some_flags, "flags")
    inside = "".join(listed(column, *of) for column, of in asked.items())
    inside += "".join(f"<{flag}>yes</{flag}>" for flag in flags)
    excluded = data.draw(st.lists(st.sampled_from(sorted(known)), unique=True), "excluded")
    inside += listed("exclude", *excluded)
    told = content(*(application(name, one) for name, one in known.items()))
    found = held(told, selecting(inside))
    if not (asked or flags):
        assert found.filters["f"].unread == "it asks for nothing"
        return
    wanted = {
        name: judged(asked | {"flags": tuple(flags)}, one)
        for name, one in known.items()
        if name not in excluded
    }
    assert names(found) == (
        {name for name, one in wanted.items() if one},
        {name for name, one in wanted.items() if one is None},
    )


@pytest.mark.parametrize(
    ("inside", "told", "objects", "why"),
    [
        (listed("risk", "2"), application("bare", {}), "", "bare"),
        (listed("risk", "2"), application("odd", PLC | {"risk": ""}), "", ""),
        (
            f"<tagging>{listed('tag', 'Web')}</tagging>",
            application("plc", PLC),
            "",
            "people may give an application other tags",
        ),
        (
            listed("risk", "2"),
            application("plc", PLC | {"risk": "1"}),
            '<override><application><entry name="plc"/></application></override>',
            "plc",
        ),
    ],
    ids=["no attributes", "an empty one", "tags", "overridden"],
)
def test_what_is_open_is_neither_in_nor_out(inside: str, told: str, objects: str, why: str) -> None:
    found = held(content(application("no", PLC | {"risk": "5"}), told), selecting(inside) + objects)
    surely, perhaps = names(found)
    if why:
        assert not surely
        assert perhaps
        assert why in found.filters["f"].why
    else:
        assert (surely, perhaps) == (set(), set())


def test_two_definitions_that_differ_leave_open_which_counts() -> None:
    told = content(application("a", PLC), application("b", PLC | {"risk": "1"}))
    shared = answer(f"<result><shared>{selecting(listed('risk', '1', '2'))}</shared></result>")
    found = held(told, selecting(listed("risk", "2")), parts={"shared": shared})
    assert names(found) == ({"a"}, {"b"})
    assert found.filters["f"].why == "it is defined more than once"
    same = answer(f"<result><shared>{selecting(listed('risk', '2'))}</shared></result>")
    assert names(held(told, selecting(listed("risk", "2")), parts={"shared": same})) == (
        {"a"},
        set(),
    )


@pytest.mark.parametrize("strange", ["new-appid", "saas-risk", "no-such"])
def test_a_filter_that_asks_for_what_is_not_known_selects_nothing_for_certain(strange: str) -> None:
    inside = listed("risk", "2") + f"<{strange}>yes</{strange}>"
    found = held(content(application("plc", PLC)), selecting(inside))
    assert found.filters["f"].unread == f"it asks for {strange}, which segctl does not know"


def test_default_ports_are_those_of_the_content() -> None:
    port = f"<default>{listed('port', 'tcp/4711')}</default>"
    told = content(application("plc", PLC, port), application("other", PLC))
    found = held(told, selecting(listed("risk", "2")))
    assert found.ports == {"plc": ("tcp/4711",), "other": ()}


def test_a_snapshot_keeps_what_filters_select() -> None:
    found = held(content(application("plc", PLC)), selecting(listed("risk", "2")))
    again = parsed.load(parsed.dump(found), PanosLive)
    assert again.filters == found.filters
