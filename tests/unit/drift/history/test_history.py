"""The history: what is open since when, whoever looks and in whatever order."""

from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, func, inspect, select, update

from segctl.drift.history import (
    Filter,
    Observation,
    Recorded,
    Run,
    Seen,
    claim,
    entries,
    give_back,
    locate,
    opened,
    record,
    shown,
    standing,
)
from segctl.drift.history.model import CALM
from segctl.drift.history.tables import METADATA, STEPS, VERSION, items, runs, schema
from segctl.model.errors import HistoryError, UsageError
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from support.postgresql import Cluster

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLL = Seen(kind="rule", name="poll", state="changed", fingerprint="sha256:1")
WEB = Seen(kind="rule", name="web", state="missing", fingerprint="sha256:2")


def seen(
    *drifted: Seen, device: str = "fw1", environment: str = "plant", serial: str = "1"
) -> Observation:
    return Observation(
        environment=environment,
        device=device,
        status="drift" if any(not item.owner for item in drifted) else "in_sync",
        platform="panos",
        serial=serial,
        items=drifted,
    )


def unread(device: str = "fw1") -> Observation:
    return Observation(environment="plant", device=device, status="error", error="unreachable")


def run(hour: float, *observations: Observation) -> Run:
    started = NOON + hour * HOUR
    return Run(
        started=started,
        finished=started + timedelta(seconds=5),
        runner="here",
        commit="",
        observations=observations,
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Secret:
    if request.param == "sqlite":
        return Secret(f"sqlite:///{tmp_path / 'h' / 'history.db'}")
    cluster: Cluster = request.getfixturevalue("postgresql")
    name = "".join(letter for letter in request.node.name.lower() if letter.isalnum())
    return Secret(cluster.fresh(name))


def test_items_open_last_change_and_are_resolved(url: Secret) -> None:
    with opened(url) as engine:
        assert record(engine, run(0, seen(POLL, WEB))).new == (
            ("fw1", "rule", "poll"),
            ("fw1", "rule", "web"),
        )
        other = Seen(kind="rule", name="poll", state="moved", fingerprint="sha256:3")
        assert record(engine, run(1, seen(POLL, WEB))) == Recorded()
        assert record(engine, run(2, seen(other))) == Recorded(
            changed=(("fw1", "rule", "poll"),), resolved=(("fw1", "rule", "web"),)
        )
        (poll,) = entries(engine)
        assert (poll.state, poll.first_seen, poll.last_seen) == ("moved", NOON, NOON + 2 * HOUR)
        both = entries(engine, Filter(resolved=True))
        assert [(item.name, item.resolved) for item in both] == [
            ("poll", None),
            ("web", NOON + 2 * HOUR),
        ]
        # what comes back is new
        record(engine, run(3, seen(other, WEB)))
        again = entries(engine)[1]
        assert (again.name, again.first_seen) == ("web", NOON + 3 * HOUR)


def test_who_changed_it_stays_as_long_as_the_difference(url: Secret) -> None:
    def by(admin: str, mark: str = "1") -> Seen:
        return Seen(
            kind="rule",
            name="poll",
            state="changed",
            fingerprint=f"sha256:{mark}",
            changed_by=admin,
            changed_at="2026-11-22 11:00:00" if admin else "",
        )

    with opened(url) as engine:
        record(engine, run(0, seen(by("ana"))))
        record(engine, run(1, seen(by(""))))  # the log has rotated
        assert [item.changed_by for item in entries(engine)] == ["ana"]
        record(engine, run(2, seen(by("", "2"))))  # somebody else's difference
        assert [item.changed_by for item in entries(engine)] == [""]


def test_a_device_that_cannot_be_read_resolves_nothing(url: Secret) -> None:
    with opened(url) as engine:
        record(engine, run(0, seen(POLL)))
        assert record(engine, run(1, unread())) == Recorded()
        (poll,) = entries(engine)
        assert (poll.last_seen, poll.resolved) == (NOON, None)
        assert standing(engine, ["plant"]).failed == ("plant/fw1",)
        assert record(engine, run(2, seen())).resolved == (("fw1", "rule", "poll"),)
        assert standing(engine, ["plant"]).digest == CALM


def test_a_run_that_began_earlier_changes_nothing(url: Secret) -> None:
    with opened(url) as engine:
        record(engine, run(1, seen(POLL)))
        late = record(engine, run(0, seen(WEB), seen(WEB, device="fw2")))
        assert late.outdated == ("fw1",)
        assert [(item.device, item.name) for item in entries(engine)] == [
            ("fw1", "poll"),
            ("fw2", "web"),
        ]


def test_environments_are_apart(url: Secret) -> None:
    with opened(url) as engine:
        record(engine, run(0, seen(POLL), seen(POLL, environment="b")))
        done = record(engine, run(1, seen()))
        assert done.resolved == (("fw1", "rule", "poll"),)
        assert [item.environment for item in entries(engine)] == ["b"]
        assert entries(engine, Filter(environment="plant")) == ()
        assert standing(engine, ["plant"]).digest == CALM


def test_another_serial_number_is_told(url: Secret) -> None:
    with opened(url) as engine:
        assert record(engine, run(0, seen(serial="1"))).replaced == ()
        assert record(engine, run(1, unread())).replaced == ()
        assert record(engine, run(2, seen(serial="2"))).replaced == ("fw1",)


def test_entries_are_filtered(url: Secret) -> None:
    with opened(url) as engine:
        record(engine, run(0, seen(POLL), seen(WEB, device="fw2")))
        record(engine, run(5, seen(), seen(WEB, device="fw2")))
        record(engine, run(9, seen(), unread("fw2")))
        assert [e.name for e in entries(engine, Filter(device="fw2"))] == ["web"]
        since = Filter(since=NOON + 5 * HOUR, resolved=True)
        assert [e.name for e in entries(engine, since)] == ["poll", "web"]
        later = Filter(since=NOON + 6 * HOUR, resolved=True)
        assert entries(engine, later) == ()


def test_what_is_old_and_resolved_is_dropped(url: Secret) -> None:
    with opened(url) as engine:
        record(engine, run(0, seen(POLL, WEB)))
        record(engine, run(1, seen(WEB)))
        record(engine, run(24 * 8, seen(WEB)), keep_days=7)
        assert [e.name for e in entries(engine, Filter(resolved=True))] == ["web"]
        with engine.begin() as connection:
            assert connection.execute(select(func.count()).select_from(runs)).scalar_one() == 1


def test_accepted_items_do_not_stand(url: Secret) -> None:
    accepted = Seen(
        kind="rule",
        name="poll",
        state="changed",
        fingerprint="sha256:1",
        owner="ops",
        expires="2027-01-31",
    )
    with opened(url) as engine:
        record(engine, run(0, seen(accepted)))
        assert standing(engine, ["plant"]).digest == CALM
        record(engine, run(1, seen(POLL)))
        assert standing(engine, ["plant"]).digest != CALM
        (poll,) = entries(engine)
        assert (poll.first_seen, poll.owner) == (NOON, "")


def test_runners_at_the_same_time_make_no_duplicates(url: Secret) -> None:
    """Four runners begin on an empty database, which each of them would make."""
    barrier, problems = threading.Barrier(4), list[BaseException]()

    def runner(number: int) -> None:
        try:
            barrier.wait()
            for round_ in range(5):
                drifted = (POLL, WEB) if (number + round_) % 2 else (WEB,)
                with opened(url) as engine:
                    hour = round_ + number / 10
                    record(engine, run(hour, seen(*drifted), seen(POLL, device="fw2")))
        except BaseException as error:  # noqa: BLE001 - told below
            problems.append(error)

    threads = [threading.Thread(target=runner, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with opened(url) as engine:
        found = [(item.device, item.name) for item in entries(engine)]
        assert len(found) == len(set(found))
        assert set(found) >= {("fw1", "web"), ("fw2", "poll")}
        with engine.begin() as connection:
            assert connection.execute(select(func.count()).select_from(runs)).scalar_one() == 20


def test_a_change_is_told_once_and_again_until_it_has_arrived(url: Secret) -> None:
    with opened(url) as engine:
        assert claim(engine, "room", CALM, NOON) is None
        before = claim(engine, "room", "x", NOON)
        assert before == CALM
        assert claim(engine, "room", "x", NOON) is None  # another runner tells it
        give_back(engine, "room", "x", NOON, delivered=False, before=CALM)
        assert claim(engine, "room", "x", NOON) == CALM
        give_back(engine, "room", "x", NOON, delivered=True, before=CALM)
        assert claim(engine, "room", "x", NOON) is None
        assert claim(engine, "other", "x", NOON) == CALM
        # a runner that died while it told
        assert claim(engine, "room", "y", NOON) == "x"
        assert claim(engine, "room", "y", NOON + HOUR) == "x"


def test_an_older_schema_is_brought_up(url: Secret) -> None:
    with opened(url) as engine:
        record(engine, run(0, seen(POLL)))
        with engine.begin() as connection:
            METADATA.drop_all(connection, tables=[t for step in STEPS[1:] for t in step])
            connection.execute(update(schema).values(version=1))
    with opened(url) as engine:
        assert [item.name for item in entries(engine)] == ["poll"]
        assert claim(engine, "room", "x", NOON) == CALM
        with engine.begin() as connection:
            assert connection.execute(select(schema.c.version)).scalar_one() == VERSION


def test_a_newer_schema_is_refused(url: Secret) -> None:
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(update(schema).values(version=VERSION + 1))
    with pytest.raises(HistoryError, match="a newer segctl created"), opened(url):
        pass


def test_an_item_can_be_open_only_once(url: Secret) -> None:
    with opened(url) as engine, engine.begin() as connection:
        (index,) = [
            found
            for found in inspect(connection).get_indexes(items.name)
            if found["name"] == "segctl_open_once"
        ]
        assert index["unique"]


def test_sqlite_is_for_its_owner_only(tmp_path: Path) -> None:
    with opened(Secret(str(tmp_path / "a" / "h.db"))) as engine:
        record(engine, run(0, seen(POLL)))
        for path in (tmp_path / "a").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://root:geheim@db/x", "SQLite or PostgreSQL, not in mysql"),
        ("postgresql://u:geheim@[::1/x", "not a URL"),
        ("postgresql://u:geheim@/x?host=/nowhere", "history postgresql:///x: "),
        ("sqlite:////proc/nowhere/h.db", "history /proc/nowhere"),
    ],
)
def test_what_cannot_be_opened_is_said_without_the_password(url: str, message: str) -> None:
    with pytest.raises(HistoryError) as caught, opened(Secret(url)):
        pass
    assert message in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None or "geheim" not in str(caught.value.__cause__)


def test_a_wrong_password_is_not_repeated(postgresql: Cluster) -> None:
    wrong = Secret(postgresql.url(password="falsch1"))
    with pytest.raises(HistoryError, match="password auth") as caught, opened(wrong):
        pass
    assert "falsch1" not in str(caught.value)


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "h.db").write_bytes(b"not a database, whatever its name" * 100)
    with pytest.raises(HistoryError, match="not a database"), opened(Secret(f"{tmp_path}/h.db")):
        pass


