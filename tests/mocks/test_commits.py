"""Commits, validation, revert, load, versions: whose changes become running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from segctl_mocks import ApiError, PanosMock

Ask = Callable[..., Any]
REVERT = "<revert><config>{}</config></revert>"
PARTIAL = "<partial><admin><member>{}</member></admin></partial>"
RULE = (
    "<entry name='{}'><from><member>any</member></from><to><member>any</member></to>"
    "<source><member>{}</member></source><destination><member>any</member></destination>"
    "<application><member>any</member></application><service><member>any</member></service>"
    "<action>allow</action></entry>"
)


def rules(document: bytes) -> list[str]:
    root = etree.fromstring(document)
    found = root.iterfind("devices/entry/vsys/entry/rulebase/security/rules/entry")
    return [entry.get("name") or "" for entry in found]


def details(job: Any) -> list[str]:
    return [line.text or "" for line in job.iterfind("result/job/details/line")]


def test_nothing_to_commit(ask: Ask) -> None:
    answer = ask(kind="commit", cmd="<commit></commit>")
    assert (answer.get("status"), answer.get("code")) == ("success", "19")
    assert answer.findtext("msg") == "There are no changes to commit."
    assert ask(kind="commit", cmd="<commit><force/></commit>").findtext("result/job")


def test_marks_of_a_dirty_candidate(config: Ask, commit: Ask, vsys: str) -> None:
    config("set", f"{vsys}/tag", "<entry name='old'/>")
    commit()
    config("set", f"{vsys}/address", "<entry name='a'><fqdn>a.b</fqdn></entry>")
    container = config("get", f"{vsys}/address").find("result/address")
    for node in container.iter("*"):
        assert node.get("admin") == "admin"
        assert int(node.get("dirtyId") or "0") > 0
        assert node.get("time")
    assert config("get", f"{vsys}/tag").find("result/tag").get("admin") is None
    assert config("show", vsys).find("result/entry/address") is None
    commit()
    shown = config("show", f"{vsys}/address")
    assert set(shown.attrib) == {"status"}
    assert not set(config("get", f"{vsys}/address").find("result/address").attrib)


def test_the_journal(config: Ask, op: Ask, vsys: str) -> None:
    listing = "<show><config><list><changes/></list></config></show>"
    assert len(op(listing).find("result")) == 0
    assert op("<check><pending-changes/></check>").findtext("result") == "no"
    config("set", f"{vsys}/tag", "<entry name='t'/>")
    config("set", f"{vsys}/tag/entry[@name='t']", "<comments>c</comments>", user="bob")
    config("delete", f"{vsys}/tag/entry[@name='t']")
    assert op("<check><pending-changes/></check>").findtext("result") == "yes"
    entries = op(listing).findall("result/journal/entry")
    assert [(each.findtext("action"), each.findtext("owner")) for each in entries] == [
        (" CREATE", "admin"), (" EDIT", "bob"), (" DELETE", "admin"),
    ]  # fmt: skip
    assert entries[0].findtext("xpath") == f"{vsys}/tag/entry[@name='t']"
    assert entries[0].findtext("component-type") == "vsys"
    admins = op("<show><config><list><admins/></list></config></show>")
    assert [entry.get("name") for entry in admins.iter("entry")] == ["admin", "bob"]


def test_partial_commit(mock: PanosMock, config: Ask, commit: Ask, vsys: str) -> None:
    place = f"{vsys}/rulebase/security/rules"
    config("set", place, RULE.format("base1", "any") + RULE.format("base2", "any"))
    commit()
    config("set", place, RULE.format("bobs", "any"), user="bob")
    config("set", place, RULE.format("mine", "any"))
    config("move", f"{place}/entry[@name='mine']", where="top")
    config("set", f"{place}/entry[@name='base2']", "<disabled>yes</disabled>", user="bob")
    job = commit(f"<commit>{PARTIAL.format('admin')}</commit>")
    assert job.findtext("result/job/result") == "OK"
    assert rules(mock.running()) == ["mine", "base1", "base2"]
    assert b"disabled" not in mock.running()
    assert rules(mock.config()) == ["mine", "base1", "base2", "bobs"]
    commit(f"<commit>{PARTIAL.format('bob')}</commit>")
    assert mock.running() == mock.config()


def test_partial_commit_of_what_depends_on_others(config: Ask, commit: Ask, vsys: str) -> None:
    config("set", f"{vsys}/address", "<entry name='a'><fqdn>a.b</fqdn></entry>", user="bob")
    config("set", f"{vsys}/rulebase/security/rules", RULE.format("r", "a"))
    job = commit(f"<commit>{PARTIAL.format('admin')}</commit>")
    assert job.findtext("result/job/result") == "FAIL"
    assert details(job)[0] == "Validation Error:"
    assert any("'a' is not a valid reference" in line for line in details(job))
    assert commit().findtext("result/job/result") == "OK"


def test_partial_commit_of_a_delete_others_need(config: Ask, commit: Ask, vsys: str) -> None:
    config("set", f"{vsys}/address", "<entry name='a'><fqdn>a.b</fqdn></entry>")
    config("set", f"{vsys}/rulebase/security/rules", RULE.format("r", "a"))
    commit()
    config("delete", f"{vsys}/rulebase/security/rules/entry[@name='r']", user="bob")
    config("delete", f"{vsys}/address/entry[@name='a']")
    job = commit(f"<commit>{PARTIAL.format('admin')}</commit>")
    assert job.findtext("result/job/result") == "FAIL"


def test_partial_commit_by_part(mock: PanosMock, config: Ask, commit: Ask, vsys: str) -> None:
    config("set", f"{vsys}/tag", "<entry name='t'/>")
    config("set", f"{vsys}/zone", "<entry name='z'><network><layer3/></network></entry>")
    config("set", "/config/shared/tag", "<entry name='s'/>")
    commit(
        "<commit><partial><device-and-network>excluded</device-and-network>"
        "<shared-object>excluded</shared-object></partial></commit>"
    )
    assert b'name="t"' in mock.running()
    assert b'name="z"' not in mock.running()
    assert b'name="s"' not in mock.running()


def test_renames_in_a_partial_commit(mock: PanosMock, config: Ask, commit: Ask, vsys: str) -> None:
    config("set", f"{vsys}/address", "<entry name='a'><fqdn>a.b</fqdn></entry>")
    config("set", f"{vsys}/rulebase/security/rules", RULE.format("r", "a") + RULE.format("s", "a"))
    commit()
    config("set", f"{vsys}/tag", "<entry name='bobs'/>", user="bob")
    config("rename", f"{vsys}/address/entry[@name='a']", newname="b")
    config("rename", f"{vsys}/rulebase/security/rules/entry[@name='r']", newname="r2")
    before = mock.running()
    commit(f"<commit>{PARTIAL.format('admin')}</commit>")
    assert rules(mock.running()) == ["r2", "s"]
    assert b"<member>b</member>" in mock.running()
    assert b"<member>a</member>" not in mock.running()
    assert b"bobs" not in mock.running()
    assert before != mock.running()


def test_revert(mock: PanosMock, config: Ask, op: Ask, vsys: str) -> None:
    config("set", f"{vsys}/tag", "<entry name='mine'/>")
    config("set", f"{vsys}/tag", "<entry name='bobs'/>", user="bob")
    answer = op(REVERT.format(PARTIAL.format("admin")))
    assert answer.findtext("result/msg/line") == "All changes were reverted from configuration"
    assert b"mine" not in mock.config()
    assert b"bobs" in mock.config()
    op(REVERT.format(""))
    assert mock.config() == mock.running()
    assert op("<check><pending-changes/></check>").findtext("result") == "no"


def test_revert_that_would_break_others(mock: PanosMock, config: Ask, op: Ask, vsys: str) -> None:
    config("set", f"{vsys}/address", "<entry name='a'><fqdn>a.b</fqdn></entry>")
    config("set", f"{vsys}/rulebase/security/rules", RULE.format("r", "a"), user="bob")
    before = mock.config()
    answer = op(REVERT.format(PARTIAL.format("admin")))
    assert answer.get("status") == "error"
    assert answer.findtext("result/msg/line") == "Failed to revert configuration."
    assert mock.config() == before


@pytest.mark.parametrize(
    ("child", "line"),
    [
        ("<negate-source>yes</negate-source>", "Negate cannot be enabled for security rule r"),
        ("<rule-type>intrazone</rule-type><to><member>untrust</member></to>", "different set"),
        ("<icmp-unreachable>yes</icmp-unreachable>", "not valid for policy's action allow"),
        ("<to><member>blank</member></to>", "of type unknown are incompatible"),
    ],
)
def test_what_only_commit_finds(config: Ask, commit: Ask, vsys: str, child: str, line: str) -> None:
    zones = f"{vsys}/zone"
    config("set", zones, "<entry name='blank'/>")
    place = f"{vsys}/rulebase/security/rules"
    config("set", place, RULE.format("r", "any"))
    path = f"{place}/entry[@name='r']"
    config("delete", f"{path}/from/member[text()='any']")
    config("delete", f"{path}/to/member[text()='any']")
    config("set", f"{path}/from", "<member>trust</member>")
    config("set", f"{path}/to", "<member>trust</member>")
    assert config("set", path, child).get("code") == "20"
    job = commit()
    assert job.findtext("result/job/result") == "FAIL"
    assert any(line in each for each in details(job)), details(job)


def test_a_missing_child(config: Ask, commit: Ask, op: Ask, vsys: str) -> None:
    element = RULE.format("r", "any").replace("<service><member>any</member></service>", "")
    config("set", f"{vsys}/rulebase/security/rules", element)
    job = commit()
    place = "vsys -> vsys1 -> rulebase -> security -> rules"
    assert details(job)[:3] == [
        "Validation Error:",
        f" {place} -> r  is missing 'service'",
        f" {place} is invalid",
    ]
    answer = op("<validate><full></full></validate>")
    assert answer.findtext("result/msg/line") == "Validate job enqueued with jobid 3"


def test_jobs_take_their_time(vsys: str) -> None:
    now = [1000.0]
    device = PanosMock(job_seconds=10)
    device.device.clock = device.device.jobs.clock = lambda: now[0]
    key = device.key()

    def job(number: int) -> Any:
        cmd = f"<show><jobs><id>{number}</id></jobs></show>"
        answer = device.handle({"type": "op", "cmd": cmd, "key": key}).content()
        found = etree.fromstring(answer).find("result/job")
        assert found is not None
        return found

    commit = {"type": "commit", "cmd": "<commit/>", "key": key}
    device.edit("set", f"{vsys}/tag", "<entry name='a'/>")
    device.handle(commit)
    device.edit("set", f"{vsys}/tag", "<entry name='b'/>")
    device.handle(commit)
    assert (job(1).findtext("status"), job(2).findtext("status")) == ("ACT", "PEND")
    assert job(1).findtext("tfin") == "Still Active"
    now[0] += 7.5
    assert (job(1).findtext("progress"), job(1).findtext("result")) == ("75", "PEND")
    assert b'name="a"' not in device.running()
    now[0] += 3
    assert (job(1).findtext("status"), job(2).findtext("status")) == ("FIN", "ACT")
    assert b'name="a"' in device.running()
    assert b'name="b"' not in device.running()
    now[0] += 10
    assert b'name="b"' in device.running()


def test_unknown_job(op: Ask) -> None:
    answer = op("<show><jobs><id>99</id></jobs></show>")
    assert (answer.get("code"), answer.findtext("msg/line")) == ("7", "job 99 not found")


def test_save_load_and_versions(mock: PanosMock, config: Ask, op: Ask, ask: Ask, vsys: str) -> None:
    config("set", f"{vsys}/tag", "<entry name='t'/>")
    assert op("<save><config><to>one.xml</to></config></save>").get("status") == "success"
    answer = op("<load><config><from>running-config.xml</from></config></load>")
    assert answer.findtext("result/msg/line/msg/line") == "Config loaded from running-config.xml"
    assert mock.config() == mock.running()
    op("<load><config><from>one.xml</from></config></load>")
    assert b'name="t"' in mock.config()
    assert op("<check><full-commit-required/></check>").findtext("result") == "yes"
    config("set", f"{vsys}/tag", "<entry name='u'/>", user="bob")
    answer = ask(kind="commit", cmd=f"<commit>{PARTIAL.format('bob')}</commit>")
    assert "Full system commit must be completed" in (answer.findtext("msg/line") or "")
    assert ask(kind="commit", cmd="<commit/>").findtext("result/job")
    assert b'name="t"' in mock.running()
    op("<load><config><version>2</version></config></load>")
    assert b'name="t"' not in mock.config()
    assert len(op("<show><config><audit><info/></audit></config></show>").findall(".//entry")) == 3
    assert op("<load><config><from>none.xml</from></config></load>").get("status") == "error"
    assert op("<save><config><to>bad name</to></config></save>").get("status") == "error"
    saved = op("<show><config><saved>one.xml</saved></config></show>")
    assert saved.find("result/config") is not None
    shown = op("<show><config><running><xpath>shared</xpath></running></config></show>")
    assert shown.find("result/shared") is not None


def test_every_configuration_traffic_met(mock: PanosMock, vsys: str) -> None:
    first = len(mock.effective())
    mock.edit("set", f"{vsys}/tag", "<entry name='one'/>", commit=True)
    mock.edit("set", f"{vsys}/tag", "<entry name='two'/>")
    mock.edit("set", f"{vsys}/tag", "<entry name='three'/>", admin="bob", commit=True)
    met = mock.effective()[first:]
    assert [(b'"one"' in each, b'"two"' in each, b'"three"' in each) for each in met] == [
        (True, False, False), (True, False, True),
    ]  # fmt: skip
    assert mock.running() == mock.effective()[-1]
    with pytest.raises(ApiError):
        mock.edit("set", f"{vsys}/tag", "<entry name='none'/>")


def test_locks_by_scope(config: Ask, op: Ask, vsys: str) -> None:
    add = "<request><config-lock><add><comment>why</comment></add></config-lock></request>"
    assert "Successfully acquired" in (op(add, vsys="vsys1").findtext("result") or "")
    answer = op(add, vsys="vsys1", user="bob")
    assert answer.findtext("msg/line") == "Config lock is already held by admin"
    answer = config("set", f"{vsys}/tag", "<entry name='t'/>", user="bob")
    assert answer.findtext("msg/line") == "Configuration is locked by admin"
    shared = config("set", "/config/shared/tag", "<entry name='t'/>", user="bob")
    assert shared.get("code") == "20"
    assert op("<show><config-locks/></show>").findtext("msg/line") == "vsys not provided"
    entry = op("<show><config-locks><vsys>all</vsys></config-locks></show>").find(".//entry")
    assert (entry.get("name"), entry.findtext("comment"), entry.findtext("name")) == (
        "admin", "why", "vsys1",
    )  # fmt: skip
    release = "<request><config-lock><remove/></config-lock></request>"
    assert op(release, vsys="vsys1").findtext("result") == "Config lock released for admin"


def test_a_commit_lock_goes_with_the_commit(config: Ask, op: Ask, commit: Ask, vsys: str) -> None:
    op("<request><commit-lock><add/></commit-lock></request>", vsys="shared")
    op("<request><config-lock><add/></config-lock></request>", vsys="shared")
    config("set", f"{vsys}/tag", "<entry name='t'/>")
    commit()
    locks = "<show><{0}-locks><vsys>all</vsys></{0}-locks></show>"
    assert op(locks.format("commit")).find(".//entry") is None
    assert op(locks.format("config")).find(".//entry") is not None


def test_one_administrator_removes_the_lock_of_another(mock: PanosMock, op: Ask) -> None:
    mock.hold_lock("commit", "bob")
    cmd = "<request><commit-lock><remove><admin>bob</admin></remove></commit-lock></request>"
    assert op(cmd, vsys="shared").findtext("result") == "Commit lock released for bob"


@pytest.mark.parametrize("gone", [(), ("commit",), ("commit", "config")])
def test_which_locks_a_commit_releases(gone: tuple[str, ...], vsys: str) -> None:
    """The administrator's guide says both, a note of the vendor that the config lock stays."""
    with PanosMock("fw1", job_seconds=0.0, locks_gone_at_commit=gone) as device:
        for kind in ("commit", "config"):
            device.hold_lock(kind, "admin")
        device.hold_lock("config", "other", "vsys2")
        device.edit("set", f"{vsys}/tag", "<entry name='t'/>", admin="admin", commit=True)
        held = {(lock.kind, lock.admin) for lock in device.device.locks.held}
    kept = {"commit", "config"} - set(gone)
    assert held == {("config", "other"), *((kind, "admin") for kind in kept)}


def test_downloads_run_beside_commits(vsys: str) -> None:
    with PanosMock("fw1", job_seconds=0.0) as device:
        number = device.start_job("Downld", 600)
        device.edit("set", f"{vsys}/tag", "<entry name='t'/>", admin="admin", commit=True)
        states = {job.kind: job.status(device.device.clock()) for job in device.device.jobs.jobs}
        assert states == {"Downld": "ACT", "Commit": "FIN"}
        assert device.device.jobs.find(number).user == "other"
        revert = {"type": "op", "key": device.key(), "cmd": "<revert><config/></revert>"}
        assert b"reverted" in device.handle(revert).content()
        device.start_job("Commit", 600)
        assert b"Local commit jobs are queued" in device.handle(revert).content()
        device.restart()
        assert device.device.jobs.last_number == 0
