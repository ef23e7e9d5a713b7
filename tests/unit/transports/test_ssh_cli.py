"""Interactive command lines, against terminals that do what appliances do."""

from __future__ import annotations

import re
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from segctl.model.errors import (
    ApplyError,
    AuthError,
    ConnectError,
    ParseError,
    UnsupportedError,
)
from segctl.transports.cli_dialects import CISCO_ASA, FORTINET, JUNIPER_JUNOS
from segctl.transports.credentials import Secret
from segctl.transports.ssh_cli import CliSession
from segctl.transports.target import Target
from support.appliances import (
    ASA,
    CUT,
    ENABLE,
    FORTI,
    HANG,
    JUNOS,
    KEY,
    OTHER_KEY,
    PASSWORD,
    Appliance,
    Later,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from segctl.transports.cli_dialects import Dialect

READERS = (re.compile(r"show [a-z -]+"),)
LISTING = "".join(f"rule {number}\n" for number in range(100))
PLATFORMS = {"asa": (ASA, CISCO_ASA), "fortios": (FORTI, FORTINET), "junos": (JUNOS, JUNIPER_JUNOS)}
DIALECTS = {style.pager: dialect for style, dialect in PLATFORMS.values()}
every_platform = pytest.mark.parametrize("platform", PLATFORMS)


def target_of(appliance: Appliance) -> Target:
    return Target(
        name="fw1",
        host="127.0.0.1",
        port=appliance.port,
        user="operator",
        password=Secret(PASSWORD),
        ssh_fingerprint=str(KEY.get_fingerprint()),
        timeout=60,
    )


@contextmanager
def session(
    appliance: Appliance, *, read_only: bool = True, **fields: Any
) -> Generator[CliSession]:
    target = replace(target_of(appliance), **fields)
    dialect: Dialect = DIALECTS[appliance.style.pager]
    made = CliSession(
        target, dialect, read_only=read_only, readers=READERS, progress=lambda _: None
    )
    try:
        yield made
    finally:
        made.close()


@contextmanager
def logged_in(
    platform: str = "asa", *, read_only: bool = True, given: Any = None, **fields: Any
) -> Generator[tuple[CliSession, Appliance]]:
    appliance = Appliance(style=PLATFORMS[platform][0], **fields)
    with (
        appliance.serving(),
        session(appliance, read_only=read_only, **(given or {})) as made,
    ):
        yield made, appliance


def closed(appliance: Appliance) -> bool:
    return appliance.closed.wait(20)


def commands(appliance: Appliance) -> list[str]:
    """Return what was typed but for lines that do nothing."""
    return [line for line in appliance.lines if line and not re.fullmatch("[!#][0-9a-f]{8}", line)]


# --- what is typed without being asked -----------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "allowed"),
    [
        ("asa", []),
        ("fortios", []),
        (
            "junos",
            [
                "set cli screen-width 511",
                "set cli complete-on-space off",
                "set cli screen-length 0",
            ],
        ),
    ],
)
def test_a_login_and_a_logout_type_nothing_but_what_is_for_the_session(
    platform: str, allowed: list[str]
) -> None:
    with logged_in(platform) as (made, appliance):
        made.close()
        assert closed(appliance)
        assert commands(appliance) == allowed
        typed = bytes(appliance.typed).decode().split("\n")
        assert [line for line in typed if line.strip()] == [
            line for line in appliance.lines if line
        ]


def test_more_rights_bring_what_is_for_the_session_once() -> None:
    with logged_in() as (made, appliance):
        made.elevate("enable", Secret(ENABLE), then="enable")
        assert made.mode == "enable"
        assert commands(appliance) == ["enable", "terminal pager 0"]


def test_a_device_whose_key_exchanges_are_of_today() -> None:
    with logged_in("fortios", exchanges=["ecdh-sha2-nistp256"]) as (made, _):
        assert made.mode == "exec"


# --- listings ------------------------------------------------------------------------------------


@every_platform
def test_a_listing_is_what_stands_between_the_command_and_the_prompt(platform: str) -> None:
    with logged_in(platform, listings={"show rules": ["a\n\n  b \n"]}) as (made, _):
        assert made.run("show rules") == "a\n\n  b "
        assert made.run("show rules") == "a\n\n  b "


@pytest.mark.parametrize("platform", ["asa", "fortios"])
def test_pages_are_turned_and_pagers_taken_out(platform: str) -> None:
    with logged_in(platform, listings={"show rules": [LISTING]}) as (made, appliance):
        assert made.run("show rules") == LISTING.rstrip("\n")
        assert appliance.typed.count(b" ") == len(["show", "rules"]) - 1 + 4


