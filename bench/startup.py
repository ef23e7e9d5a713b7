"""Starting: what a user waits for before anything happens."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench.measure import Case, Claim


def startup(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Time ``segctl --help`` and the bare interpreter, in turn."""
    rounds = 1 if quick else 15
    script = Path(sys.executable).with_name("segctl")
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "segctl --help": [str(script), "--help"],
        "python -c 'import panos.firewall'": [sys.executable, "-c", "import panos.firewall"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    codes: dict[str, int] = {}
    for number in range(rounds + 1):
        for name, command in commands.items():
            begin = time.perf_counter()
            codes[name] = subprocess.run(command, check=False, capture_output=True).returncode
            if number:  # the first round fills the caches
                seconds[name].append(time.perf_counter() - begin)
    case = Case("whole processes, in turn")
    case.results += [
        {
            "command": name,
            "exit": codes[name],
            "milliseconds_median": round(median(found) * 1000, 1),
            "milliseconds_min": round(min(found) * 1000, 1),
        }
        for name, found in seconds.items()
    ]
    case.claims += [
        Claim(text="exit code", value=codes["segctl --help"], relation="==", target=0),
        Claim(
            text="milliseconds of segctl --help",
            value=median(seconds["segctl --help"]) * 1000,
            relation="<",
            target=150,
        ),
    ]
    return case
