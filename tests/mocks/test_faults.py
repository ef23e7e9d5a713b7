"""Things that go wrong on request."""

from __future__ import annotations

import http.client
import re
import ssl
import time
import urllib.error
from collections.abc import Callable
from typing import Any

import pytest

from segctl_mocks import PanosMock

Fetch = Callable[..., tuple[int, str, bytes]]
VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
SET = {
    "type": "config",
    "action": "set",
    "xpath": f"{VSYS}/tag",
    "element": "<entry name='t'/>",
}
INFO = {"type": "op", "cmd": "<show><system><info></info></system></show>"}
BROKEN = (urllib.error.URLError, http.client.HTTPException, OSError)


def test_the_line_breaks_before(served: PanosMock, fetch: Fetch) -> None:
    served.fail("drop_before", action="set")
    assert fetch(**INFO)[0] == 200
    with pytest.raises(BROKEN):
        fetch(**SET)
    assert b'name="t"' not in served.config()
    assert fetch(**SET)[0] == 200
    assert b'name="t"' in served.config()


def test_the_line_breaks_after(served: PanosMock, fetch: Fetch) -> None:
    served.fail("drop_after", action="set")
    with pytest.raises(BROKEN):
        fetch(**SET)
    assert b'name="t"' in served.config()


def test_the_line_breaks_at_a_byte(served: PanosMock, fetch: Fetch) -> None:
    served.fail("drop_at", at=20)
    with pytest.raises(http.client.IncompleteRead) as caught:
        fetch(**SET)
    assert len(caught.value.partial) == 20
    assert b'name="t"' in served.config()


def test_the_nth_write(served: PanosMock, fetch: Fetch) -> None:
    served.fail("drop_before", writes_only=True, skip=1)
    fetch(**SET)
    fetch(**INFO)
    with pytest.raises(BROKEN):
        fetch(**SET)


def test_hang(served: PanosMock, fetch: Fetch) -> None:
    served.fail("hang", seconds=0.3)
    before = time.monotonic()
    assert fetch(**INFO)[0] == 200
    assert time.monotonic() - before >= 0.3


def test_odd_answers(served: PanosMock, fetch: Fetch) -> None:
    served.fail("html")
    served.fail("truncate", at=30)
    served.fail("status", code=502)
    served.fail("bomb")
    served.fail("unauthorized")
    served.fail("error", code="13", message="SERIAL not connected")
    served.fail("body", body=b"not xml")
    status, kind, body = fetch(**INFO)
    assert (status, kind.split(";")[0]) == (200, "text/html")
    assert b"<form" in body
    assert len(fetch(**INFO)[2]) == 30
    status, kind, body = fetch(**INFO)
    assert (status, kind.split(";")[0]) == (502, "text/html")
    assert b"<!ENTITY" in fetch(**INFO)[2]
    assert b'status="unauth"' in fetch(**INFO)[2]
    assert b"SERIAL not connected" in fetch(**INFO)[2]
    assert fetch(**INFO)[2] == b"not xml"
    assert b"<sw-version>" in fetch(**INFO)[2]


def test_an_answer_without_end(served: PanosMock, fetch: Fetch) -> None:
    served.fail("endless", size=3_000_000)
    assert 3_000_000 < len(fetch(**INFO)[2]) < 3_200_000


def test_keys(served: PanosMock, fetch: Fetch) -> None:
    key = served.key()
    served.fail("key_invalid")
    assert fetch(**INFO, key=key) == (403, "application/xml; charset=UTF-8", INVALID)
    assert fetch(**INFO, key=key)[0] == 403
    status, _, body = fetch(type="keygen", user="admin", password="pw", key="")
    assert status == 200
    assert re.fullmatch(
        rb"<response status = 'success'><result><key>LUFRPT1[A-Za-z0-9/=]+</key></result>"
        rb"</response>",
        body,
    )
    assert fetch(type="keygen", user="admin", password="no", key="")[2] == INVALID
    status, _, body = fetch(**INFO, key="")
    assert status == 403
    assert b"<msg>Not Authenticated</msg>" in body
    assert fetch(type="nonsense")[0] == 400


