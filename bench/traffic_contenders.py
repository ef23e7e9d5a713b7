"""Who reads a million lines of traffic: one contender in a process of its own."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.contenders import measured

if TYPE_CHECKING:
    from collections.abc import Callable

#: Columns that make a group: serial, subtype, addresses, rule, user, application, zones, port,
#: protocol, action.
_GROUP = (2, 4, 7, 8, 11, 12, 14, 16, 17, 25, 29, 30)
_BYTES, _SEQNO = 31, 39


def _command(*words: str) -> dict[str, Any]:
    """Run a command of segctl in this process, its document and all."""
    from segctl.cli import run

    result: dict[str, Any] = {}
    with TemporaryFile("w+", encoding="utf-8") as out:  # its output does not count
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            run(["schema", "traffic"])  # what every command loads
            out.seek(0)
            out.truncate()
            with measured(result):
                result["code"] = run([*words, "--json"])
        out.seek(0)
        text = out.read()
    result["records"] = json.loads(text)["coverage"]["records"]
    return result | {"document": hashlib.sha256(text.encode()).hexdigest()[:16]}


def traffic(file: str, inventory: str) -> dict[str, Any]:
    """Read, group, and add up against what is declared."""
    return _command("traffic", file, "-i", inventory)


def discover(file: str, inventory: str) -> dict[str, Any]:
    """Propose what is not declared."""
    return _command("discover", file, "-i", inventory)


def over(file: str, inventory: str, executor: str) -> dict[str, Any]:
    """Do what `traffic` does, over an executor."""
    return _command("--executor", executor, "traffic", file, "-i", inventory)


def replay(file: str, inventory: str) -> dict[str, Any]:
    """Judge under the declared policy."""
    return _command("replay", "--declared", file, "-i", inventory)


def bare(file: str, _inventory: str) -> dict[str, Any]:
    """Read the file and find the ends of its lines, nothing else."""
    result: dict[str, Any] = {}
    with measured(result), Path(file).open("rb") as lines:
        result["records"] = sum(1 for _ in lines)
    return result


def split(file: str, _inventory: str) -> dict[str, Any]:
    """Split each line at its commas, and count groups in a dict, without looking at a value."""
    result: dict[str, Any] = {}
    found: dict[tuple[str, ...], int] = {}
    with measured(result), Path(file).open(encoding="utf-8") as lines:
        for line in lines:
            columns = line.split(",", 50)
            key = tuple([columns[one] for one in _GROUP])
            found[key] = found.get(key, 0) + 1
        result["groups"] = len(found)
    return result


def polars(file: str, _inventory: str) -> dict[str, Any]:
    """Read, drop duplicates and group with polars, on one core."""
    library: Any = import_module("polars")
    result: dict[str, Any] = {}
    with measured(result):
        frame = library.scan_csv(file, has_header=False, infer_schema=False)
        called = frame.collect_schema().names()  # from 0 or from 1 on, by its release
        names = [called[one] for one in _GROUP]
        size = library.col(called[_BYTES]).cast(library.Int64).sum()
        once = frame.unique(subset=[names[0], called[_SEQNO]])
        grouped = once.group_by(names).agg(library.len(), size).collect()
        result["groups"] = grouped.height
    return result


def pandas(file: str, _inventory: str) -> dict[str, Any]:
    """Read, drop duplicates and group with pandas."""
    library: Any = import_module("pandas")
    result: dict[str, Any] = {}
    with measured(result):
        columns = [*_GROUP, _BYTES, _SEQNO]
        frame = library.read_csv(file, header=None, usecols=columns, dtype=str, na_filter=False)
        frame = frame.drop_duplicates(subset=[_GROUP[0], _SEQNO])
        frame[_BYTES] = frame[_BYTES].astype("int64")
        grouped = frame.groupby(list(_GROUP))[_BYTES].agg(["size", "sum"])
        result["groups"] = len(grouped)
    return result


def zat(file: str, _inventory: str) -> dict[str, Any]:
    """Read the same sessions as a log of Zeek into a frame, and group them."""
    library: Any = import_module("zat.log_to_dataframe")
    result: dict[str, Any] = {}
    with measured(result):
        frame = library.LogToDataFrame().create_dataframe(f"{file}.zeek", ts_index=False)
        names = ["id.orig_h", "id.resp_h", "id.resp_p", "proto", "service"]
        grouped = frame.groupby(names, observed=True)["orig_bytes"].agg(["size", "sum"])
        result["groups"] = len(grouped)
    return result


CONTENDERS: dict[str, Callable[..., dict[str, Any]]] = {
    "traffic": traffic,
    "discover": discover,
    "replay": replay,
    "over": over,
    "bare": bare,
    "split": split,
    "polars": polars,
    "pandas": pandas,
    "zat": zat,
}

if __name__ == "__main__":
    print(json.dumps(CONTENDERS[sys.argv[1]](*sys.argv[2:])))
