"""What steers a terminal or cannot be seen is an escape in every form, and its value stays."""

from __future__ import annotations

import ast
import csv
import json
import pickle
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

import segctl
from segctl.importing.yaml import comments, scalar
from segctl.inventory.document import parse
from segctl.model.errors import ParseError
from segctl.providers.panos.elements import reason
from segctl.system.inert import (
    csv_line,
    inert_json,
    json_blocks,
    json_text,
    lines,
    printable,
    yaml_text,
)
from support.hostile import COMMANDS, MARKS, commanding, steering

ROOT = Path(segctl.__file__).parent
texts = st.lists(st.sampled_from(MARKS) | st.text(max_size=4), max_size=6).map("".join)


def test_each_character_of_unicode_that_steers_is_an_escape() -> None:
    every = [chr(number) for number in range(sys.maxunicode + 1) if steering(chr(number))]
    assert len(every) > 100_000  # private use among them
    assert not steering(printable("".join(every)))
    for one in (*MARKS, *every[:: len(every) // 500]):
        assert printable(f"a{one}b") == f"a{one.encode('unicode_escape').decode()}b"


@pytest.mark.parametrize("text", COMMANDS)
@pytest.mark.parametrize("before", ["", "  ", "a #", ":", "\\"])
def test_a_command_to_the_runner_of_a_pipeline_is_none(text: str, before: str) -> None:
    shown = printable(before + text)
    assert commanding(before + text)
    assert not commanding(shown)
    assert shown.replace("\\x23", "#").replace("\\x3a", ":") == before + text
    assert printable(shown) == shown
    made = json_text({before + text: [text]})
    assert not commanding(made)
    assert json.loads(made) == {before + text: [text]}


@pytest.mark.parametrize("text", ["fd00::1", "::1", "::add:1", "a::b", "## heading", "##", "a:::"])
def test_addresses_and_headings_are_no_commands(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("text", ["plain", "Überwachung → Pumpe №4", "日本語", "a\\b", "é"])
def test_what_people_read_stays(text: str) -> None:
    assert printable(text) == text
    assert json.loads(json_text(text)) == text


def test_only_a_line_feed_ends_a_line_and_a_tab_stays() -> None:
    assert lines("a\tb\nc\r\u2028d\x85") == ["a\tb", "c\\r\\u2028d\\x85"]


@given(texts)
def test_json_keeps_the_value_and_steers_nothing(text: str) -> None:
    for indent in (None, 1):
        made = json_text({text: [text, 1]}, indent=indent)
        assert not steering(made)
        assert json.loads(made) == {text: [text, 1]}
        assert inert_json(made) == made
    assert json.loads(inert_json(json.dumps(text))) == text


@given(texts.filter(lambda text: not any(0xD800 <= ord(one) < 0xE000 for one in text)))
def test_yaml_keeps_the_value_and_steers_nothing(text: str) -> None:
    made = f"key: {yaml_text(text)}\n"
    assert not steering(made)
    assert yaml.safe_load(made) == {"key": text}
    assert not steering("\n".join(comments(2, [text])))
    assert scalar(text) in (text, yaml_text(text))


def test_a_large_document_comes_in_blocks_that_say_the_same() -> None:
    document = {"rows": [{"name": "a\u202e", "number": one} for one in range(20_000)]}
    blocks = [*json_blocks(document)]
    assert "".join(blocks) == json_text(document)
    assert json.loads("".join(blocks)) == document
    assert max(map(len, blocks)) < len(json_text(document)) / 10


# --- no other way out ----------------------------------------------------------------------------

#: Who writes to a screen or makes JSON for others to read without `segctl.system.inert`, and why.
WRITES = {
    ("cli/screen.py", "sys.stdout.write"): "all that is printed, made inert there",
    ("cli/screen.py", "sys.stderr.write"): "all messages, made inert there",
    ("cli/screen.py", "shown.print"): "lines of a report, made inert by `laid_out`",
    ("cli/fmt.py", "sys.stdout.buffer.write"): "the formatted text goes back to who gave it",
    ("cli/prompts.py", "typer.echo"): "an empty line",
    ("cli/app.py", "typer.echo"): "our own help and version",
    ("cli/interrupts.py", "os.write"): "our own words in a signal handler",
    ("system/storage.py", "os.write"): "files: who gives their text has made it inert",
}
_CALLS = {"print", "echo", "secho"}
_STREAMS = ("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__")


def outlets(path: Path) -> set[str]:
    """Return the calls in a module that write to a screen, or make JSON that is not ASCII."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        last = name.rpartition(".")[2]
        streams = name.startswith(_STREAMS) and last in {"write", "writelines"}
        if streams or last in _CALLS or name == "os.write":
            found.add("print" if name.startswith("console()") else name)
        if last in {"dumps", "dump", "JSONEncoder"} and any(
            word.arg == "ensure_ascii" and ast.unparse(word.value) == "False"
            for word in node.keywords
        ):
            found.add(f"{name} that is not ASCII")
    return found


#: JSON that is not ASCII and that nobody is shown as it is.
DIGESTED = {
    ("system/inert.py", "json.JSONEncoder that is not ASCII"),
    ("system/inert.py", "json.dumps that is not ASCII"),
    ("planning/documents.py", "json.dumps that is not ASCII"),
    ("drift/items.py", "json.dumps that is not ASCII"),
    ("inventory/output.py", "json.dumps that is not ASCII"),
    ("transports/masking.py", "json.dumps that is not ASCII"),
}


def test_nothing_else_writes_to_a_screen_or_makes_json_of_its_own() -> None:
    found = {
        (str(path.relative_to(ROOT)), one)
        for path in ROOT.rglob("*.py")
        if path.name != "testing.py"
        for one in outlets(path)
    }
    assert found == WRITES.keys() | DIGESTED


def test_a_line_of_csv_is_read_back_and_computes_nothing() -> None:
    cells = ["a", "=1+1", "+1", "-1", "@x", "b,c", 'd"e', "f\ng", "\t=1", ""]
    (read,) = csv.reader([csv_line(cells)])
    assert read == ["a", "'=1+1", "'+1", "'-1", "'@x", "b,c", 'd"e', "f\\ng", "\\t=1", ""]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        *((f"{sign}1", f"'{sign}1") for sign in "\uff1d\uff0b\uff0d\uff20"),
        ("  =1", "  '=1"),
        ("a;=1", "a;'=1"),
        ('a; "=1', "a; \"'=1"),
        ("a;b=1;-c", "a;b=1;'-c"),
        ('"=1', "\"'=1"),
        ("a-b; c", "a-b; c"),
    ],
)
def test_nor_in_other_languages(cell: str, shown: str) -> None:
    """Where a comma is in numbers a semicolon ends a cell; signs of full width count as well."""
    (read,) = csv.reader([csv_line([cell])])
    assert read == [shown]


def test_nothing_writes_a_form_that_a_spreadsheet_computes() -> None:
    """CSV is written by `csv_line` only, which defuses formulas: see OWASP, CSV Injection."""
    nodes = [
        (path, node)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]
    names = {
        (path.relative_to(ROOT).as_posix(), name.partition(".")[0])
        for path, node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([one.name for one in node.names] + [getattr(node, "module", "") or ""])
    }
    assert "json" in {name for _, name in names}
    assert not {name for _, name in names} & {"openpyxl", "xlsxwriter"}
    # records of traffic are read with the library, and nothing of it that writes is named
    assert {path for path, name in names if name == "csv"} == {"observe/readers/base.py"}
    taken = {
        node.attr
        for path, node in nodes
        if path.name == "base.py" and isinstance(node, ast.Attribute)
        if isinstance(node.value, ast.Name) and node.value.id == "csv"
    }
    assert taken == {"reader", "Error"}


# --- what is quoted of a device ------------------------------------------------------------------


def test_a_message_of_a_device_is_of_a_length_that_people_read() -> None:
    error = ParseError("fw1", f"begins {'x' * 1_000_000} ends: run segctl plan again")
    assert len(str(error)) < 2100
    assert str(error).startswith("fw1: begins x")
    assert str(error).endswith("ends: run segctl plan again")
    assert pickle.loads(pickle.dumps(error)).args == error.args


def test_of_an_answer_only_its_message_is_quoted() -> None:
    answer = etree.fromstring(
        "<response status='error'><msg><line>not  now</line></msg><result><phash>x</phash></result>"
        "</response>"
    )
    assert reason(answer) == "not now"
    assert reason(etree.fromstring("<r status='odd'><key>k</key></r>")) == (
        "status odd, no reason given"
    )


# --- what reads it again -------------------------------------------------------------------------


def test_an_inventory_with_escapes_is_read_as_what_it_says() -> None:
    text = "".join(one for one in MARKS if ord(one) >= 0xA0 and not 0xD800 <= ord(one) < 0xE000)
    document = parse(f"name: {yaml_text(text)}\n", "hosts.yml")
    assert document.value == {"name": text}
