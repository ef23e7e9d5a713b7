"""Each platform answers for its applications; the core knows none of them."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from segctl.analysis.query import Check, vendor_applications
from segctl.model.errors import UnsupportedError
from segctl.protocols import catalogue
from segctl.providers.base import application_names, provider
from segctl.providers.nftables.functions import NAMES

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

CORE = ("model", "compiler", "protocols", "analysis", "importing", "planning", "drift")
#: Where the word may stand, and why; data files are not looked at.
EXCEPTIONS: dict[str, str] = {}
PLATFORMS = re.compile(r"pan-?os|nftables|\bvsys|app-id", re.IGNORECASE)


def sources(folder: Traversable, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in folder.iterdir():
        name = f"{path}/{item.name}"
        if item.is_dir():
            found |= sources(item, name)
        elif item.name.endswith(".py"):
            found[name] = item.read_text("utf-8")
    return found


@pytest.mark.parametrize("package", CORE)
def test_the_core_names_no_platform(package: str) -> None:
    texts = sources(files("segctl") / package, package)
    assert texts
    for path, text in texts.items():
        named = sorted({found[0] for found in PLATFORMS.finditer(text)})
        assert named == [] or path in EXCEPTIONS, (path, named)


def test_pan_os_answers_with_app_ids() -> None:
    spoken = application_names(provider("panos"))(catalogue().get("modbus"), ("read",))
    assert "modbus-base" in spoken.names
    assert "modbus-read-coils" in spoken.own
    assert "modbus-base" not in spoken.own
    assert set(spoken.own) < set(spoken.names)
    with pytest.raises(UnsupportedError, match="PAN-OS has no application of class file"):
        application_names(provider("panos"))(catalogue().get("s7comm"), ("file",))


@pytest.mark.parametrize(
    ("protocol", "word", "blind"), [("modbus", "read", False), ("bacnet-ip", "read", True)]
)
def test_nftables_answers_with_its_functions(protocol: str, word: str, *, blind: bool) -> None:
    spoken = application_names(provider("nftables"))(catalogue().get(protocol), (word,))
    assert spoken.names == spoken.own == (f"{protocol}.{word}",)
    assert (spoken.names[0] in NAMES) is not blind
    assert bool(spoken.notes) is blind


def test_a_check_is_put_in_the_words_of_the_platform() -> None:
    check = Check(source="a", destination="b", application="modbus.read")
    assert vendor_applications(check, application_names(provider("nftables"))) == ("modbus.read",)
    assert "modbus-read-coils" in vendor_applications(check, application_names(provider("panos")))
