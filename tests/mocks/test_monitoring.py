"""What monitoring clients and backups ask a mock firewall."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from segctl_mocks.panos.phash import hashed, matches

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from segctl_mocks import PanosMock

    Ask: TypeAlias = Callable[..., Any]

SYSTEM = "/config/devices/entry[@name='localhost.localdomain']/deviceconfig/system"
PING = {"dst": "8.8.8.8", "source": "10.0.0.1", "proto": "1", "vsys": "vsys1", "state": "ACTIVE"}
#: A test vector of the scheme's specification.
VECTOR = "Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"


def test_show_without_an_xpath_is_the_whole_configuration(config: Ask) -> None:
    found = config("show").find("result/config")
    assert found.find("devices/entry/vsys/entry").get("name") == "vsys1"
    assert found.get("version")


def test_sessions(op: Ask, mock: PanosMock) -> None:
    everything = "<show><session><all/></session></show>"
    assert op(everything).find("result/entry") is None
    mock.device.sessions = [PING, PING | {"dst": "9.9.9.9"}]
    assert len(op(everything).findall("result/entry")) == 2
    some = "<show><session><all><filter><destination>9.9.9.9</destination></filter></all></session>"
    (only,) = op(f"{some}</show>").findall("result/entry")
    assert only.findtext("dst") == "9.9.9.9"
    (meter,) = op("<show><session><meter/></session></show>").findall("result/entry")
    assert [child.text for child in meter] == ["vsys1", "0", "2", "0"]


def test_the_link_to_a_panorama(op: Ask, mock: PanosMock, third_party: Path) -> None:
    cmd = "<show><panorama-status/></show>"
    assert not op(cmd).findtext("result")
    server = "<panorama><local-panorama><panorama-server>1.2.3.4</panorama-server></local-panorama>"
    mock.edit("set", SYSTEM, f"{server}</panorama>", commit=True)
    theirs = (third_party / "upgrade-assurance/007_is_panorama_connected_true.xml").read_text()
    for line in op(cmd).findtext("result").splitlines():
        assert line.strip() in theirs


def test_predefined_content(op: Ask) -> None:
    place = "/predefined/application/entry[@name='ssl']"
    found = op(f"<show><predefined><xpath>{place}</xpath></predefined></show>")
    assert found.find("result/entry").get("name") == "ssl"
    none = "<show><predefined><xpath>/predefined/no-such</xpath></predefined></show>"
    assert op(none).findtext("msg/line") == "No such node"
    assert op("<show><predefined/></show>").get("status") == "error"


def test_the_state_of_a_device_is_exported(mock: PanosMock) -> None:
    answer = mock.handle({"type": "export", "category": "device-state", "key": mock.key()})
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"].endswith("device_state_cfg_fw1.tgz")
    with tarfile.open(fileobj=io.BytesIO(answer.content())) as archive:
        file = archive.extractfile("running-config.xml")
        assert file is not None
        assert file.read() == mock.running()


def test_a_password_is_hashed_with_a_salt_and_known_again(op: Ask, mock: PanosMock) -> None:
    cmd = "<request><password-hash><password>s3cret</password></password-hash></request>"
    first, second = (op(cmd).findtext("result/phash") for _ in range(2))
    assert first != second
    mock.edit(
        "set", "/config/mgt-config/users", f'<entry name="eve"><phash>{first}</phash></entry>'
    )
    for word, status in (("s3cret", 200), ("other", 403)):
        sent = {"type": "keygen", "user": "eve", "password": word}
        assert mock.handle(sent).status == status


def test_hashes_are_those_of_crypt() -> None:
    word, phash = VECTOR
    assert matches(word, phash)
    assert not matches(word[:-1], phash)
    assert not matches("pw", "$1$abcdefgh$x")
    assert not matches("pw", "")


@given(st.text(max_size=80).filter(lambda text: "\0" not in text))
def test_a_hash_is_of_one_password(word: str) -> None:
    assert matches(word, hashed(word))
    assert not matches(f"{word}x", hashed(word))
