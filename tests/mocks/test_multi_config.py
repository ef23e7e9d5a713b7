"""Several changes in one transaction, and the laws of edits."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from segctl_mocks import ApiError, PanosMock
from segctl_mocks.panos.tree import Tree, path_of

Ask = Callable[..., Any]
VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
RULES = f"{VSYS}/rulebase/security/rules"
RULE = (
    "<entry name='{}'><from><member>any</member></from><to><member>any</member></to>"
    "<source><member>any</member></source><destination><member>any</member></destination>"
    "<application><member>any</member></application><service><member>any</member></service>"
    "<action>allow</action></entry>"
)


def multi(*operations: str) -> str:
    return f"<multi-config>{''.join(operations)}</multi-config>"


def one(action: str, number: str, xpath: str, inner: str = "", **more: str) -> str:
    extra = "".join(f' {name}="{value}"' for name, value in more.items())
    return f'<{action} id="{number}" xpath="{xpath}"{extra}>{inner}</{action}>'


def test_all_of_it(config: Ask) -> None:
    answer = config(
        "multi-config",
        element=multi(
            one("set", "1", f"{VSYS}/address", "<entry name='a'><fqdn>a.b</fqdn></entry>"),
            one("set", "2", RULES, RULE.format("r") + RULE.format("s")),
            one("edit", "3", f"{VSYS}/tag/entry[@name='t']", "<entry name='t'/>"),
            one("move", "4", f"{RULES}/entry[@name='s']", where="before", dst="r"),
            one("rename", "5", f"{VSYS}/address/entry[@name='a']", newname="b"),
            one("delete", "6", f"{VSYS}/address/entry[@name='b']"),
            one("delete", "7", f"{VSYS}/address/entry[@name='b']"),
        ),
    )
    assert (answer.get("status"), answer.get("code")) == ("success", "20")
    assert [(each.get("id"), each.get("code")) for each in answer] == [
        ("1", "20"), ("2", "20"), ("3", "20"), ("4", "20"), ("5", "20"), ("6", "20"), ("7", "7"),
    ]  # fmt: skip
    assert {each.get("status") for each in answer} == {"success"}
    entries = config("get", RULES).findall("result/rules/entry")
    assert [entry.get("name") for entry in entries] == ["s", "r"]


def test_none_of_it(mock: PanosMock, config: Ask) -> None:
    before = mock.config()
    answer = config(
        "multi-config",
        element=multi(
            one("set", "1", f"{VSYS}/tag", "<entry name='t'/>"),
            one("set", "LEN-ERROR", f"{VSYS}/address", f"<entry name='{'x' * 64}'/>"),
            one("set", "3", f"{VSYS}/tag", "<entry name='u'/>"),
        ),
    )
    assert answer.get("status") == "error"
    assert [(each.get("status"), each.get("id"), each.get("code")) for each in answer] == [
        ("success", "1", "20"), ("error", "LEN-ERROR", "12"),
    ]  # fmt: skip
    line = answer[-1].findtext("msg/line")
    assert line == " name can be at most 63 characters, but current length: 64"
    assert mock.config() == before
    assert not mock.device.journal.changes


def test_strict(mock: PanosMock, config: Ask) -> None:
    config("set", f"{VSYS}/tag", "<entry name='dropped'/>")
    config("set", f"{VSYS}/tag", "<entry name='kept'/>", user="bob")
    operations = multi(one("set", "1", f"{VSYS}/tag", "<entry name='t'/>"))
    assert config("multi-config", element=operations, strict="yes").get("code") == "20"
    assert b"dropped" not in mock.config()
    assert b"kept" in mock.config()
    mock.fail("commit_stuck")
    mock.handle({"type": "commit", "cmd": "<commit/>", "key": mock.key()})
    assert config("multi-config", element=operations, strict="yes").get("status") == "error"


def test_what_is_no_change(config: Ask) -> None:
    assert config("multi-config", element=multi(one("get", "1", VSYS))).get("status") == "error"
    assert config("multi-config", element="<m>").get("code") == "18"


# -- laws -----------------------------------------------------------------------------------

NAMES = st.integers(0, 3).map(str)
BASE = ("base0", "base1", "base2")


def operations(who: str) -> st.SearchStrategy[dict[str, str]]:
    """Changes of the objects of one administrator, placed among those of all."""
    rule = NAMES.map(lambda name: f"{who}{name}")
    path = rule.map(lambda name: f"{RULES}/entry[@name='{name}']")
    tag = rule.map(lambda name: f"{VSYS}/tag/entry[@name='{name}']")
    return st.one_of(
        st.fixed_dictionaries(
            {
                "action": st.just("set"),
                "xpath": st.just(RULES),
                "element": rule.map(RULE.format),
            }
        ),
        st.fixed_dictionaries(
            {
                "action": st.just("edit"),
                "xpath": tag,
                "element": st.sampled_from(["<comments>1</comments>", "<color>color2</color>"]),
            }
        ).map(
            lambda change: (
                change
                | {"element": f"<entry name='{change['xpath'][-4:-2]}'>{change['element']}</entry>"}
            )
        ),
        st.fixed_dictionaries({"action": st.just("delete"), "xpath": st.one_of(path, tag)}),
        st.fixed_dictionaries(
            {
                "action": st.just("move"),
                "xpath": path,
                "where": st.sampled_from(["before", "after"]),
                "dst": st.sampled_from(BASE),
            }
        ),
        st.fixed_dictionaries(
            {"action": st.just("move"), "xpath": path, "where": st.sampled_from(["top", "bottom"])}
        ),
        st.fixed_dictionaries({"action": st.just("rename"), "xpath": path, "newname": rule}),
    )


Step = tuple[str, dict[str, str]]


def steps_of(who: str) -> st.SearchStrategy[Step]:
    return operations(who).map(lambda change: (who, change))


STEPS = st.lists(st.one_of(steps_of("a"), steps_of("b")))


def device() -> PanosMock:
    made = PanosMock(users={"a": "x", "b": "x"}, job_seconds=0, authority=AUTHORITY)
    made.edit("set", RULES, "".join(RULE.format(name) for name in BASE), commit=True)
    return made


def apply(made: PanosMock, who: str, change: dict[str, str]) -> None:
    try:
        made.edit(
            change["action"],
            change["xpath"],
            change.get("element", ""),
            admin=who,
            where=change.get("where", ""),
            dst=change.get("dst", ""),
            newname=change.get("newname", ""),
        )
    except ApiError:
        return


def plain(document: bytes) -> bytes:
    """Drop what differs from run to run, and containers that hold nothing."""
    root: Any = etree.fromstring(re.sub(rb' uuid="[^"]*"', b"", document))
    for tag in root.findall(".//tag"):
        tag[:] = sorted(tag, key=lambda entry: entry.get("name") or "")
        if not len(tag):
            tag.getparent().remove(tag)
    return etree.tostring(root)


AUTHORITY = PanosMock().authority


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_a_partial_commit_commits_what_its_administrator_did(
    steps: list[Step],
) -> None:
    both, alone = device(), device()
    for who, change in steps:
        apply(both, who, change)
        if who == "a":
            apply(alone, who, change)
    before = both.config()
    both.device.commit_now("a")
    assert plain(both.running()) == plain(alone.config())
    assert both.config() == before
    both.device.commit_now("b")
    assert plain(both.running()) == plain(before)


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_a_partial_revert_leaves_what_others_did(
    steps: list[Step],
) -> None:
    both, alone = device(), device()
    for who, change in steps:
        apply(both, who, change)
        if who == "b":
            apply(alone, who, change)
    both.device.committer.revert(["a"])
    assert plain(both.config()) == plain(alone.config())
    both.device.committer.revert(["b"])
    assert both.config() == both.running()


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_a_refused_transaction_leaves_every_byte(
    steps: list[Step],
) -> None:
    made = device()
    before = made.config()
    inner = "".join(
        one(
            change["action"],
            str(number),
            change["xpath"],
            change.get("element", ""),
            **{name: change[name] for name in ("where", "dst", "newname") if name in change},
        )
        for number, (_, change) in enumerate(steps)
    )
    bad = one("set", "bad", f"{VSYS}/nowhere", "<x/>")
    sent = {"type": "config", "action": "multi-config", "element": multi(inner, bad)}
    made.handle({**sent, "key": made.key("a")})
    assert made.config() == before
    assert_indexed(made.device.candidate)


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_indexes_tell_the_truth(steps: list[Step]) -> None:
    made = device()
    for who, change in steps:
        apply(made, who, change)
    assert_indexed(made.device.candidate)


def assert_indexed(tree: Tree) -> None:
    for node in tree.root.iter("*"):
        named = [child.get("name") for child in node.iterchildren("entry")]
        assert sorted(tree.entries(node)) == sorted(name or "" for name in set(named))
        assert tree.at(path_of(node)) is not None
