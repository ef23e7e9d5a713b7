"""Serve a fleet of read-only mock firewalls until standard input ends; say where, as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from bench import corpus

    from segctl_mocks.panos.mock import PanosMock
    from segctl_mocks.panos.replicas import Replicas

    count, latency, own, others = (float(word) for word in sys.argv[1:])
    mark = "@@@@@@"
    _, config = corpus.shared_by(int(own), int(others), mark)
    names = [f"fw{number:04}" for number in range(int(count))]
    with tempfile.TemporaryDirectory() as folder:
        original = PanosMock("fleet", config, users={"admin": "mock"}, state_dir=Path(folder))
        with Replicas(original, names, mark=mark.encode(), latency=latency) as replicas:
            ca_file = original.authority.write(Path(folder, "ca.pem"))
            found = {"ca_file": str(ca_file), "ports": replicas.ports, "bytes": len(config)}
            print(json.dumps(found), flush=True)
            sys.stdin.read()