@pytest.mark.parametrize("platform", ["asa", "fortios"])
def test_text_that_looks_like_a_pager_stays(platform: str) -> None:
    text = PLATFORMS[platform][0].pager
    listing = ["a\n", text, 0.4, "\nb\n"]
    with logged_in(platform, listings={"show rules": listing}) as (made, _):
        assert made.run("show rules") == f"a\n{text}\nb"


@every_platform
def test_text_that_looks_like_a_prompt_ends_nothing(platform: str) -> None:
    prompt = {"asa": "fw1> ", "fortios": "FGT1 # ", "junos": "op@srx1> "}[platform]
    listing = ["a\n", prompt, 0.4, "\nb\n"]
    with logged_in(platform, listings={"show rules": listing}) as (made, _):
        assert made.run("show rules") == f"a\n{prompt}\nb"
        assert made.run("show rules") == f"a\n{prompt}\nb"


def test_nor_do_two_of_them_where_the_proof_is_a_number_nobody_knows() -> None:
    listing = ["a\n", "fw1> \nfw1> ", 0.4, "\nb\n"]
    with logged_in(listings={"show rules": listing}) as (made, _):
        assert made.run("show rules") == "a\nfw1> \nfw1> \nb"


def test_a_message_of_the_day_that_looks_like_a_prompt() -> None:
    with logged_in(motd=["Welcome to\nbogus# ", 0.4, "\nType help\n"]) as (made, appliance):
        assert made.mode == "user"
        made.elevate("enable", Secret(ENABLE), then="enable")
        assert commands(appliance) == ["enable", "terminal pager 0"]


def test_a_banner_that_waits_for_a_key() -> None:
    banner = "Authorised users only\r\n(Press 'a' to accept): "
    with logged_in("fortios", accept=banner) as (made, appliance):
        assert made.mode == "exec"
        assert commands(appliance) == []


def test_a_slow_answer_is_waited_for() -> None:
    listing = [part for number in range(8) for part in (f"rule {number}\n", 0.15)]
    with logged_in(listings={"show rules": listing}) as (made, _):
        assert made.run("show rules").splitlines() == [f"rule {number}" for number in range(8)]


@every_platform
def test_a_line_that_is_broken_at_the_edge_of_the_terminal(platform: str) -> None:
    command = "show rules " + "and-more-" * 9 + "words"
    with logged_in(platform, width=40, listings={command: ["a\n"]}) as (made, _):
        assert made.run(command) == "a"


def test_a_line_of_which_the_terminal_shows_a_part() -> None:
    command = "show rules " + "and-more-" * 9 + "words"
    with logged_in(width=40, scroll=True, listings={command: ["a\n"]}) as (made, appliance):
        with pytest.raises(ParseError, match=r"'show rules …' as it was sent"):
            made.run(command)
        assert closed(appliance)


def test_a_device_that_does_not_repeat_what_is_typed() -> None:
    appliance = Appliance(repeats=False)
    with appliance.serving():
        with (
            pytest.raises(ConnectError, match=r"no prompt within \d"),
            session(appliance, timeout=2),
        ):
            pass
        assert closed(appliance)


def test_what_nobody_asked_for_is_not_part_of_an_answer() -> None:
    listing = ["a\n", Later("another administrator says hello\r\n", 0.5)]
    with logged_in(listings={"show rules": listing}) as (made, appliance):
        assert made.run("show rules") == "a"
        time.sleep(1)  # the message is to come between two commands
        with pytest.raises(ParseError, match="other output came in between"):
            made.run("show rules")
        assert closed(appliance)


# --- bounds --------------------------------------------------------------------------------------


def test_an_answer_without_end() -> None:
    listing = ["rule\n" * 1000 for _ in range(400)]
    with logged_in(rows=0, listings={"show rules": listing}) as (made, appliance):
        with pytest.raises(ParseError, match=r"more than 0\.5 MB \(segctl_max_answer_mb\)"):
            made.run("show rules", limit=2**19)
        assert closed(appliance)


def test_an_answer_that_takes_too_long() -> None:
    listing = [part for _ in range(600) for part in ("rule\n", 0.1)]
    with logged_in(rows=0, listings={"show rules": listing}) as (made, appliance):
        with pytest.raises(ConnectError, match=r"no prompt within 1s \(segctl_commit_timeout\)"):
            made.run("show rules", timeout=1)
        assert closed(appliance)


