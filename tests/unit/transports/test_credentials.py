"""Secrets come from where they may, in order, and are shown nowhere."""

from __future__ import annotations

import os
import pickle
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from segctl.model.errors import AuthError, UsageError
from segctl.transports.credentials import Login, Secret, login, secret_in
from segctl.transports.target import Target

if TYPE_CHECKING:
    from pathlib import Path


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("hunter2")
    account = Login(user="me", password=secret)
    target = Target(name="fw1", host="192.0.2.1", password=secret)
    for text in (
        str(secret),
        repr(secret),
        f"{secret}",
        repr(account),
        repr(target),
        f"{[secret]}",
    ):
        assert "hunter2" not in text
    assert secret.reveal() == "hunter2"


def test_a_secret_does_not_travel() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("hunter2"))


def test_secrets_compare_by_what_they_hold() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize(
    ("environment", "user", "password"),
    [
        ({}, "inventory-user", "inventory"),
        ({"SEGCTL_USER": "any"}, "any", "inventory"),
        ({"SEGCTL_USER": "any", "SEGCTL_USER_CORE_FW_1": "own"}, "own", "inventory"),
        ({"SEGCTL_PASSWORD": "any"}, "inventory-user", "any"),
        ({"SEGCTL_PASSWORD": "any", "SEGCTL_PASSWORD_CORE_FW_1": "own"}, "inventory-user", "own"),
        ({"SEGCTL_PASSWORD": ""}, "inventory-user", "inventory"),
    ],
)
def test_the_environment_comes_before_the_inventory(
    environment: dict[str, str], user: str, password: str
) -> None:
    found = login(
        "core-fw.1", user="inventory-user", password=Secret("inventory"), environment=environment
    )
    assert (found.user, found.password.reveal()) == (user, password)


