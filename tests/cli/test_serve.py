"""The plant in a browser: what is served, from which look, and how it ends."""

from __future__ import annotations

import re
import signal
import socket
import sys
import time
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from lxml import etree

from cli_support import PASSWORD, RULES, USER, Plant
from segctl_mocks.panos.device import PanosDevice
from support.hostile import TOKENS, steering
from support.served import Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

THEIRS = (
    "<entry name='theirs'><from><member>CTRL</member></from><to><member>SUPV</member></to>"
    "<source><member>any</member></source><destination><member>any</member></destination>"
    "<application><member>ssh</member></application><service><member>any</member></service>"
    "<action>allow</action></entry>"
)
FAST = ("--every", "2s")


@pytest.fixture
def served(applied: Plant) -> Iterator[Served]:
    with applied.unchanged(), serving(applied.folder, applied.where, *FAST) as found:
        yield found
    applied.assert_no_secret(found.log)
    assert "Traceback" not in found.log


def opened(plant: Plant) -> None:
    plant.fleet["fw1"].edit("set", RULES, THEIRS)
    plant.fleet["fw1"].edit("move", f"{RULES}/entry[@name='theirs']", where="top", commit=True)


def test_drift_appears_with_the_look_after_the_change(applied: Plant) -> None:
    with serving(applied.folder, applied.where, *FAST) as served:
        page = served.ask("/").text
        assert "2 firewalls: 2 in sync" in page
        assert "Nothing has changed." in page
        writes = {name: mock.writes for name, mock in applied.fleet.mocks.items()}
        opened(applied)
        served.until(lambda: served.states() == {"fw1": "drifted", "fw2": "in_sync"})
        page = served.ask("/").text
        assert "1 in sync, 1 drifted" in page
        timeline = page.split('<section id="timeline"', 1)[1].split("</section>", 1)[0]
        assert "theirs" in timeline
        assert "<td>in sync</td><td>drifted</td>" in timeline
        assert "beyond" in page.split('<section id="matrix"', 1)[1].split("</section>", 1)[0]
        (change,) = served.ask("/status.json").json["changes"]
        assert (change["name"], change["was"], change["is"]) == ("fw1", "in_sync", "drifted")
        assert {name: mock.writes for name, mock in applied.fleet.mocks.items()} == writes
        found = served.query("answer.json", from_="supervisory", to="control")
        for text in (page, served.ask("/now").text, found.text, served.log):
            applied.assert_no_secret(text)
    assert applied.locks == 0


def test_what_has_drifted_so_far_is_shown_from_its_database(applied: Plant) -> None:
    database = str(applied.folder / "history.db")
    opened(applied)
    assert applied("drift", "--history", database).code == 2
    words = ("--every", "1h", "--history", database)
    with serving(applied.folder, applied.where, *words) as served:
        past = served.ask("/").text.split('<section id="history"', 1)[1].split("</section>", 1)[0]
    assert "<td>theirs</td>" in past


def test_a_firewall_that_is_silent_is_not_in_sync(applied: Plant) -> None:
    with serving(applied.folder, applied.where, *FAST) as served:
        read = served.ask("/status.json").json["firewalls"][1]["read"]
        applied.fleet["fw2"].stop()
        served.until(lambda: served.states() == {"fw1": "in_sync", "fw2": "cannot_tell"})
        status = served.ask("/status.json").json
        jsonschema.validate(status, applied("schema", "serve-status").json)
        (silent,) = [one for one in status["firewalls"] if one["name"] == "fw2"]
        assert silent["read"] >= read, "when it was last read is still said"
        assert silent["message"]
        now = served.ask("/now").text
        assert "in sync when it was last read" in now
        found = served.query("answer.json", from_="supervisory", to="dmz").json
        assert found["error"]["code"] != "usage"
        assert found["answer"]["errors"][0]["firewall"] == "fw2"
        said = served.query("answer", from_="supervisory", to="dmz").text
        assert "cannot tell" in said
        assert "nothing is permitted" not in said
        assert "permitted" in served.query("answer", from_="supervisory", to="control").text


def test_a_broken_inventory_leaves_what_was_seen_and_says_so(applied: Plant) -> None:
    with serving(applied.folder, applied.where, *FAST) as served:
        applied.edit("group_vars/plant.yml", "from: supervisory", "from: nowhere")
        served.until(lambda: "error" in served.ask("/status.json").json)
        page = served.ask("/").text
        assert "nowhere" in page
        assert "so this is what was read before" in page
        assert "scada1" in page
        served.until(lambda: served.ask("/status.json").json["stale"], 60)
        assert set(served.states().values()) == {"cannot_tell"}, "an old reading says nothing"
        assert "<b>Stale</b>" in served.ask("/now").text
        found = served.query("answer.json", from_="supervisory", to="control").json
        assert found["error"]["code"] == "cannot_tell"
        said = served.query("answer", from_="supervisory", to="control").text
        assert "Cannot tell, since the firewalls were last read" in said
        applied.edit("group_vars/plant.yml", "from: nowhere", "from: supervisory")
        served.until(lambda: set(served.states().values()) == {"in_sync"})
        assert "segctl: read again" in served.log
        said = served.query("answer", from_="supervisory", to="control").text
        assert re.search(r"\(read at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, ", said), (
            "on a screen it stays"
        )


