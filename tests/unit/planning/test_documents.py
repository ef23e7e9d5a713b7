"""A change, a plan and a drift report are values; JSON is made of them, and read, in one place."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_support import ROOT
from segctl.model.diff import Anchor, Change
from segctl.model.errors import PlanFormatError, StalePlanError
from segctl.model.policy import Address, AddressGroup, Policy, Rule, Schedule, Service
from segctl.model.scope import DEFAULT_SCOPE
from segctl.planning.documents import (
    change_json,
    change_of,
    digest_of,
    load_plan,
    plan_file,
    plan_json,
    schema,
)
from segctl.planning.freshness import basis_of, check_fresh
from segctl.planning.plan import Basis, DevicePlan
from segctl.providers.base import Identity, Live
from segctl.providers.panos import PanosProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segctl.model.policy import Item

HERE = Path(__file__).parent
PROVIDER = PanosProvider()
RECORDED = HERE / "recorded/plan-1.0.json"
CORE = ROOT / "provider/segctl"

texts = st.text(max_size=4)
names = st.text(min_size=1, max_size=4)
lists = st.lists(texts, max_size=3).map(tuple)
items = st.one_of(
    st.builds(
        Rule,
        name=names,
        from_zones=lists,
        to_zones=lists,
        sources=lists,
        applications=lists,
        conduit=texts,
        log=st.booleans(),
        disabled=st.booleans(),
        description=texts,
        type=st.sampled_from(["universal", "intrazone"]),
        extras=lists,
    ),
    st.builds(Address, name=names, value=texts, type=st.sampled_from(["range", "fqdn"])),
    st.builds(AddressGroup, name=names, members=lists),
    st.builds(Service, name=names, protocol=texts, ports=texts),
    st.builds(
        Schedule, name=names, windows=st.lists(st.tuples(texts, lists), max_size=2).map(tuple)
    ),
)
anchors = st.none() | st.builds(Anchor, where=st.just("after"), rule=texts)


@given(items, items, anchors)
def test_a_change_comes_back_from_its_document(
    before: Item, after: Item, anchor: Anchor | None
) -> None:
    same = type(before) is type(after)
    change = Change(
        op="update" if same else "create",
        kind=after.kind_name,
        name=after.name,
        before=before if same else None,
        after=after,
        anchor=anchor,
    )
    assert change_of(json.loads(json.dumps(change_json(change)))) == change


def test_a_plan_of_an_earlier_version_loads_and_says_the_same() -> None:
    """It was written by segctl 0.1.0, whose changes were JSON from the beginning to the end."""
    plan = load_plan(RECORDED)
    assert plan_file(plan) == RECORDED.read_text(encoding="utf-8")
    device, other = plan.devices
    assert {change.op for change in device.changes} == set(plan.summary)
    assert {change.kind for change in device.changes} > {"rule", "schedule", "default-rule"}
    (made,) = (one for one in device.changes if one.op == "create" and one.name == "polling.read")
    assert isinstance(made.after, Rule)
    assert (made.conduit, made.after.applications) == ("polling", ("modbus",))
    assert device.basis is not None
    assert device.basis.references == {"application modbus": "1" * 16}
    assert other.basis is None


def bare(serial: str) -> Live:
    """Return a device that holds nothing."""
    identity = Identity(serial=serial, os_version="11.1.6", content_version="", scope=DEFAULT_SCOPE)
    return Live(identity=identity, policy=Policy(), others=Policy(), order=())


def test_a_plan_of_an_earlier_version_is_stale_where_its_device_has_moved() -> None:
    device = load_plan(RECORDED).devices[0]
    live = bare("008")
    told = r"the serial number was 007 and is now 008; .*rule polling\.gone is gone"
    with pytest.raises(StalePlanError, match=told):
        check_fresh(device, live, PROVIDER)


def test_a_plan_that_changes_nothing_rests_on_nothing() -> None:
    live = bare("008")
    calm = DevicePlan(name="fw1", platform="panos", fingerprint="sha256:0")
    with pytest.raises(StalePlanError, match="what the plan rests on"):
        check_fresh(calm, live, PROVIDER)
    assert basis_of(live, {}, calm.position, (), (), applications=False) == Basis(
        serial="008", os_version="11.1"
    )


def _sealed(tmp_path: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """Return a plan that was edited and given a digest that fits."""
    document = plan_json(load_plan(RECORDED))
    edit(document["devices"][0])
    path = tmp_path / "p.json"
    path.write_text(json.dumps(document | {"digest": digest_of(document)}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("edit", "item", "message"),
    [
        ({"kind": "qos"}, {}, "this segctl does not know the kind of item 'qos'"),
        ({}, {"colour": "red"}, "this segctl does not know the field 'colour' of a rule"),
        (
            {},
            {"protocols": ["modbus"]},
            ("this segctl does not know the field 'protocols' of a rule"),
        ),
        ({}, {"type": "any"}, "type of a rule cannot be 'any'"),
    ],
)
def test_what_this_version_does_not_know_is_refused(
    tmp_path: Path, edit: dict[str, str], item: dict[str, Any], message: str
) -> None:
    def edited(device: dict[str, Any]) -> None:
        made = next(c for c in device["changes"] if (c["op"], c["kind"]) == ("create", "rule"))
        made |= edit
        made["after"] |= item

    with pytest.raises(PlanFormatError, match=rf"p\.json: {message}: run segctl plan again"):
        load_plan(_sealed(tmp_path, edited))


@pytest.mark.parametrize(
    ("part", "value"),
    [("serial", 7), ("order", "abc"), ("order", [1]), ("managed", ["a"]), ("deleted", {"a": "b"})],
)
def test_a_basis_of_other_types_is_refused(tmp_path: Path, part: str, value: object) -> None:
    with pytest.raises(PlanFormatError, match=f"{part} of the basis cannot be"):
        load_plan(_sealed(tmp_path, lambda device: device["basis"].update({part: value})))


# --- and nowhere else ----------------------------------------------------------------------------

#: Modules that read something by a key that a change or a device's drift has in JSON.
READERS = {
    "planning/documents.py": "plans, from files to values",
    "planning/audit.py": "entries of the audit journal, from the file to values",
    "cli/fmt.py": "how many files are changed",
    "compiler/naming/marks.py": "parts of a mark",
    "report/check.py": "errors of pairs of zones, of policy tests",
    "report/claim.py": "counter-examples of a claim",
    "report/evidence.py": "conduits of segctl evidence",
    "report/evidence_html.py": "conduits and profiles of segctl evidence",
    "report/lint.py": "places of findings",
    "report/plant_page/live.py": "answers that segctl serve shows",
    "report/policies.py": "policy tests",
    "report/prove.py": "examples of a proof",
    "report/query.py": "rows of segctl query",
    "report/narrow.py": "the diff and lists of segctl usage --narrow",
    "report/usage.py": "why nothing is known of a device",
    "report/reviews.py": "the diff of a decision of segctl review",
    "report/replay.py": "steps and listed flows of segctl replay",
    "report/threats.py": "errors of segctl threats",
    "report/watch.py": "errors of segctl watch",
    "cli/watch.py": "states of segctl watch",
    "report/traffic.py": "errors and rows of segctl traffic",
}
#: Modules of these rooms that make JSON, or read it.
DOCUMENTS = {
    "planning/documents.py": "plans",
    "planning/audit.py": "entries of the audit journal",
    "planning/containments.py": "entries of the audit journal about who is contained",
    "planning/watched.py": "entries of the audit journal about what was done by itself",
    "planning/make.py": "fields of items with their defaults",
    "planning/places.py": "documents of changes, for deepdiff to compare",
    "planning/rehearsal_document.py": "rehearsals in plans",
    "planning/snapshot.py": "snapshots",
    "drift/baseline.py": "entries of a baseline",
    "report/audit.py": "the documents of segctl history",
    "report/check.py": "the document of segctl check",
    "report/check_report.py": "reports of it",
    "report/policies.py": "its policy tests",
    "report/present.py": "what objects hold now, in the documents of check and query",
    "report/claim.py": "the document of a claim of segctl query",
    "report/drawing/document.py": "the document of segctl graph",
    "report/drawing/live.py": "what the document of segctl matrix says, in a drawing",
    "report/drawing/table.py": "the document of segctl matrix, as a picture",
    "report/drift_document.py": "the document of segctl drift",
    "report/evidence.py": "the document of segctl evidence",
    "report/evidence_html.py": "its pages",
    "report/oscal.py": "its assessment results",
    "report/gitlab.py": "what GitLab reads",
    "report/lint.py": "the document of segctl lint",
    "report/narrow.py": "what segctl usage --narrow proposes",
    "report/usage.py": "the document of segctl usage",
    "report/outcomes.py": "the document of segctl apply",
    "report/plant_page/document.py": "the document of segctl site",
    "report/plant_page/live.py": "answers that segctl serve shows",
    "report/plant_page/now.py": "the status of segctl serve",
    "report/prove.py": "the document of segctl prove",
    "report/provenance.py": "what documents are evidence of",
    "report/coverage.py": "what records of traffic can show",
    "report/query.py": "the documents of segctl query and segctl matrix",
    "report/discover.py": "the document of segctl discover",
    "report/replay.py": "the document of segctl replay",
    "report/register.py": "the document of segctl list",
    "report/review.py": "the document of segctl show --same-as",
    "report/reviews.py": "the document of segctl review",
    "report/rollout.py": "the document of a rollout",
    "report/sarif.py": "what code scanning reads",
    "report/threats.py": "the document of segctl threats",
    "report/watch.py": "the document of segctl watch",
    "report/traffic.py": "the document of segctl traffic",
    "report/validate_text.py": "the document of segctl validate",
    "notify/templates.py": "what Slack, Teams and others read",
}
#: Keys that other documents have, too.
_COMMON = {"name", "kind", "status", "error", "platform", "serial", "state", "findings"}


def _keys() -> set[str]:
    """Return the keys by which a change or a device's drift would be told from other documents."""
    device = schema("drift")["properties"]["devices"]["items"]["properties"]
    return ({*schema()["$defs"]["change"]["properties"], *device, "changed_by"}) - _COMMON


