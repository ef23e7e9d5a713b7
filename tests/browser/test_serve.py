"""The plant as it is served, in a real browser: one types, and the answer comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cli_support import RULES, serve, write_plant
from segctl.cli import run
from support.devtools import CHROMIUM, Tab, opened
from support.served import Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segctl_mocks import Fleet

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
WHERE = ["-i", "hosts.yml", "-i", "mocks.yml"]
FOCUS = "document.querySelector('[name=from]').focus()"
TOLD = "document.getElementById('told').textContent"
#: Boxes of everything that stands beside or above something else.
BOXES = """[...document.querySelectorAll(
  "main > section, #asking label, #asking button, nav > *")].map(one => {
    const at = one.getBoundingClientRect();
    return [one.closest("section, nav") === one ? one.id : one.parentElement.id, at.left, at.top,
      at.right, at.bottom]; }).filter(at => at[3] > at[1])"""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.chdir(tmp_path)
    write_plant(tmp_path)
    with serve(tmp_path) as mocks:
        assert run([*WHERE, "apply", "--auto-approve"]) == 0
        yield mocks


@pytest.fixture
def served(fleet: Fleet, tmp_path: Path) -> Iterator[Served]:
    assert fleet
    with serving(tmp_path, WHERE, "--every", "1s") as found:
        yield found


@pytest.mark.parametrize("width", [1400, 390])
def test_one_types_and_the_answer_comes(
    served: Served, fleet: Fleet, tmp_path: Path, width: int
) -> None:
    origin = f"http://127.0.0.1:{served.port}/"

    async def used() -> None:
        async with opened(tmp_path, origin, width) as tab:
            await fits(tab, width)
            await tab.value(FOCUS)
            await tab.type("scada1")
            assert await tab.value(TOLD) == "", "with one end there is nothing to ask"
            await tab.tab()
            await tab.type("plc1")
            await tab.until(f"{TOLD}.includes('scada1 → plc1: permitted')")
            rows = await tab.value("document.getElementById('answer').innerText")
            assert "plant.polling.modbus" in rows
            assert await tab.value("document.getElementById('told').getAttribute('role')")
            await fits(tab, width)
            await tab.tab()
            await tab.type("modbus.write")
            await tab.until(f"{TOLD}.includes('scada1 → plc1: denied')")
            await tab.value(f"document.forms.asking.reset(); {FOCUS}")
            await tab.type("10.20.2.0/24")
            await tab.tab()
            await tab.type("dmz")
            await tab.until(f"{TOLD}.includes('is not a zone, asset or address')")
            assert await tab.value("document.querySelector('[name=from]').value") == "10.20.2.0/24"
            assert await tab.value("document.getElementById('search').value") == ""
            fleet["fw1"].edit(
                "edit",
                f"{RULES}/entry[@name='plant.polling.modbus']/application",
                "<application><member>any</member></application>",
                commit=True,
            )
            await tab.until("document.getElementById('now-state').innerText.includes('drifted')")
            await tab.until("document.getElementById('news').textContent.includes('read again')")
            await fits(tab, width)
            assert tab.complaints == []
            asked = [one for one in tab.requests if one.startswith("http")]
            assert len(asked) >= 4
            assert [one for one in asked if not one.startswith(origin)] == []

    asyncio.run(used())


async def fits(tab: Tab, width: int) -> None:
    """Nothing is cut off at the side, and nothing overlaps."""
    await tab.value("scrollTo(0, 0)")  # below, what stays in sight covers what is scrolled away
    assert await tab.value("document.documentElement.scrollWidth") <= width
    boxes = await tab.value(BOXES)
    assert len(boxes) > 10
    for number, (group, left, top, right, bottom) in enumerate(boxes):
        assert left >= -0.5, group
        for other, *at in boxes[number + 1 :]:
            if other == group or "" in {other, group} or {other, group} <= {"now", "ask", "matrix"}:
                apart = at[0] >= right - 0.5 or at[2] <= left + 0.5
                assert apart or at[1] >= bottom - 0.5 or at[3] <= top + 0.5, (group, other)


def test_the_page_that_answers_without_a_script_is_in_order(served: Served, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{served.port}/ask?from=scada1&to=plc1"

    async def used() -> None:
        async with opened(tmp_path, url, 390) as tab:
            await tab.send("Emulation.setScriptExecutionDisabled", value=True)
            await tab.until("document.body.innerText.includes('scada1 → plc1: permitted')")
            assert await tab.value("document.documentElement.scrollWidth") <= 390
            await tab.value("document.querySelector('[name=to]').focus()")
            await tab.value("document.querySelector('[name=to]').value = 'plc2'")
            await tab.value("document.querySelector('#asking button').click()")
            await tab.until("document.body.innerText.includes('scada1 → plc2: permitted')")
            assert tab.complaints == []

    asyncio.run(used())