def test_sqlite_waits_for_another_runner(tmp_path: Path) -> None:
    url = Secret(str(tmp_path / "h.db"))
    with opened(url) as engine, opened(url) as other:
        with engine.begin() as connection:
            connection.execute(select(func.count()).select_from(runs))
            thread = threading.Thread(target=record, args=(other, run(0, seen(POLL))))
            thread.start()
        thread.join()
        assert [item.name for item in entries(engine)] == ["poll"]


def test_where_the_history_is(tmp_path: Path) -> None:
    def found(option: str | None = None, **env: str) -> str:
        return locate(option, {"HOME": "/home/ana", **env}).reveal()

    secret = tmp_path / "url"
    secret.write_text("postgresql://u:p@h/d\n", encoding="utf-8")
    secret.chmod(0o600)
    assert found() == "sqlite:////home/ana/.local/state/segctl/history.db"
    assert found(XDG_STATE_HOME="/s") == "sqlite:////s/segctl/history.db"
    assert found(XDG_STATE_HOME="s") == "sqlite:////home/ana/.local/state/segctl/history.db"
    assert found(SEGCTL_HISTORY_FILE=str(secret)) == "postgresql://u:p@h/d"
    assert found(SEGCTL_HISTORY="x.db", SEGCTL_HISTORY_FILE=str(secret)) == "x.db"
    assert found("y.db", SEGCTL_HISTORY="x.db") == "y.db"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://u:p@h:5432/d?sslmode=verify-full&password=p", "postgresql://h:5432/d"),
        ("sqlite:////var/lib/h.db", "sqlite:////var/lib/h.db"),
        ("h.db", "h.db"),
    ],
)
def test_a_url_is_shown_without_what_is_secret(url: str, text: str) -> None:
    assert shown(Secret(url)) == text