INVALID = (
    b"<response status = 'error' code = '403'><result><msg>Invalid Credential</msg></result>"
    b"</response>"
)


def test_unknown_paths_get_the_login_page(fetch: Fetch) -> None:
    status, kind, _ = fetch(path="/php/login.php")
    assert (status, kind.split(";")[0]) == (200, "text/html")


def test_the_five_megabyte_limit(vsys: str, mock: PanosMock) -> None:
    small = PanosMock(max_request=1000, authority=mock.authority)
    with small:
        connection = http.client.HTTPSConnection(*small.address, context=_trusting(small))
        connection.request("POST", "/api/", b"x" * 2000)
        answer = connection.getresponse()
        assert answer.status == 413
        answer.read()
        connection.close()
    assert vsys


def _trusting(device: PanosMock) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(device.ca_file))


@pytest.mark.parametrize(
    ("kind", "result"),
    [("commit_invalid", "FAIL"), ("commit_dies", "FAIL"), ("commit_warns", "OK")],
)
def test_commits_that_go_wrong(
    mock: PanosMock,
    config: Callable[..., object],
    commit: Callable[..., Any],
    kind: str,
    result: str,
) -> None:
    config("set", f"{VSYS}/tag", "<entry name='t'/>")
    mock.fail(kind, lines=["something about <it>"])
    job = commit()
    assert job.findtext("result/job/result") == result
    assert any("something about <it>" in (line.text or "") for line in job.iter("line"))
    assert (b'name="t"' in mock.running()) == (result == "OK")


@pytest.mark.parametrize("applied", [True, False])
def test_a_lost_job(
    mock: PanosMock,
    config: Callable[..., object],
    commit: Callable[..., Any],
    *,
    applied: bool,
) -> None:
    config("set", f"{VSYS}/tag", "<entry name='t'/>")
    mock.fail("commit_lost", applied=applied)
    job = commit().find("result/job")
    assert job is not None
    assert job.findtext("type") == "Failed-Job"
    assert job.find("status") is None
    assert (b'name="t"' in mock.running()) == applied


def test_busy(mock: PanosMock, config: Callable[..., object], ask: Callable[..., Any]) -> None:
    config("set", f"{VSYS}/tag", "<entry name='t'/>")
    mock.fail("commit_busy")
    answer = ask(kind="commit", cmd="<commit/>")
    assert (answer.findtext("msg/line") or "").startswith("Another commit/validate is in progress")
    mock.auto_commit(60)
    answer = ask(kind="commit", cmd="<commit/>")
    assert "auto-commit not yet finished" in (answer.findtext("msg/line") or "")
    assert ask(kind="commit", cmd="<commit><force/></commit>").findtext("result/job")


def test_unknown_fault(mock: PanosMock) -> None:
    with pytest.raises(ValueError, match="unknown fault 'flood'"):
        mock.fail("flood")


def test_writes_are_refused_and_counted(mock: PanosMock, ask: Callable[..., Any]) -> None:
    mock.reject_writes = True
    before = mock.config()
    writes = mock.writes
    for sent in (
        SET,
        {"type": "commit", "cmd": "<commit/>"},
        {"type": "op", "cmd": "<validate><full/></validate>"},
        {"type": "op", "cmd": "<request><config-lock><add/></config-lock></request>"},
        {"type": "op", "cmd": "<load><config><from>x</from></config></load>"},
        {"type": "op", "cmd": "<revert><config/></revert>"},
    ):
        answer = ask(**{("kind" if name == "type" else name): sent[name] for name in sent})
        assert answer.get("status") == "error"
    assert ask(kind="op", cmd=INFO["cmd"]).get("status") == "success"
    assert mock.writes - writes == 6
    assert mock.config() == before
    assert [request.is_write for request in mock.requests[-7:]] == [True] * 6 + [False]
    assert mock.requests[-1].user == "admin"
