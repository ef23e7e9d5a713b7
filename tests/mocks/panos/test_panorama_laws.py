"""Laws of the mock Panorama: what firewalls get, whatever administrators did before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from segctl_mocks import PanoramaMock
from support.managed import (
    DEVICE,
    FIRST,
    POST_RULES,
    RULES,
    SECOND,
    SHARED,
    Managed,
    aimed,
    firewall,
    group,
    managed,
    push_of,
    rule,
)

PLACES = {"shared": SHARED, "ot": group("ot"), "plant": group("plant")}
DOWN = ("shared", "ot", "plant")


@dataclass(frozen=True)
class Written:
    """One rule of an administrator."""

    name: str
    place: str
    base: str
    admin: str
    disabled: bool
    serials: tuple[str, ...]
    negate: bool

    def reaches(self, serial: str) -> bool:
        """Say whether a firewall gets it, by the words of the vendor's guide."""
        if self.disabled:
            return False
        return not self.serials or (serial in self.serials) != self.negate

    def element(self) -> str:
        """Write it."""
        more = "<disabled>yes</disabled>" if self.disabled else ""
        return rule(self.name, more=more + aimed(*self.serials, negate=self.negate))


@st.composite
def written(draw: st.DrawFn) -> list[Written]:
    """Rules of two administrators anywhere, with distinct names."""
    count = draw(st.integers(1, 8))
    serials = st.sampled_from([(), (FIRST,), (SECOND,), (FIRST, SECOND)])
    return [
        Written(
            name=f"r{number}",
            place=draw(st.sampled_from(DOWN)),
            base=draw(st.sampled_from([RULES, POST_RULES])),
            admin=draw(st.sampled_from(["admin", "bob"])),
            disabled=draw(st.booleans()),
            serials=draw(serials),
            negate=draw(st.booleans()),
        )
        for number in range(count)
    ]


def expected(rules: list[Written], serial: str, base: str) -> list[str]:
    """Return the rules of a firewall by a plain reading: pre from the top, post from below."""
    order = DOWN if base == RULES else DOWN[::-1]
    return [
        one.name
        for place in order
        for one in rules
        if (one.place, one.base) == (place, base) and one.reaches(serial)
    ]


def got(plant: Managed, serial: str, base: str) -> list[str]:
    pushed = plant.pushed(plant.panorama.firewalls[serial])
    return [entry.get("name") for entry in pushed.iterfind(f".//{base}/entry")]


def states(plant: Managed) -> set[str]:
    found = plant.op("<show><devicegroups/></show>")
    return {each.text for each in found.iter("shared-policy-status")}


def write(plant: Managed, rules: list[Written]) -> None:
    for one in rules:
        plant.put(f"{PLACES[one.place]}/{one.base}", one.element(), user=one.admin)


@settings(deadline=None, max_examples=25)
@given(rules=written())
def test_a_firewall_has_what_a_plain_reading_says(rules: list[Written]) -> None:
    plant = managed()
    write(plant, rules)
    plant.commit()
    plant.push()
    assert states(plant) == {"In Sync"}
    for serial in (FIRST, SECOND):
        for base in (RULES, POST_RULES):
            assert got(plant, serial, base) == expected(rules, serial, base)


@settings(deadline=None, max_examples=25)
@given(rules=written())
def test_pushes_of_each_administrator_amount_to_one_of_all(rules: list[Written]) -> None:
    plant = managed()
    plant.push()
    write(plant, rules)
    plant.commit()
    only = push_of("plant", options="<admin><member>bob</member></admin>")
    assert plant.push(only).findtext("result") == "OK"
    theirs = [one for one in rules if one.admin == "bob"]
    for serial in (FIRST, SECOND):
        for base in (RULES, POST_RULES):
            assert got(plant, serial, base) == expected(theirs, serial, base)
    rest = push_of("plant", options="<admin><member>admin</member></admin>")
    assert plant.push(rest).findtext("result") == "OK"
    assert states(plant) == {"In Sync"}
    for serial in (FIRST, SECOND):
        for base in (RULES, POST_RULES):
            assert got(plant, serial, base) == expected(rules, serial, base)


@settings(deadline=None, max_examples=25)
@given(rules=written(), first=st.sampled_from(["admin", "bob"]))
def test_commits_of_each_administrator_amount_to_one_of_all(
    rules: list[Written], first: str
) -> None:
    both, whole = managed(), managed()
    for plant in (both, whole):
        write(plant, rules)
    whole.commit()
    partial = f"<commit><partial><admin><member>{first}</member></admin></partial></commit>"
    answer = both.ask(type="commit", cmd=partial)
    mine = [one for one in rules if one.admin == first]
    assert (answer.findtext("result/job") is not None) == bool(mine)
    both.push()
    assert got(both, FIRST, RULES) == expected(mine, FIRST, RULES)
    both.ask(type="commit", cmd="<commit/>")
    assert both.panorama.config() == both.panorama.running()
    for plant in (both, whole):
        plant.push()
    for base in (RULES, POST_RULES):
        assert got(both, SECOND, base) == got(whole, SECOND, base)


def test_many_ask_panorama_and_its_firewalls_at_once() -> None:
    """Panorama asks firewalls and is asked about them; nobody waits for each other for ever."""
    fleet = [firewall("a", FIRST), firewall("b", SECOND)]
    plant = Managed(PanoramaMock(firewalls=fleet, job_seconds=0.0), *fleet)
    devices = "".join(f'<entry name="{serial}"/>' for serial in (FIRST, SECOND))
    plant.put(f"{DEVICE}/device-group", f'<entry name="plant"><devices>{devices}</devices></entry>')
    plant.commit()

    def work(number: int) -> list[Any]:
        mock = fleet[number % 2]
        info = {"type": "op", "cmd": "<show><system><info/></system></show>"}
        answers = [
            plant.config("set", f"{group('plant')}/{RULES}", rule(f"r{number}")),
            plant.ask(type="commit", cmd="<commit/>"),
            plant.ask(type="commit", action="all", cmd=push_of("plant")),
            plant.op("<show><devicegroups/></show>"),
            plant.op(info["cmd"], target=mock.settings.serial),
            etree.fromstring(mock.handle({**info, "key": mock.key()}).content()),
        ]
        return [answer.get("status") for answer in answers]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(24), timeout=120))
    assert {status for statuses in found for status in statuses} == {"success"}
    plant.push()
    assert len(got(plant, FIRST, RULES)) == 24