def test_looks_do_not_pile_up(applied: Plant) -> None:
    """A look takes longer than the time between two of them; each reads each firewall once."""
    mock = applied.fleet["fw1"]
    before = len(mock.requests)
    assert applied("matrix", "--live").code == 0
    once = len(mock.requests) - before
    mock.latency = 2.5 / once
    begun = time.monotonic()
    before = len(mock.requests)
    with serving(applied.folder, applied.where, *FAST) as served:
        time.sleep(6)
        assert served.ask("/healthz").status == 200
    looks = (len(mock.requests) - before) / once
    assert looks <= (time.monotonic() - begun) / 2.5


ENDS = (
    ("scada1", "plc1"),
    ("supervisory", "dmz"),
    ("control", "supervisory"),
    ("10.20.2.9", "plc2"),
)


def test_answers_are_those_of_the_commands(applied: Plant) -> None:
    opened(applied)
    with serving(applied.folder, applied.where, "--every", "1h") as served:
        for source, destination in ENDS:
            found = served.query("answer.json", from_=source, to=destination).json
            jsonschema.validate(found, applied("schema", "serve-answer").json)
            told = applied("query", "--from", source, "--to", destination, "--json").json
            assert found["answer"] == told
            assert found["command"] == "query"
            said = served.query("answer", from_=source, to=destination).text
            assert ("nothing is permitted" in said) == (not told["rows"])
            assert ("cannot tell" in said or "cannot be told" in said) == ("error" in told)
        for source, destination in ENDS:
            asked = {"application": "modbus.read", "port": "502"}
            found = served.query("answer.json", from_=source, to=destination, **asked).json
            words = ("--application", "modbus.read", "--port", "502", "--json")
            told = applied("check", "--from", source, "--to", destination, *words).json
            del told["provenance"]
            assert found["answer"] == told
            assert found["command"] == "check"