def _read(tree: ast.AST, keys: set[str]) -> Iterator[str]:
    """Yield the keys that code takes out of something, by ``[…]``, ``get`` or ``pop``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            taken: ast.expr | None = node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            taken = node.args[0] if node.func.attr in {"get", "pop"} and node.args else None
        else:
            continue
        if isinstance(taken, ast.Constant) and taken.value in keys:
            yield str(taken.value)


def _annotations(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            yield node.returns


def _untyped(tree: ast.AST) -> bool:
    """Whether an annotation speaks of a mapping from texts to anything."""
    for annotation in _annotations(tree):
        for node in ast.walk(annotation):
            if isinstance(node, ast.Subscript) and ast.unparse(node) in {
                f"{kind}[str, {value}]"
                for kind in ("dict", "Mapping", "MutableMapping")
                for value in ("Any", "object")
            }:
                return True
    return False


def _modules(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    for room in rooms:
        for path in sorted((CORE / room).rglob("*.py")):
            yield path.relative_to(CORE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_changes_and_drift_are_read_by_their_keys_in_their_documents_only() -> None:
    keys = _keys()
    assert {"op", "before", "after", "anchor", "missing", "holes", "items", "changed_by"} <= keys
    rooms = [path.name for path in CORE.iterdir() if path.is_dir()]
    rooms = [room for room in rooms if room not in {"providers", "inventory", "schemas"}]
    assert {"planning", "drift", "report", "notify", "cli", "fleet"} <= set(rooms)
    assert {name for name, tree in _modules(*rooms) if any(_read(tree, keys))} == set(READERS)


def test_no_signature_speaks_of_json_but_where_documents_are_made_and_read() -> None:
    rooms = _modules("planning", "drift", "report", "notify")
    assert {name for name, tree in rooms if _untyped(tree)} == set(DOCUMENTS)


@pytest.mark.parametrize(
    "text",
    ['x = change["op"]', 'x = change.get("before")', 'x = device["holes"]', 'd.pop("items", None)'],
)
def test_the_search_finds_what_reads_by_keys(text: str) -> None:
    assert list(_read(ast.parse(text), _keys()))


@pytest.mark.parametrize(
    "text",
    [
        "def f(change: Mapping[str, Any]) -> None: ...",
        "def f() -> list[dict[str, object]]: ...",
        "class A:\n    changes: tuple[Mapping[str, Any], ...] = ()",
    ],
)
def test_the_search_finds_signatures_that_speak_of_json(text: str) -> None:
    assert _untyped(ast.parse(text))