def test_a_server_that_never_prompts() -> None:
    appliance = Appliance(motd=["Welcome\n"], prompting=False)
    with appliance.serving():
        with (
            pytest.raises(ConnectError, match=r"no prompt within \d.* \(segctl_timeout\)"),
            session(appliance, timeout=1),
        ):
            pass
        assert closed(appliance)
        assert appliance.typed == b""


def test_a_command_that_asks_back() -> None:
    listing = ["System configuration has been modified. Save? [yes/no]: ", HANG]
    with logged_in(listings={"show rules": listing}) as (made, appliance):
        with pytest.raises(ConnectError, match=r"it asks System .* Save\? \[yes/no\]:"):
            made.run("show rules", timeout=1)
        assert closed(appliance)


def test_the_line_drops_in_the_middle() -> None:
    with logged_in(listings={"show rules": ["a\n", 0.1, CUT]}) as (made, _):
        with pytest.raises(ConnectError, match="the connection ended during a command"):
            made.run("show rules")
        with pytest.raises(ConnectError, match="closed: nothing was sent"):
            made.run("show rules")


def test_text_in_no_encoding_of_today() -> None:
    with (
        logged_in(listings={"show rules": [b"\xff\xfe\r\n"]}) as (made, _),
        pytest.raises(ParseError, match="not UTF-8"),
    ):
        made.run("show rules")


def test_an_interrupt_leaves_no_session() -> None:
    with logged_in(listings={"show rules": ["a\n", HANG]}) as (made, appliance):

        def interrupt() -> None:
            while "show rules" not in appliance.lines:
                time.sleep(0.01)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            made.run("show rules")
        thread.join()
        assert closed(appliance)


# --- who it is, and who we are -------------------------------------------------------------------


def test_a_changed_host_key_gets_no_password(tmp_path: Path) -> None:
    appliance = Appliance(key=OTHER_KEY)
    known = tmp_path / "known_hosts"
    with appliance.serving():
        known.write_bytes(b"[127.0.0.1]:%d %s" % (appliance.port, KEY.export_public_key("openssh")))
        with (
            pytest.raises(ConnectError, match="its host key changed"),
            session(appliance, ssh_fingerprint="", known_hosts=(known,)),
        ):
            pass
        with pytest.raises(ConnectError, match="not the pinned"), session(appliance):
            pass
    assert (appliance.logins, bytes(appliance.typed)) == (0, b"")


def test_a_known_host_key(tmp_path: Path) -> None:
    appliance = Appliance()
    known = tmp_path / "known_hosts"
    with appliance.serving():
        known.write_bytes(b"[127.0.0.1]:%d %s" % (appliance.port, KEY.export_public_key("openssh")))
        with session(appliance, ssh_fingerprint="", known_hosts=(known,)) as made:
            assert made.mode == "user"


def test_a_wrong_password() -> None:
    appliance = Appliance()
    with (
        appliance.serving(),
        pytest.raises(AuthError, match="refuses the account"),
        session(appliance, password=Secret("wrong")),
    ):
        pass


def test_a_wrong_second_password_is_given_once() -> None:
    with logged_in() as (made, appliance):
        with pytest.raises(AuthError, match="this password is wrong"):
            made.elevate("enable", Secret("wrong"), then="enable")
        assert closed(appliance)
        assert appliance.typed.count(b"wrong") == 1


def test_rights_that_are_not_given_without_a_question() -> None:
    with logged_in(listings={"enable": ["% Error in authentication\n"]}) as (made, appliance):
        with pytest.raises(AuthError, match="does not give 'operator' the rights"):
            made.elevate("enable", Secret(ENABLE), then="enable")
        assert closed(appliance)


# --- what may be typed ---------------------------------------------------------------------------


@every_platform
def test_a_read_only_session_types_only_what_reads(platform: str) -> None:
    with logged_in(platform) as (made, appliance):
        before = bytes(appliance.typed)
        for command in ("configure terminal", "show rules | redirect flash:x", "show"):
            with pytest.raises(ApplyError, match="read-only: nothing was sent"):
                made.run(command)
        assert appliance.typed == before


@pytest.mark.parametrize(
    "command",
    ["", "show a\nreload", "show a\rreload", "sh\t", "show ?", "show \x03", "show ä", "x" * 481],
)
def test_what_a_terminal_takes_for_its_own_is_not_typed(command: str) -> None:
    with logged_in(read_only=False) as (made, appliance):
        before = bytes(appliance.typed)
        with pytest.raises(UnsupportedError, match="must not be typed"):
            made.run(command)
        assert appliance.typed == before