@pytest.mark.parametrize(
    "rest",
    [
        *("u:p@geheim@h.invalid/db", "u%3Ageheim%40h.invalid/db", "h.invalid%2Fgeheim/db"),
        *("h.invalid/db;password=geheim", "h.invalid/db&password=geheim", "geheim/x@h.invalid/db"),
        *("[u:geheim]/db", "h.invalid,geheim/db", "u:a/geheim@127.0.0.1:1/db"),
        *("127.0.0.1:1/db?service=geheim", "127.0.0.1:1/db?sslmode=geheim"),
        *("127.0.0.1:1/db?password=geheim", "127.0.0.1:1/db?host=u:geheim@127.0.0.1"),
    ],
)
def test_what_may_be_a_part_of_a_password_is_not_repeated(rest: str) -> None:
    """Whether a sign in it was not quoted, or one that separates parts was."""
    url = Secret(f"postgresql://{rest}")
    with pytest.raises(HistoryError) as caught, opened(url, patience=2):
        pass
    assert "geheim" not in f"{caught.value}{shown(url)}"


@pytest.mark.parametrize("address", ["u%3Ageheim%40h/db", "postgresql\uff1a//u\uff1ageheim\uff20h"])
def test_what_may_be_an_address_becomes_no_file(address: str) -> None:
    with pytest.raises(UsageError, match="neither a URL nor a plain path") as caught:
        locate(address)
    assert "geheim" not in str(caught.value)


def test_the_tables_are_plain_sql(tmp_path: Path) -> None:
    """Others may read them: times are UTC, a row a item."""
    with opened(Secret(f"{tmp_path}/h.db")) as engine:
        record(engine, run(0, seen(POLL)))
    plain = create_engine(f"sqlite:///{tmp_path}/h.db")
    with plain.connect() as connection:
        row = connection.exec_driver_sql("SELECT name, first_seen FROM segctl_items").one()
    plain.dispose()
    assert row == ("poll", "2026-11-22 12:00:00.000000")