def test_a_file_comes_before_the_inventory(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.touch(mode=0o600)
    path.write_text("from the file\n", encoding="utf-8")
    environment = {"SEGCTL_PASSWORD_FILE": str(path)}
    found = login("fw1", user="me", password=Secret("inventory"), environment=environment)
    assert found.password.reveal() == "from the file"
    environment |= {"SEGCTL_PASSWORD": "said aloud"}
    assert login("fw1", user="me", environment=environment).password.reveal() == "said aloud"


def test_a_host_called_file_is_not_sent_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("from-file\n", encoding="utf-8")
    path.chmod(0o600)
    environment = {"SEGCTL_USER": "robot", "SEGCTL_PASSWORD_FILE": str(path)}
    assert login("file", environment=environment).password.reveal() == "from-file"


def test_a_file_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("secret", encoding="utf-8")
    path.chmod(0o640)
    with pytest.raises(AuthError, match="chmod 600") as caught:
        login("fw1", user="me", environment={"SEGCTL_PASSWORD_FILE": str(path)})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", [None, "", "\n", b"\xff\xfe"])
def test_a_file_without_a_password_says_so(tmp_path: Path, text: str | bytes | None) -> None:
    path = tmp_path / "password"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
    with pytest.raises(AuthError, match="SEGCTL_PASSWORD_FILE"):
        login("fw1", user="me", environment={"SEGCTL_PASSWORD_FILE": str(path)})


def test_who_has_no_user_or_password_is_told_where_to_put_one() -> None:
    with pytest.raises(AuthError, match="SEGCTL_USER_CORE_FW"):
        login("core-fw", password=Secret("x"), environment={})
    with pytest.raises(AuthError, match="SEGCTL_PASSWORD_CORE_FW"):
        login("core-fw", user="me", environment={})


def test_the_keyring_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = ModuleType("keyring")
    asked: list[tuple[str, str]] = []

    def get_password(service: str, name: str) -> str | None:
        asked.append((service, name))
        return "ring" if name == "me@fw1" else None

    vars(ring)["get_password"] = get_password
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert login("fw1", user="me", environment={}).password.reveal() == "ring"
    assert (
        login("fw1", user="me", password=Secret("own"), environment={}).password.reveal() == "own"
    )
    with pytest.raises(AuthError):
        login("fw2", user="me", environment={})
    assert asked == [("segctl", "me@fw1"), ("segctl", "me@fw2")]


def test_a_keyring_that_breaks_when_it_is_loaded_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keyring.py").write_text("raise RuntimeError('cannot open with geheim')", "utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    with pytest.raises(AuthError, match=r"does not respond \(RuntimeError\)") as caught:
        login("fw1", user="me", environment={})
    assert "geheim" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_keyring_that_is_locked_is_an_error_of_the_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ring = ModuleType("keyring")

    def get_password(_service: str, _name: str) -> str | None:
        raise RuntimeError("the keyring is locked")

    vars(ring)["get_password"] = get_password
    monkeypatch.setitem(sys.modules, "keyring", ring)
    with pytest.raises(AuthError, match="keyring"):
        login("fw1", user="me", environment={})


def test_where_there_is_no_keyring_a_key_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is installed, and the machine has nothing that keeps secrets."""
    ring = ModuleType("keyring")

    class NoKeyringError(RuntimeError):
        pass

    def get_password(_service: str, _name: str) -> str | None:
        raise NoKeyringError

    vars(ring)["get_password"] = get_password
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert login("fw1", user="me", key_file="key", environment={}).password.reveal() == ""
    with pytest.raises(AuthError, match="no password for me: set SEGCTL_PASSWORD_FW1"):
        login("fw1", user="me", environment={})


def test_the_library_itself_is_asked() -> None:
    """`make oldest` installs it, at its floor."""
    keyring: Any = pytest.importorskip("keyring", reason="the extra keyring is not installed")
    backend: Any = import_module("keyring.backend")
    errors: Any = import_module("keyring.errors")
    fail: Any = import_module("keyring.backends.fail")

    class Ring(backend.KeyringBackend):  # type: ignore[misc] # the library is not installed here
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            if username == "locked@fw1":
                raise errors.KeyringLocked("it is opened with geheim")
            return "ring" if (service, username) == ("segctl", "me@fw1") else None

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

        def delete_password(self, service: str, username: str) -> None:
            raise NotImplementedError

    before = keyring.get_keyring()
    try:
        keyring.set_keyring(Ring())
        assert login("fw1", user="me", environment={}).password.reveal() == "ring"
        with pytest.raises(AuthError, match="no password for me"):
            login("fw2", user="me", environment={})
        with pytest.raises(AuthError, match=r"does not respond \(KeyringLocked\)") as locked:
            login("fw1", user="locked", environment={})
        assert "geheim" not in str(locked.value)
        keyring.set_keyring(fail.Keyring())  # what it chooses on a machine that keeps no secrets
        assert login("fw1", user="me", key_file="key", environment={}).password.reveal() == ""
        with pytest.raises(AuthError, match="no password for me: set SEGCTL_PASSWORD_FW1"):
            login("fw1", user="me", environment={})
    finally:
        keyring.set_keyring(before)


def test_a_file_of_another_user_may_be_read_by_its_group(tmp_path: Path) -> None:
    """As systemd and Kubernetes hand over secrets to a service that is not root."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path = tmp_path / "password"
    path.write_text("s3cret\n", encoding="utf-8")
    path.chmod(0o440)
    with pytest.raises(UsageError, match="chmod 600"):
        secret_in(path, "X")
    os.chown(path, 12345, 0)
    assert secret_in(path, "X").reveal() == "s3cret"
    path.chmod(0o444)
    with pytest.raises(UsageError, match="chmod 600"):
        secret_in(path, "X")


def test_the_file_that_is_read_is_the_one_that_is_private(tmp_path: Path) -> None:
    """Somebody puts another file in its place at the very moment when it is opened."""
    for name, mode in (("secret", 0o600), ("public", 0o644)):
        (tmp_path / name).write_text(name, "utf-8")
        (tmp_path / name).chmod(mode)
    waiting = [True]

    def attacker(event: str, words: tuple[object, ...]) -> None:
        if waiting and event == "open" and str(words[0]) == str(tmp_path / "secret"):
            waiting.clear()
            (tmp_path / "public").rename(tmp_path / "secret")

    sys.addaudithook(attacker)
    try:
        with pytest.raises(UsageError, match="secret is readable by others: chmod 600"):
            secret_in(tmp_path / "secret", "SEGCTL_PASSWORD_FILE")
    finally:
        waiting.clear()
