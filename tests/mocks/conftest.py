from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from lxml import etree

from segctl_mocks import PanosMock

Ask: TypeAlias = Callable[..., Any]

DEVICE = "/config/devices/entry[@name='localhost.localdomain']"
VSYS = f"{DEVICE}/vsys/entry[@name='vsys1']"
ZONES = (
    '<entry name="trust"><network><layer3><member>ethernet1/1</member></layer3></network></entry>'
    '<entry name="untrust"><network><layer3><member>ethernet1/2</member></layer3></network></entry>'
)
PORTS = "".join(f'<entry name="ethernet1/{number}"><layer3/></entry>' for number in range(1, 9))
IMPORTS = "".join(f"<member>ethernet1/{number}</member>" for number in range(1, 9))


@pytest.fixture
def vsys() -> str:
    return VSYS


@pytest.fixture
def third_party() -> Path:
    default = Path(__file__).resolve().parents[3] / "shared" / "third-party"
    folder = Path(os.environ.get("SEGCTL_THIRD_PARTY", default)) / "panos-samples"
    if not folder.is_dir():
        pytest.skip("recorded answers are not here: set SEGCTL_THIRD_PARTY")
    return folder


@pytest.fixture
def mock() -> PanosMock:
    """A device without sockets, with eight ports and two zones."""
    device = PanosMock(users={"admin": "pw", "bob": "pw"}, job_seconds=0.0)
    device.edit("set", f"{DEVICE}/network/interface/ethernet", PORTS, admin="admin")
    device.edit("set", f"{VSYS}/import/network/interface", IMPORTS, admin="admin")
    device.edit("set", f"{VSYS}/zone", ZONES, admin="admin", commit=True)
    return device


@pytest.fixture
def ask(mock: PanosMock) -> Ask:
    """Send parameters, get the parsed answer."""

    def send(user: str = "admin", **params: str) -> Any:
        names = {"kind": "type", "source": "from", "strict": "strict-transactional"}
        sent = {names.get(name, name): value for name, value in params.items()}
        return etree.fromstring(mock.handle({**sent, "key": mock.key(user)}).content())

    return send


@pytest.fixture
def config(ask: Ask) -> Ask:
    def send(action: str, xpath: str = "", element: str = "", **params: str) -> Any:
        return ask(kind="config", action=action, xpath=xpath, element=element, **params)

    return send


@pytest.fixture
def op(ask: Ask) -> Ask:
    def send(cmd: str, **params: str) -> Any:
        return ask(kind="op", cmd=cmd, **params)

    return send


@pytest.fixture
def commit(ask: Ask) -> Ask:
    """Commit and return the finished job."""

    def send(cmd: str = "<commit/>", **params: str) -> Any:
        answer = ask(kind="commit", cmd=cmd, **params)
        number = answer.findtext("result/job")
        assert number, etree.tostring(answer)
        return ask(kind="op", cmd=f"<show><jobs><id>{number}</id></jobs></show>")

    return send


@pytest.fixture
def served(mock: PanosMock) -> Iterator[PanosMock]:
    with mock:
        yield mock


@pytest.fixture
def fetch(served: PanosMock) -> Callable[..., tuple[int, str, bytes]]:
    """Send parameters over HTTPS; return status, content type and body."""
    context = ssl.create_default_context(cafile=str(served.ca_file))

    def send(path: str = "/api/", **params: str) -> tuple[int, str, bytes]:
        params.setdefault("key", served.key())
        body = urllib.parse.urlencode(params).encode()
        url = f"https://{served.host}:{served.port}{path}"
        request = urllib.request.Request(url, data=body)
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read()

    return send
