"""One way to read a fleet, in a process of its own: how long, when the first, how much memory.

Imports and set-up come before the clock starts; memory is that of the process and its children.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

USER, PASSWORD = "admin", "mock"
VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"


class Watch:
    """Takes the time of the first result and of the last, memory, and processor time.

    The last two are of this process and its descendants; what a run takes away is told by both
    clocks, since the machine has other work.
    """

    def __init__(self) -> None:
        self.first = 0.0
        self._begin = 0.0
        self._peaks: dict[int, float] = {}
        self._ticks: dict[int, float] = {}
        self._stop = threading.Event()

    def done(self) -> None:
        """Note that one more device is done."""
        self.first = self.first or time.perf_counter() - self._begin

    @contextmanager
    def running(self, result: dict[str, Any]) -> Generator[None]:
        """Measure the block."""
        self._look()
        before = sum(self._ticks.values())
        result["base_mb"] = sum(self._peaks.values())
        sampler = threading.Thread(target=self._sample, daemon=True)
        self._begin, self.first = time.perf_counter(), 0.0
        sampler.start()
        yield
        result["seconds"] = time.perf_counter() - self._begin
        self._stop.set()
        sampler.join()
        self._look()
        result["first_seconds"] = round(self.first, 3)
        result["cpu_seconds"] = round(sum(self._ticks.values()) - before, 2)
        result["peak_mb"] = sum(self._peaks.values())

    def _sample(self) -> None:
        while not self._stop.wait(0.5):
            self._look()

    def _look(self) -> None:
        """Note what each process of the family holds at most, and has used so far."""
        found: dict[int, tuple[int, float]] = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
                used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                found[int(path.parent.name)] = int(fields[1]), used
        family = {os.getpid()}
        for _ in range(4):
            family |= {process for process, (parent, _) in found.items() if parent in family}
        for process in family:
            with suppress(OSError, KeyError):
                text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
                self._peaks[process] = int(text.partition("VmHWM:")[2].split()[0]) / 1024
                self._ticks[process] = found[process][1]


# --- the bytes alone -----------------------------------------------------------------------------


def _requests() -> list[dict[str, str]]:
    """Return what segctl asks a firewall, in its order."""
    from segctl.providers.panos import names
    from segctl.providers.panos.location import Location
    from segctl.providers.panos.parse import COUNTED_KINDS

    system = "<show><system><info></info></system></show>"
    changes = "<show><config><list><changes></changes></list></config></show>"
    applications = "/config/predefined/application/entry/@name"
    place = Location(name="vsys1")
    return [
        {"type": "op", "cmd": system},
        {"type": "op", "cmd": changes},
        {"type": "config", "action": "show", "xpath": VSYS},
        {"type": "config", "action": "show", "xpath": names.SHARED},
        {"type": "config", "action": "get", "xpath": applications},
        *(
            {
                "type": "config",
                "action": "get",
                "xpath": f"{place.all_of(kind)}/entry/@name",
            }
            for kind in COUNTED_KINDS
        ),
    ]


def bytes_only(fleet: dict[str, Any], forks: int) -> dict[str, Any]:
    """Fetch every answer that segctl fetches and throw it away."""
    return _fetched(fleet, forks, _requests())


def document_only(fleet: dict[str, Any], forks: int) -> dict[str, Any]:
    """Fetch the configuration alone."""
    asked = {"type": "config", "action": "show", "xpath": VSYS}
    return _fetched(fleet, forks, [asked])


def _fetched(fleet: dict[str, Any], forks: int, asked: list[dict[str, str]]) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=fleet["ca_file"])
    watch, result = Watch(), dict[str, Any]()

    def fetch(port: int) -> int:
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
        answer = _post(connection, {"type": "keygen", "user": USER, "password": PASSWORD})
        key = answer.partition(b"<key>")[2].partition(b"<")[0].decode()
        size = sum(len(_post(connection, {**one, "key": key})) for one in asked)
        connection.close()
        watch.done()
        return size

    with watch.running(result), ThreadPoolExecutor(forks) as pool:
        sizes = list(pool.map(fetch, fleet["ports"].values()))
    return result | {"devices": len(sizes), "bytes": sum(sizes)}


def _post(connection: http.client.HTTPSConnection, form: dict[str, str]) -> bytes:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Connection": "keep-alive"}
    connection.request("POST", "/api/", body=urlencode(form), headers=headers)
    return connection.getresponse().read()


# --- segctl --------------------------------------------------------------------------------------


def _segctl(fleet: dict[str, Any], forks: int, kind: str, *, cache: bool) -> dict[str, Any]:
    """Plan for every device; none may have changes."""
    from bench import corpus

    from segctl.fleet import plan_devices, workers
    from segctl.protocols import catalogue
    from segctl.providers.panos import PanosProvider, fit, parse, session
    from segctl.transports.credentials import Secret

    _ = fit, parse, session, catalogue(), PanosProvider()
    wanted, _ = corpus.shared_by(fleet["own"], 0, "")
    desired = [replace(wanted, device=replace(wanted.device, name=name)) for name in fleet["ports"]]
    connections = {
        name: {
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_user": USER,
            "ansible_password": Secret(PASSWORD),
            "segctl_ca_file": fleet["ca_file"],
        }
        for name, port in fleet["ports"].items()
    }
    watch, result = Watch(), dict[str, Any]()

    def report(_device: str, step: str) -> None:
        if not step:
            watch.done()

    with watch.running(result), workers(kind, devices=len(desired), forks=forks) as executor:
        plans = plan_devices(
            desired, connections, forks=forks, report=report, executor=executor, cache=cache
        )
    unplanned = [plan for plan in plans if getattr(plan, "changes", None) != ()]
    assert not unplanned, unplanned[0]
    return result | {"devices": len(desired)}


def segctl_first(fleet: dict[str, Any], forks: int) -> dict[str, Any]:
    """As a first drift check: nothing is known; workers as segctl chooses them."""
    return _segctl(fleet, forks, "", cache=True)


def segctl_again(fleet: dict[str, Any], forks: int) -> dict[str, Any]:
    """As every later one of a fleet that did not change: all of it is known from the first."""
    return _segctl(fleet, forks, "", cache=True)


def segctl_threads(fleet: dict[str, Any], forks: int) -> dict[str, Any]:
    """As a first one, in threads alone."""
    return _segctl(fleet, forks, "threads", cache=False)


def _dask(fleet: dict[str, Any], forks: int, count: int) -> dict[str, Any]:
    """As a first one, on Dask workers of one process each."""
    folder = Path(fleet["folder"], f"dask-{os.getpid()}")
    folder.mkdir()
    environment = {**os.environ, "SEGCTL_PASSWORD": PASSWORD}
    with ExitStack() as stack:

        def start(*words: str) -> None:
            command = [sys.executable, "-m", *words, "--no-dashboard", "--host", "127.0.0.1"]
            process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd=folder,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)

        file = folder / "scheduler.json"
        where = ("--port", "0", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(file))
        start("distributed.cli.dask_scheduler", *where)
        while not file.exists() or not file.read_text(encoding="utf-8").endswith("}"):
            time.sleep(0.05)
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
        threads = ("--nthreads", str(forks // 2), "--no-nanny", "--local-directory", str(folder))
        for _ in range(count):
            start("distributed.cli.dask_worker", address, *threads)
        client = import_module("distributed").Client(address, set_as_default=False)
        client.wait_for_workers(count)
        client.run(_warm)
        client.close()
        return _segctl(fleet, forks, address.replace("tcp://", "dask://"), cache=False)


def _warm() -> None:
    """Load on a worker what segctl needs."""
    from segctl.protocols import catalogue
    from segctl.providers.panos import fit, parse, session

    _ = fit, parse, session, catalogue()


def dask_one(fleet: dict[str, Any], forks: int) -> dict[str, Any]:
    """One worker."""
    return _dask(fleet, forks, 1)


def dask_two(fleet: dict[str, Any], forks: int) -> dict[str, Any]:
    """Two workers."""
    return _dask(fleet, forks, 2)


# --- what users have today -----------------------------------------------------------------------


def nornir(fleet: dict[str, Any], forks: int) -> dict[str, Any]:
    """Nornir's threads, and in each pan-os-python's refreshall of rules and objects."""
    from nornir.core import Nornir
    from nornir.core.inventory import Defaults, Host, Hosts, Inventory
    from nornir.plugins.runners import ThreadedRunner

    make = import_module("panos.firewall").Firewall
    vsys_of = import_module("panos.device").Vsys
    objects, policies = import_module("panos.objects"), import_module("panos.policies")
    hosts = {
        name: Host(name=name, hostname="127.0.0.1", port=port, username=USER, password=PASSWORD)
        for name, port in fleet["ports"].items()
    }
    made = Nornir(
        inventory=Inventory(hosts=Hosts(hosts), defaults=Defaults()),
        runner=ThreadedRunner(num_workers=forks),
    )
    watch, result = Watch(), dict[str, Any]()

    def read(task: Any) -> None:
        host = task.host
        firewall = make("127.0.0.1", host.username, host.password, port=host.port)
        vsys, rulebase = vsys_of("vsys1"), policies.Rulebase()
        firewall.add(vsys)
        vsys.add(rulebase)
        firewall.refresh_system_info()
        policies.SecurityRule.refreshall(rulebase)
        objects.AddressObject.refreshall(vsys)
        objects.AddressGroup.refreshall(vsys)
        objects.ServiceObject.refreshall(vsys)
        watch.done()

    with watch.running(result):
        found = made.run(task=read)
    assert not found.failed, next(iter(found.failed_hosts.values()))
    return result | {"devices": len(found)}


CONTENDERS: dict[str, Callable[[dict[str, Any], int], dict[str, Any]]] = {
    "bytes": bytes_only,
    "document": document_only,
    "segctl-first": segctl_first,
    "segctl-again": segctl_again,
    "segctl-threads": segctl_threads,
    "dask-1": dask_one,
    "dask-2": dask_two,
    "nornir": nornir,
}

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    given: dict[str, Any] = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    given["ports"] = dict(list(given["ports"].items())[: int(sys.argv[4])])
    print(json.dumps(CONTENDERS[sys.argv[1]](given, int(sys.argv[3]))))
