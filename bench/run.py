"""Run the benchmarks and print one JSON document: ``python bench/run.py --quick``."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from bench.suite import main

    sys.exit(main())