@pytest.mark.parametrize(
    ("platform", "enter", "line", "leave", "home"),
    [
        ("asa", "configure terminal", "access-list x remark y", "end", "enable"),
        ("fortios", "config firewall policy", "set name x", "end", "exec"),
        ("junos", "configure", "set applications x", "exit configuration-mode", "operational"),
    ],
)
def test_modes_are_seen_by_their_prompts(
    platform: str, enter: str, line: str, leave: str, home: str
) -> None:
    with logged_in(platform, read_only=False) as (made, _):
        if platform == "asa":
            made.elevate("enable", Secret(ENABLE), then="enable")
        assert made.mode == home
        assert made.run(enter, then="config") == ""
        assert made.run(line) == ""
        assert made.mode == "config"
        assert made.run(leave, then=home) == ""


def test_a_mode_nobody_expected() -> None:
    with logged_in("fortios", read_only=False) as (made, _):
        with pytest.raises(
            ApplyError, match="shows mode config after 'config firewall …', not exec"
        ):
            made.run("config firewall policy")
        assert made.mode == "config"


# --- what a device refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "said"),
    [
        ("asa", "ERROR: % Invalid input detected at"),
        ("fortios", "command parse error before 'nonsense'"),
        ("junos", "unknown command."),
    ],
)
def test_a_refused_command(platform: str, said: str) -> None:
    with logged_in(platform, read_only=False, listings={"show rules": ["a\n"]}) as (made, _):
        with pytest.raises(ApplyError, match=rf"refuses 'nonsense a …': {re.escape(said)}"):
            made.run("nonsense a secret")
        with pytest.raises(ParseError, match=r"refuses 'show nonsense'"):
            made.run("show nonsense")
        assert made.run("show rules") == "a"


@pytest.mark.parametrize(
    ("platform", "line"),
    [
        ("asa", "Command authorization failed"),
        ("fortios", "You have no permission to do this"),
        ("junos", "error: permission denied: rules"),
    ],
)
def test_a_command_that_the_account_may_not_run(platform: str, line: str) -> None:
    with (
        logged_in(platform, listings={"show rules": [f"{line}\n"]}) as (made, _),
        pytest.raises(AuthError, match="does not let 'operator' run 'show rules'"),
    ):
        made.run("show rules")


def test_a_listing_may_speak_of_errors() -> None:
    listing = f"{LISTING}ERROR: is what this remark begins with\n{LISTING}"
    with logged_in(listings={"show rules": [listing]}) as (made, _):
        assert made.run("show rules") == listing.rstrip("\n")


def test_what_was_typed_to_change_something_may_not() -> None:
    listing = f"{LISTING}ERROR: no room for more\n{LISTING}"
    with (
        logged_in(read_only=False, listings={"write rules": [listing]}) as (made, _),
        pytest.raises(ApplyError, match="refuses 'write rules': ERROR: no room for more"),
    ):
        made.run("write rules")


# --- transcripts ---------------------------------------------------------------------------------


def test_a_transcript_repeats_nothing(tmp_path: Path) -> None:
    """Neither what is typed nor what is answered, whatever stands in it."""
    listing = [f"user {PASSWORD}\n\x1b[2Ja \x07b\nremark hidden\n"]
    given: dict[str, Any] = {"transcript": tmp_path / "t"}
    with logged_in(given=given, listings={"show rules": listing}) as (made, _):
        made.elevate("enable", Secret(ENABLE), then="enable")
        made.run("show rules", label="rules")
    text = (tmp_path / "t" / "fw1.txt").read_text()
    lines = [line.split(" ", 1)[1] for line in text.splitlines()]
    said = [re.sub(r"[0-9.]+ s$|[0-9]+ characters", "…", line) for line in lines]
    assert {"fw1 more rights", "fw1 rules"} <= {one.partition(":")[0] for one in said}
    for hidden in (PASSWORD, ENABLE, "hidden", "show rules", "pager", "\x1b"):
        assert hidden not in text


def test_no_transcript_no_session(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a file")
    appliance = Appliance()
    with (
        appliance.serving(),
        pytest.raises(ConnectError, match="cannot be written"),
        session(appliance, transcript=tmp_path / "t"),
    ):
        pass
    assert appliance.logins == 0


def test_steps_are_told() -> None:
    told: list[str] = []
    appliance = Appliance()
    keep: Callable[[str], None] = told.append
    with appliance.serving():
        CliSession(
            target_of(appliance), CISCO_ASA, read_only=True, readers=READERS, progress=keep
        ).close()
    assert told == ["connecting"]
