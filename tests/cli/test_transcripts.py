"""Transcripts hold what is known to be harmless, and nothing that a device or a plan says."""

from __future__ import annotations

import json
import re
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from lxml import etree

from cli_support import PASSWORD, USER, Plant
from segctl.model.errors import SegctlError
from segctl.providers.nftables import NftablesProvider
from segctl.providers.nftables.session import NftSession
from segctl_mocks.panos import schema
from segctl_mocks.panos.device import PanosDevice
from support.canaries import ALLOWED, Canaries, planted, whole
from support.nft_answers import GOOD
from support.ssh_server import Manners, Visit, serving
from support.witnessed import HOUR, entry, give, session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.cells import Cells

NFT = NftablesProvider()
#: Every word that a transcript of these tests may hold, besides the names of the two hosts.
KNOWN = set(
    """
    session opened login done sent bytes exit and characters failed answer errors s codes code HTTP
    read tables set look transaction go confirm keep revert list table show command
    uid nft host machine clock uptime links chains boot body loads needs
    add create delete insert replace flush chain rule set map element counter sets maps rules
    counters No such file or directory File exists Operation not permitted Permission denied
    Could process syntax error found Aborted
    success unauth unreachable parse apply auth busy locked connect
    keygen config op commit log get edit move rename multi-config partial
    devices entry @name vsys shared network deviceconfig predefined rulebase security rules
    default-security-rules address address-group application application-group service tag zone
    application-container schedule comments description member members system info changes saved
    jobs all id admin
    validate
    panorama-status pushed-shared-policy pushed-template
    high-availability state config-locks commit-locks request config-lock commit-lock comment
    object dynamic-address-group dns-proxy fqdn user group name external-list type ip
    remove save to entries active pending finished OK FAIL
    report finish session filter vsys-name count min-age test security-policy-match source
    destination protocol destination-port from application source-user traffic
    """.split()  # noqa: SIM905 - a list of words, not of strings
)
_STAMP = re.compile(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 (?:fw|gw)\d ")
_WORD = re.compile(r"[^\W\d_][\w-]*|@\w+")


def strange(text: str) -> set[str]:
    """Return the words of a transcript that are not known to be harmless."""
    words = set(_WORD.findall(_STAMP.sub("", text)))
    return words - KNOWN


def canaried(config: bytes, birds: Canaries) -> bytes:
    """Return a firewall's configuration with a canary in every leaf that others can fill."""
    root = etree.fromstring(config)
    system = root.find("devices/entry/vsys/entry")
    shared = root.find("shared")
    assert system is not None
    assert shared is not None
    theirs, common, _ = whole(birds)
    for place, found in ((system, theirs), (shared, common)):
        for child in found:
            old = place.find(str(child.tag))
            if old is None:
                place.append(child)
            elif child.tag in ("address", "tag", "service", "zone", "rulebase"):
                _merge(old, child)
    device = root.find("devices/entry")
    assert device is not None
    known = schema.load()
    for above, node in (
        (device, known.children["devices"].entry.children["deviceconfig"]),
        (device, known.children["devices"].entry.children["network"]),
        (root, known.children["mgt-config"]),
    ):
        made = planted(node, str(node.tag), birds)
        held = above.find(str(node.tag))
        if held is None:
            above.append(made)
        else:
            _merge(held, made)
    return etree.tostring(root)


def _merge(old: Any, new: Any) -> None:
    for child in new:
        same = None if child.tag == "entry" else old.find(child.tag)
        if same is None:
            old.append(child)
        else:
            _merge(same, child)


def test_nothing_that_a_firewall_holds_is_in_its_transcript(plant: Plant) -> None:
    birds = Canaries()
    mock = plant.fleet["fw1"]
    settings = replace(
        mock.settings,
        hostname=birds.at("hostname"),
        serial=birds.at("serial"),
        model=birds.at("model"),
        content_version=birds.at("content"),
    )
    mock.device = PanosDevice(settings, {USER: PASSWORD}, canaried(mock.running(), birds))
    mock.hold_lock("config", birds.at("lock"))
    assert len(birds.places) > 400
    said = ("-e", "segctl_transcript=said", "-l", "fw1")
    asked = len(mock.requests)
    plant("plan", "-v", *said)
    plant("apply", "--auto-approve", "-v", *said)
    assert len(mock.requests) > asked + 10
    text = (plant.folder / "said/fw1.txt").read_text(encoding="utf-8")
    assert not birds.seen_in(text)
    assert not strange(text)
    assert "*" not in text
    assert " config show config/devices/entry/vsys/entry: sent " in text
    assert re.search(r"HTTP 200 success( code \d+)? \d+ bytes", text)


def test_nothing_else_that_a_firewall_holds_is_in_anything_that_runs_leave(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caches, histories, journals, evidence, reports, messages."""
    monkeypatch.setenv("SEGCTL_HISTORY", str(plant.folder / "history.db"))
    monkeypatch.setenv("SEGCTL_ARTIFACTS", str(plant.folder / "runs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(plant.folder / "cache"))
    birds = Canaries()
    mock = plant.fleet["fw1"]
    mock.device = PanosDevice(mock.settings, {USER: PASSWORD}, canaried(mock.running(), birds))
    seen = ""
    for words in (
        ("plan", "-v", "--diff", "-o", "plan.json"),
        ("apply", "plan.json", "-v"),
        ("apply", "--auto-approve", "--json", "-v"),
        ("drift", "-v", "--json", "--markdown", "d.md", "--html", "d.html", "--sarif", "d.sarif"),
        ("drift", "--write-baseline", "b.yml", "--owner", "o", "--expires", "2999-01-01"),
        ("snapshot", "-o", "snapshots"),
        ("evidence", "-o", "proof", "--html", "--csv", "--oscal", "--json"),
        ("evidence", "--offline", "snapshots", "-o", "proof-offline", "--json"),
        ("lint", "--json", "--html", "lint.html"),
        ("prove", "--json"),
        ("query", "--from", "supervisory", "--to", "control", "--json"),
        ("matrix", "--live", "--csv"),
        ("graph", "--live", "-o", "plant.html"),
        ("list", "rules", "--json"),
        ("usage", "--json"),
        ("history", "--json"),
        ("drift", "history", "--json"),
    ):
        done = plant(*words, "-l", "fw1") if "plan.json" not in words[1:2] else plant(*words)
        seen += done.out + done.err
        assert "a defect in segctl" not in done.out + done.err, words
    files = [path for path in plant.folder.rglob("*") if path.is_file()]
    assert (plant.folder / "proof/SHA256SUMS").is_file()
    assert (plant.folder / "proof-offline/SHA256SUMS").is_file()
    assert {"plan.json", "journal.jsonl", "history.db", "fw1.snapshot.json", "b.yml"} <= {
        path.name for path in files
    }
    assert any("cache" in path.parts for path in files)
    for path in files:
        text = path.read_bytes().decode(errors="replace")
        assert birds.seen_in(text) <= ALLOWED, path
    assert birds.seen_in(seen) <= ALLOWED
    assert birds.seen_in(seen)


def test_a_firewall_refuses_in_words_that_stay_out(plant: Plant) -> None:
    birds = Canaries()
    mock = plant.fleet["fw1"]
    for contains in ("vsys1", "jobs", "changes", "show"):
        body = (
            f'<response status="error" code="12" {birds.at("attribute")}="{birds.at("value")}">'
            f"<msg><line>{birds.at('line')}</line></msg><{birds.at('tag')}/></response>"
        )
        mock.fail("body", body=body.encode(), contains=contains)
    for _ in range(4):
        plant("plan", "-l", "fw1", "-e", "segctl_transcript=said")
    text = (plant.folder / "said/fw1.txt").read_text(encoding="utf-8")
    assert "HTTP 200 error code 12" in text
    assert not birds.seen_in(text)
    assert not strange(text)


def test_a_rollout_is_told_step_by_step_and_nothing_of_the_plan(mixed: Cells) -> None:
    birds = Canaries()
    text = (mixed.folder / "hosts.yml").read_text(encoding="utf-8")
    text = text.replace("reason: polling", f"reason: {birds.at('reason')}")
    text = text.replace("owner: automation", f"owner: {birds.at('owner')}")
    (mixed.folder / "hosts.yml").write_text(text, encoding="utf-8")
    gateway = mixed.fleet.linux["gw3"]
    gateway.load(
        f"table inet {birds.at('table')} {{ chain {birds.at('chain')} {{ "
        f"type filter hook forward priority 10; policy accept; "
        f'ip saddr 10.9.9.9 accept comment "{birds.at("comment")}"; }}; }}\n'
    )
    done = mixed("apply", "--auto-approve", "-l", "fw1,gw3", "-e", "segctl_transcript=said")
    assert done.code == 0
    told = {name: (mixed.folder / f"said/{name}.txt").read_text() for name in ("fw1", "gw3")}
    for one in told.values():
        assert not birds.seen_in(one)
        assert not strange(one)
        assert PASSWORD not in one
        assert "plc" not in one
        assert "10.2." not in one
    assert mixed("drift", "-l", "fw1,gw3", "-v", "--json", "--html", "d.html").code == 0
    for path in mixed.folder.rglob("*"):
        if path.is_file() and path.name != "hosts.yml":
            assert "comment" not in birds.seen_in(path.read_bytes().decode(errors="replace")), path
    for step in ("keygen", "op show/config-locks/vsys", "config multi-config", "commit", "set "):
        assert step in told["fw1"], step
    for step in ("login: done", "read: exit codes uid 0", "go: sent", "confirm: sent", "add rule "):
        assert step in told["gw3"], step


def test_requests_for_traffic_are_named_and_records_are_not(plant: Plant) -> None:
    birds = Canaries()
    assert plant("apply", "--auto-approve").code == 0
    seen = {"rule": birds.at("rule"), "srcuser": birds.at("user"), "from_": birds.at("zone")}
    give(plant, entry(1, **seen), entry(2), session(3, HOUR, src_user=birds.at("owner")))
    said = ("--from-devices", "--since", "2h", "-e", "segctl_transcript=said", "-l", "fw1")
    for words in (("traffic",), ("discover",), ("replay", "--declared")):
        assert plant(*words, *said).code in {0, 2}
    text = (plant.folder / "said/fw1.txt").read_text(encoding="utf-8")
    for step in (
        "op show/session/all/filter/vsys-name/count: sent ",
        " report: sent ",
        " report get: sent ",
        " log: sent ",
        " log get: sent ",
        "op test/security-policy-match/from/to/source/destination/protocol/",
    ):
        assert step in text, step
    assert not birds.seen_in(text)
    assert not strange(text)
    assert "*" not in text
    assert "10.20." not in text


def test_a_gateway_that_tells_its_traffic_leaves_none_of_it_in_the_transcript(
    mixed: Cells,
) -> None:
    assert mixed("apply", "--auto-approve", "-l", "gw3").code == 0
    host = mixed.fleet.linux["gw3"].host_device
    host.connections.append(
        "tcp 6 431992 ESTABLISHED src=10.1.0.5 dst=10.3.0.11 sport=58271 dport=502 "
        "src=10.3.0.11 dst=10.1.0.5 sport=502 dport=58271 [ASSURED] mark=0 use=1"
    )
    done = mixed("traffic", "--from-devices", "-l", "gw3", "-e", "segctl_transcript=said")
    assert done.code == 0
    text = (mixed.folder / "said/gw3.txt").read_text(encoding="utf-8")
    assert "traffic: sent " in text
    assert not strange(text)
    assert "10.1.0.5" not in text


# --- a gateway that answers anything -------------------------------------------------------------

LISTING: Mapping[str, Any] = {
    "metainfo": {"version": "?", "release_name": "?", "json_schema_version": 1},
    "table": {"family": "inet", "name": "?", "comment": "?", "handle": 1},
    "chain": {
        "family": "inet",
        "table": "?",
        "name": "?",
        "comment": "?",
        "handle": 1,
        "type": "filter",
        "hook": "forward",
        "prio": 0,
        "policy": "accept",
        "dev": "?",
    },
    "set": {
        "family": "inet",
        "table": "?",
        "name": "?",
        "type": "ipv4_addr",
        "comment": "?",
        "elem": [{"elem": {"val": "?", "comment": "?"}}, "?"],
    },
    "counter": {"family": "inet", "table": "?", "name": "?", "comment": "?", "packets": 1},
    "rule": {
        "family": "inet",
        "table": "?",
        "chain": "?",
        "comment": "?",
        "handle": 1,
        "expr": [{"log": {"prefix": "?"}}, {"jump": {"target": "?"}}, {"?": "?"}],
    },
    "flowtable": {"family": "inet", "table": "?", "name": "?", "dev": "?"},
    "?": {"?": "?"},
}


def filled(value: Any, birds: Canaries, place: str = "") -> Any:
    if value == "?":
        return birds.at(place)
    if isinstance(value, list):
        return [filled(one, birds, place) for one in cast("list[Any]", cast("object", value))]
    if isinstance(value, dict):
        return {
            birds.at(place) if name == "?" else name: filled(one, birds, f"{place}/{name}")
            for name, one in cast("dict[str, Any]", value).items()
        }
    return value


def listing(birds: Canaries) -> str:
    return json.dumps({"nftables": [filled({kind: one}, birds) for kind, one in LISTING.items()]})


def answers(birds: Canaries) -> list[dict[str, tuple[str, str]]]:
    """Return answers to a read in which each part holds canaries, alone and with the others."""
    single = {
        **{name: birds.at(name) for name in GOOD},
        "nft": f"nftables v1.0.6 ({birds.at('release')})",
        "host": f"{birds.at('hostname')} {birds.at('kernel')}",
        "links": json.dumps([{"ifname": birds.at("ifname"), "ifalias": birds.at("ifalias")}]),
        "chains": listing(birds),
        "table": listing(birds),
    }
    good = {name: (text, GOOD[name][1]) for name, text in single.items() if name in GOOD}
    good["table"] = (good["table"][0], "0")
    harmless = ("host", "machine", "boot", "body", "loads", "needs", "nft", "links")
    found: list[dict[str, tuple[str, str]]] = [GOOD | {name: good[name] for name in harmless}]
    for name in GOOD:
        found += [GOOD | {name: good[name]}, GOOD | {name: (birds.at(name), "1")}]
        found.append(GOOD | {name: (GOOD[name][0], birds.at("code"))})
    return [*found, good, {birds.at("part"): ("", "0")}]


@pytest.mark.parametrize("code", [0, 1, 127])
def test_nothing_that_a_gateway_answers_is_in_its_transcript_or_a_snapshot(
    tmp_path: Path, code: int
) -> None:
    birds = Canaries()
    todo = answers(birds)

    def behave(visit: Visit) -> None:
        found = re.search(r"'([0-9a-f]{32})'", visit.command)
        assert found is not None
        for name, (text, ended) in todo[0].items():
            visit.data(f"\n{found[1]} begin {name}\n{text}\n{found[1]} end {ended}\n".encode())
        visit.channel.sendall_stderr(birds.at("errors").encode())
        visit.status(code)
        visit.eof()
        visit.close()

    went, kept = 0, set[str]()
    with serving(Manners(behave)) as served:
        target = replace(served, transcript=tmp_path)
        with closing(NftSession(target, read_only=True, progress=lambda _: None)) as session:
            while todo:
                with suppress(SegctlError):
                    read = session.read()
                    went += 1
                    kept |= birds.seen_in(NFT.mask(read).decode())
                todo.pop(0)
    text = (tmp_path / "gw1.txt").read_text(encoding="utf-8")
    assert len(birds.places) > 100
    assert went > 5
    assert kept == {"hostname", "ifname", "kernel", "machine"}  # of those others can choose
    assert text.count("read: sent 0 bytes, exit") > 30
    assert not birds.seen_in(text)
    assert not strange(text)