def test_a_question_is_answered_without_any_script(served: Served) -> None:
    reply = served.query("ask", from_="scada1", to="plc1")
    assert reply.status == 200
    assert "scada1 → plc1: permitted" in reply.text
    assert 'value="scada1"' in reply.text
    assert '<form id="asking"' in reply.text
    assert "<script" not in reply.text
    flow = served.query("ask", from_="scada1", to="plc1", application="modbus.write").text
    assert "scada1 → plc1: denied" in flow
    missing = served.ask("/ask")
    assert missing.status == 400
    assert "Give both ends" in missing.text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/ask?from=nobody&to=plc1", "is not a zone, asset or address"),
        ("/answer.json?from=scada1&to=plc1&port=70000", "from 1 to 65535"),
        ("/ask?from=scada1&to=plc1&protocol=sctp", "one of tcp"),
        ("/answer?from=scada1&to=plc1&prot=tcp", "cannot be understood"),
        ("/answer?from=scada1&from=plc2&to=plc1", "cannot be understood"),
        (f"/answer?from={'a' * 201}&to=plc1", "cannot be understood"),
        ("/answer?from=%ff&to=plc1", "cannot be understood"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(served: Served, path: str, said: str) -> None:
    reply = served.ask(path)
    assert reply.status == 400
    assert said in unescape(reply.text)


def test_what_is_served_loads_nothing_and_stays_nowhere(served: Served) -> None:
    for path in ("/", "/now", "/ask?from=scada1&to=plc1", "/answer?from=scada1&to=plc1", "/x"):
        headers = served.ask(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert policy.endswith("frame-ancestors 'none'")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "set-cookie" not in headers
        assert not [name for name in headers if name.startswith("access-control")]
        assert headers["server"] == "segctl"
    page = served.ask("/")
    inside = re.search(r'Content-Security-Policy" content="([^"]*)"', page.text)
    assert inside
    assert page.headers["content-security-policy"] == f"{inside[1]}; frame-ancestors 'none'"
    assert served.ask("/", "HEAD").headers["content-length"]
    assert not served.ask("/", "HEAD").text


def test_health_says_nothing_of_the_plant(served: Served) -> None:
    assert served.ask("/healthz", Host="10.0.0.1").text == "ok\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(applied: Plant, number: int) -> None:
    with serving(applied.folder, applied.where, *FAST) as served:
        assert served.stop(number) == 0
        assert "stopping" in served.log
        with pytest.raises(OSError):  # noqa: PT011 - whatever the system says of a closed port
            served.ask("/healthz")
    assert applied.locks == 0


def test_it_ends_cleanly_while_firewalls_are_read(applied: Plant) -> None:
    mock = applied.fleet["fw1"]
    mock.latency = 0.4
    before = len(mock.requests)
    with serving(applied.folder, applied.where, *FAST, looked=False) as served:
        served.until(lambda: len(mock.requests) > before)
        assert served.ask("/").status == 503
        begun = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - begun < 9
        assert "left without waiting" not in served.log


def test_answers_under_way_are_finished(applied: Plant) -> None:
    with serving(applied.folder, applied.where, "--every", "1h") as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
            line.sendall(b"GET /answer?from=scada1&to=plc1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            served.process.send_signal(signal.SIGTERM)
            got = b""
            while piece := line.recv(65536):
                got += piece
        assert served.process.wait(15) == 0
    assert not got or b"</div>" in got, "a whole answer, or none where none was begun"


def test_a_second_signal_ends_it_at_once(applied: Plant) -> None:
    mock = applied.fleet["fw1"]
    mock.fail("hang", seconds=30, skip=1, times=1000)
    before = len(mock.requests)
    with serving(applied.folder, applied.where, *FAST, looked=False) as served:
        served.until(lambda: len(mock.requests) > before)
        served.process.send_signal(signal.SIGTERM)
        served.until(lambda: "stopping" in served.log)
        begun = time.monotonic()
        assert served.stop(signal.SIGTERM) == -signal.SIGTERM
        assert time.monotonic() - begun < 3


#: What XML can hold.
HELD = [token for token in TOKENS if not re.search("[\x00-\x08\x0b-\x1f]", token)]


def planted(config: bytes) -> bytes:
    """Return a configuration with rules of others, above ours, whose every text would do harm."""
    root = etree.fromstring(config)
    rules = root.find("devices/entry/vsys/entry/rulebase/security/rules")
    assert rules is not None
    for number, token in enumerate(HELD):
        rule = etree.fromstring(THEIRS)
        rule.set("name", f"{token}{number}")
        for tag in ("tag", *(("source-user", "category") if number % 2 else ())):
            etree.SubElement(etree.SubElement(rule, tag), "member").text = token
        etree.SubElement(rule, "description").text = token
        rules.insert(0, rule)
    return etree.tostring(root)


def test_names_of_others_are_text(applied: Plant) -> None:
    """What a device holds, and what somebody asks, is shown and logged as text."""
    with serving(applied.folder, applied.where, *FAST) as served:
        mock = applied.fleet["fw1"]
        said = replace(mock.settings, hostname="".join(HELD), model="".join(HELD))
        mock.device = PanosDevice(said, {USER: PASSWORD}, planted(mock.running()))
        served.until(lambda: served.states()["fw1"] == "drifted")
        pages = [served.ask("/").text, served.ask("/now").text]
        pages.append(served.query("answer", from_="control", to="supervisory").text)
        pages.append(served.query("ask", from_="control", to="supervisory").text)
        for token in TOKENS:
            for form in ("answer", "ask", "answer.json"):
                reply = served.query(form, from_=token, to="plc1", user=token)
                assert reply.status == (200 if form == "answer" else 400), token
                pages.append(reply.text)
                time.sleep(0.06)
            reply = served.ask("/x", User_Agent="a")
            pages.append(reply.text)
        for text in pages:
            assert not steering(text)
            if not text.startswith("{"):
                assert "<script>alert" not in text
                assert "<img" not in text
                assert "</summary><h1>" not in text
        assert len([one for one in pages if "&lt;script&gt;alert(1)" in one]) >= 2
        assert not steering(served.log)
        assert "\x1b" not in served.log


def test_an_argument_that_is_not_served(plant: Plant) -> None:
    plant.edit("group_vars/plant.yml", "from: supervisory", "from: nowhere")
    done = plant("serve")
    assert done.code == 1, "what is broken from the beginning is not served"
    assert "nowhere" in done.err
    assert plant("serve", "--json").code == 1
    assert plant("serve", "--every", "0s").code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--checks", "typo.yml"), "typo.yml"),
        (("--baseline", "typo.yml"), "typo.yml"),
        (("--site", "typo"), "the inventory has plant"),
        (("--history", "typo.db"), "there is no"),
    ],
)
def test_what_could_never_be_shown_is_refused_at_once(
    plant: Plant, words: tuple[str, ...], said: str
) -> None:
    done = plant.process("serve", "--listen", "127.0.0.1:0", *words)
    assert done.code == 1
    assert said in " ".join(done.err.split())
    assert "serving" not in done.err


def test_without_the_extra_one_sentence_says_what_to_install(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: Any = None
    monkeypatch.setitem(sys.modules, "tornado", gone)
    done = plant("serve")
    assert done.code == 1
    assert "pip install 'segctl[serve]'" in done.err
