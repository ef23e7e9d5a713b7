"""The mock's nftables beside the real one: same exit codes, same errors, same listings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

from segctl_mocks import LinuxMock
from segctl_mocks.linux.nft.engine import Nft
from segctl_mocks.linux.nft.errors import Source
from support.lab import refused
from support.nft_versions import nft_of


class Kernel(Protocol):
    """See conftest."""

    def compare(self, *scripts: str, places: bool = True) -> None: ...
    def nft(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]: ...
    def compare_rules(self, start: str, rules: list[str]) -> None: ...


#: A table that holds what the single rules refer to.
BASE = """table inet t {
	counter c1 { }
	set s4 { type ipv4_addr; flags interval; }
	set s6 { type ipv6_addr; flags interval; }
	set t4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; }
	set x4 { typeof @th,96,8 . ip length . @ih,32,16; }
	set r2 { typeof @ih,64,16 . @ih,80,16; }
	set dyn { type ipv4_addr; flags dynamic,timeout; size 100; timeout 1m; }
	map zp { type ifname . ifname : verdict; }
	map mm { type mark : verdict; }
	map pm { type inet_service : mark; }
	map vv { type ipv4_addr . inet_service : verdict; }
	chain other { }
	chain c { }
}
"""
DATA = Path(__file__).parent / "data"


def lines(name: str) -> list[str]:
    text = (DATA / name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_rules_that_nft_takes(kernel: Kernel) -> None:
    rules = lines("rules.txt")
    assert len(rules) > 350
    kernel.compare(BASE, *(_rules(rules[start : start + 40]) for start in range(0, len(rules), 40)))


def _rules(bodies: list[str]) -> str:
    return "".join(f"add rule inet t c {body}\n" for body in bodies)


def test_rules_that_nft_refuses(kernel: Kernel) -> None:
    kernel.compare(BASE, *(f"add rule inet t c {body}" for body in lines("refused.txt")))


def scripts() -> list[str]:
    return (DATA / "scripts.txt").read_text("utf-8").split("\n===\n")


@pytest.mark.parametrize("number", range(len(scripts())))
def test_scripts(kernel: Kernel, number: int) -> None:
    kernel.compare(*scripts()[number].strip("\n").split("\n---\n"))


MADE = """
	set a { typeof ip saddr; flags interval; }
	set b { typeof iifname; }
	set d { typeof meta mark; }
	map e { typeof iifname . oifname : verdict; }
}
"""


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_types_of_sets_as_a_newer_nft_lists_them(suite: str) -> None:
    if reason := refused():
        pytest.skip(reason)
    nft = nft_of(suite)
    script = BASE.removesuffix("}\n") + MADE.lstrip("\n")
    real = subprocess.run(
        ["unshare", "-n", "sh", "-c", '"$0" -f - && "$0" -j list ruleset', str(nft.program)],
        input=script, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    mock = LinuxMock("gw1", nft_version=nft.version)
    assert mock.edit("nft -f -", script).status == 0
    assert _types(mock.edit("nft -j list ruleset").out) == _types(real)


def _types(listing: str) -> dict[str, object]:
    objects = json.loads(listing)["nftables"]
    return {
        one["name"]: one["type"]
        for found in objects
        for kind, one in found.items()
        if kind in ("set", "map")
    }


def test_reference_rulesets(kernel: Kernel) -> None:
    folder = Path(__file__).resolve().parents[4] / "shared" / "facts" / "nft-reference"
    if not folder.is_dir():
        pytest.skip("the reference rulesets are not here")
    for name in ("base.nft", "doc_sample.nft", "modbus_ro.nft"):
        kernel.compare((folder / name).read_text("utf-8"))
    kernel.compare(
        *((folder / name).read_text("utf-8") for name in ("base.nft", "flush_readd.nft"))
    )


ROWS = [(doff << 4, doff * 4 + size, size) for size in range(2, 40) for doff in range(5, 16)]
LONG = [f"{one} . {two} . {three}" for one, two, three in ROWS]
#: Long lists that are read at once, and those in which something is not as it should be.
LISTS = {
    "right": LONG,
    "in hexadecimal": [" . ".join(map(hex, row)) for row in ROWS],
    "twice the same": [*LONG, LONG[7]],
    "too large": [*LONG[:100], "112 . 70000 . 1", *LONG[100:]],
    "one component": [*LONG[:100], "112", *LONG[100:]],
    "two components": [*LONG[:100], "112 . 7", *LONG[100:]],
    "four components": [*LONG[:100], "112 . 7 . 8 . 9", *LONG[100:]],
    "a word": [*LONG[:100], "112 . seven . 7", *LONG[100:]],
    "octal": [*LONG[:100], "112 . 010 . 7", *LONG[100:]],
    "a range": [*LONG[:100], "112 . 1-2 . 7", *LONG[100:]],
}


@pytest.mark.parametrize("name", LISTS)
def test_long_lists_of_numbers(kernel: Kernel, name: str) -> None:
    plain, lines_ = ", ".join(LISTS[name]), ",\n\t\t".join(LISTS[name])
    kernel.compare(
        BASE,
        *[f"add element inet t x4 {{ {plain} }}\n"] * 2,
        f"create element inet t x4 {{ {plain} }}\n",
        f"table inet t {{\n\tset x5 {{\n\t\ttypeof @th,96,8 . ip length . @ih,32,16\n"
        f"\t\telements = {{ {lines_} }}\n\t}}\n}}\nadd rule inet t nowhere accept\n",
        f"delete element inet t x4 {{ {', '.join(LISTS[name][50:])} }}\n",
    )


@pytest.mark.parametrize("kind", ["inet_service", "mark", "inet_proto", "ether_type"])
def test_long_lists_of_one_component(kernel: Kernel, kind: str) -> None:
    numbers = [str(number) for number in range(1, 90)]
    kernel.compare(
        f"table inet t {{ set s {{ type {kind}; }}; set i {{ type {kind}; flags interval; }}; }}",
        *(
            f"add element inet t {name} {{ {', '.join([*numbers, more])} }}\n"
            for name in "si"
            for more in ("100", "300", "70000", "0x2bad", "5")
        ),
    )


@pytest.mark.parametrize("name", ["test_any_rule", "test_any_commands"])
def test_any(kernel: Kernel, name: str) -> None:
    """A process of their own: Hypothesis draws constants of whatever modules are loaded."""
    del kernel  # where there is none, this is skipped
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider",
         f"{Path(__file__).with_name('any_kernel.py')}::{name}"],
        capture_output=True, text=True, check=False, env=clean | {"PYTHONHASHSEED": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


TIMED = (
    "add table inet t",
    "add set inet t one { typeof ip saddr; flags timeout; }",
    "add set inet t net { typeof ip saddr; flags interval, timeout; }",
    'create element inet t one { 10.0.0.5 timeout 2h comment "a note" }',
    "create element inet t one { 10.0.0.5 timeout 1h }",
    "add element inet t one { 10.0.0.6 timeout 2h expires 1h, 10.0.0.7, 10.0.0.8 timeout 90s }",
    "add element inet t one { 10.0.0.9 timeout 2h expires 0s }",
    'add element inet t net { 10.1.0.0/24 timeout 1d2h comment "x y" }',
    "create element inet t net { 10.1.0.0/28 timeout 90s }",
    "create element inet t net { 10.1.0.0/24 timeout 90s }",
    "delete element inet t net { 10.2.0.0/24 }",
    "delete element inet t one { 10.2.0.1 }",
)


def test_elements_with_a_time(kernel: Kernel) -> None:
    kernel.nft("flush", "ruleset")
    mock = Nft(clock=lambda: 0.0)
    for script in TIMED:
        real = kernel.nft("-f", "-", text=f"{script}\n")
        ours = mock.script(Source("/dev/stdin", f"{script}\n"))
        assert ours.err.partition("Error")[2] == real.stderr.partition("Error")[2], script
    left = re.compile(r'(expires"?:? )(\d\S*?)(?=[,}\n ])')
    for words in (["-j", "list", "ruleset"], ["list", "ruleset"], ["-s", "list", "ruleset"]):
        real_text = kernel.nft(*words).stdout
        our_text = mock.main(words, "", str).out
        parts = [
            re.sub(r'"handle": \d+', "", left.sub(r"\1", one)) for one in (our_text, real_text)
        ]
        assert parts[0] == parts[1]
        assert len(left.findall(our_text)) == len(left.findall(real_text))
    listed = kernel.nft("list", "set", "inet", "t", "one").stdout
    assert re.search(r"10\.0\.0\.9 timeout 2h expires 1h5\d?m?", listed), "0s is no longer all"
    assert "10.0.0.9 timeout 2h expires 2h" in mock.main(["list", "ruleset"], "", str).out


def test_elements_go_when_their_time_is_over_and_come_back_with_what_is_left() -> None:
    now = [100.0]
    mock = Nft(clock=lambda: now[0])
    for script in TIMED[:4]:
        assert not mock.script(Source("", f"{script}\n")).status
    now[0] += 3600
    text = mock.main(["list", "ruleset"], "", str).out
    assert "10.0.0.5 timeout 2h expires 1h comment" in text
    again = Nft(clock=lambda: now[0])
    assert not again.script(Source("", text)).status
    assert again.main(["list", "ruleset"], "", str).out == text
    now[0] += 3600
    for one in (mock, again):
        assert "10.0.0.5" not in one.main(["list", "ruleset"], "", str).out
        assert not one.script(Source("", f"{TIMED[3]}\n")).status
