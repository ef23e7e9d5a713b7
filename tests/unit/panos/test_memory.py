"""What reading a firewall may take of memory and time, whatever answers at its address."""

from __future__ import annotations

import gzip
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import ConnectError, ParseError, UnknownError
from segctl.providers.panos import PanosProvider, user_groups
from segctl.providers.panos.budget import MAX_ANSWER, Budget
from segctl.providers.panos.filled import by_name
from segctl.providers.panos.parse import stream
from segctl.providers.panos.session import PanosSession
from segctl.providers.panos.snapshot import Snapshot
from segctl_mocks import Answer, PanosMock
from support.panos import VSYS, boot, target_of
from support.pushed import Policy
from support.runs import silent
from support.swarm import SWARMS, answer, read_by_another_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segctl.transports.target import Target

#: MB that a run against one device may take, as documented.
MOST = 512
#: Bytes of a hostile answer, below what is refused for its length alone.
LARGE = 80 << 20


@pytest.fixture
def mock() -> Iterator[PanosMock]:
    with PanosMock("fw1", job_seconds=0.0) as made:
        boot(made)
        yield made


def answering(mock: PanosMock, made: Callable[[Mapping[str, str]], Answer | None]) -> None:
    """Let a device say something else where `made` has an answer."""
    handle = mock.device.handle

    def instead(params: Mapping[str, str], size: int = 0, basic: str = "") -> Answer:
        return made(params) or handle(params, size, basic)

    mock.device.handle = instead  # type: ignore[method-assign] # the device at the far end of the wire


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("swarm", SWARMS)
def test_a_hostile_configuration_is_refused_before_it_takes_the_memory(
    swarm: str, mock: PanosMock
) -> None:
    def hostile(params: Mapping[str, str]) -> Answer | None:
        shown = params.get("action") == "show" and params.get("xpath") == VSYS
        return answer(swarm, LARGE) if shown else None

    answering(mock, hostile)
    done = read_by_another_process(mock)
    assert done["code"] == "parse", done
    assert float(str(done["peak"])) < MOST


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("swarm", ["empty rules", "members of one rule"])
def test_a_hostile_pushed_policy_is_not_read_before_it_takes_the_memory(
    swarm: str, mock: PanosMock
) -> None:
    """It counts as one that could not be read; the firewall's own configuration is read."""
    mock.push(Policy().answer())

    def hostile(params: Mapping[str, str]) -> Answer | None:
        return answer(swarm, LARGE) if "<pushed-shared-policy>" in params.get("cmd", "") else None

    answering(mock, hostile)
    done = read_by_another_process(mock)
    assert (done["code"], done["read"]) == ("", 1), done
    assert float(str(done["peak"])) < MOST


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(
    ("where", "swarm", "size"),
    [
        ("/network", "empty elements", 20 << 20),  # a tree of what may refer to our objects
        ("/deviceconfig", "depth", 20 << 20),
        ("<changes>", "comments first", 15 << 20),  # searched for a DTD
    ],
)
def test_no_other_answer_takes_the_memory(
    where: str, swarm: str, size: int, mock: PanosMock
) -> None:
    def hostile(params: Mapping[str, str]) -> Answer | None:
        asked = params.get("xpath", "") + params.get("cmd", "")
        return answer(swarm, size) if where in asked else None

    answering(mock, hostile)
    done = read_by_another_process(mock)
    assert float(str(done["peak"])) < MOST, done


@pytest.mark.parametrize("beside", ["before", "after", "after the end"])
def test_what_stands_beside_the_result_is_counted(beside: str) -> None:
    """It stays in memory as long as the result does."""
    many, result = b"<a/>" * 20_000, b"<result><entry name='vsys1'/></result>"
    inner = many + result if beside == "before" else result + many
    inner = result if beside == "after the end" else inner
    body = b"<response status='success'>" + inner + b"</response>"
    body += b"<!---->" * 20_000 if beside == "after the end" else b""
    assert len(body) + 12 * body.count(b"<") < 1 << 20
    with pytest.raises(ParseError, match="more than 1 MiB of memory"):
        stream("fw1", body, "entry", Budget("fw1", 1 << 20))


def test_a_name_that_an_answer_repeats_is_put_together_once() -> None:
    """Appending each to those before it copies terabytes."""
    entries = b"<entry name='g'>" + b"x" * 1000
    part = b"<address-group>" + entries * 40_000 + b"</address-group>"
    assert len(by_name([part], b"address-group")[b"g"]) > 40_000_000


def test_a_list_of_groups_of_users_with_a_million_parts_is_not_searched() -> None:
    rules = (
        b"<security><rules><entry name='r'><source-user><member>ops</member></source-user>"
        b"</entry></rules></security>"
    )
    found = user_groups.ask(lambda _: b"<>xx" * 700_000, [rules], "vsys1")
    ((part, why),) = found.items()
    assert part == "user groups refused"
    assert b"more than 600000 parts" in why


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_what_is_just_small_enough_is_read_three_times(mock: PanosMock) -> None:
    """As an apply does; what was read before the push is kept for the way back."""

    def hostile(params: Mapping[str, str]) -> Answer | None:
        if params.get("action") == "show" and params.get("xpath") == VSYS:
            return answer("empty rules", 2 << 20)
        if "<changes>" in params.get("cmd", ""):
            return Answer(_PENDING)
        return None

    answering(mock, hostile)
    done = read_by_another_process(mock, times=3)
    assert done["read"] == 3, done
    assert float(str(done["peak"])) < MOST


_PENDING = (
    b'<response status="success"><result><journal><entry><xpath>/config/shared/tag</xpath>'
    b"<owner>jane</owner></entry></journal></result></response>"
)


def test_all_that_is_read_of_a_device_counts_together(mock: PanosMock) -> None:
    def hostile(params: Mapping[str, str]) -> Answer | None:
        where = params.get("xpath", "") if params.get("action") == "show" else ""
        if where == VSYS:
            return answer("rules", 5 << 20)
        return answer("text", 5 << 20) if where == "/config/shared" else None

    answering(mock, hostile)
    target = replace(target_of(mock), max_answer=9 << 20)
    with (
        PanosProvider().connect(target, read_only=True) as session,
        pytest.raises(ParseError, match=r"larger than 9 MiB \(segctl_max_answer_mb\)"),
    ):
        session.read()


@pytest.mark.parametrize("command", ["<config-locks>", "<system>", "<changes>", "predefined"])
def test_a_small_answer_with_a_million_parts_is_refused(command: str, mock: PanosMock) -> None:
    body = b'<response status="success"><result>' + b"<a/>" * 700_000 + b"</result></response>"
    mock.fail("body", contains=command, body=body)
    with pytest.raises(ParseError, match="more than 600000 parts"):
        PanosProvider().parse(_read(mock))


def test_an_answer_to_a_command_is_no_configuration(mock: PanosMock) -> None:
    mock.fail("endless", contains="<config-locks>", size=64 << 20)
    with pytest.raises(ParseError, match="larger than"):
        _read(mock)


def test_a_compressed_answer_is_not_unpacked(mock: PanosMock) -> None:
    bomb = gzip.compress(b"x" * (64 << 20))

    def hostile(params: Mapping[str, str]) -> Answer | None:
        headers = {"Content-Encoding": "gzip"}
        return Answer(bomb, headers=headers) if params.get("xpath") == VSYS else None

    answering(mock, hostile)
    with pytest.raises(ParseError, match="not in UTF-8"):
        PanosProvider().parse(_read(mock))


def _read(mock: PanosMock) -> bytes:
    with PanosProvider().connect(target_of(mock), read_only=True) as session:
        return session.read()


def test_the_bound_is_the_inventorys(mock: PanosMock) -> None:
    def hostile(params: Mapping[str, str]) -> Answer | None:
        shown = params.get("action") == "show" and params.get("xpath") == VSYS
        return answer("empty rules", 1 << 20) if shown else None

    answering(mock, hostile)
    target = replace(target_of(mock), max_answer=8 << 20)
    with PanosProvider().connect(target, read_only=True) as session:
        document = session.read()
    with pytest.raises(ParseError, match=r"more than 8 MiB of memory.*raise segctl_max_answer_mb"):
        PanosProvider().parse(document)
    assert Snapshot(host="", user="", scope="", parts={}).limit == MAX_ANSWER


def test_an_estimate_grows_with_each_part() -> None:
    budget = Budget("fw1", 4_000_000)
    budget.feed(b"<a/>" * 1000)
    budget.close(5000, None)
    budget.feed(b"<a/>" * 1000)
    with pytest.raises(ParseError, match="more than 3 MiB"):
        budget.close(5000, None)


# --- time ----------------------------------------------------------------------------------------

HANGS = (
    "keygen",
    "<system>",
    "<high-availability>",
    "<config-locks>",
    "commit-lock><add",
    "<save>",
    "multi-config",
    "<validate>",
    "<commit>",
    "<jobs><id>",
    "<remove>",
)


@pytest.mark.parametrize("where", HANGS)
def test_a_device_that_hangs_from_somewhere_on_is_given_up(where: str, mock: PanosMock) -> None:
    """Each request is given up by itself, and so is all that is tried after it."""
    target = replace(target_of(mock), timeout=0.5, commit_timeout=0.5)
    kinds = {"type": "keygen"} if where == "keygen" else {"contains": where}
    mock.fail("hang", seconds=600, times=10_000, **kinds)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - options of the fault
    with pytest.raises((ConnectError, UnknownError)):
        _apply(target)


def _apply(target: Target) -> None:
    session = PanosSession(target, read_only=False, progress=silent)
    try:
        session.read()
        with session.lock():
            session.read()
            session.push(_SCRIPT)
            session.confirm()
    finally:
        session.close()


_SCRIPT = (
    f'<segctl-push vsys="vsys1"><set xpath="{VSYS}/address"><entry name="a">'
    "<ip-netmask>10.0.0.1</ip-netmask></entry></set></segctl-push>"
)
