"""One contender in a process of its own: do the work once, say how long and how much memory.

Imports and set-up come before the clock starts; memory is the peak of the whole process.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

USER, PASSWORD = "admin", "mock"
VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
_CHUNK = 1 << 16
#: 50,000 rules with three objects each are more than the default lets a firewall take.
_MAX_ANSWER = 512 * 2**20


def _memory(field: str) -> float:
    """Return a size of this process in MB; ru_maxrss would count the parent's, too."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def measured(result: dict[str, Any]) -> Generator[None]:
    result["base_mb"] = _memory("VmRSS")
    begin, cpu = time.perf_counter(), time.process_time()
    yield
    result["seconds"] = time.perf_counter() - begin
    result["cpu_seconds"] = round(time.process_time() - cpu, 4)
    result["peak_mb"] = _memory("VmHWM")


# --- reading a firewall --------------------------------------------------------------------------


def stream(port: str, ca_file: str) -> dict[str, Any]:
    """Fetch the virtual system, feed lxml, make a tuple of every entry, clear it."""
    from lxml import etree

    result: dict[str, Any] = {}
    with measured(result):
        context = ssl.create_default_context(cafile=ca_file)
        connection = http.client.HTTPSConnection("127.0.0.1", int(port), context=context)
        key = etree.fromstring(
            _post(connection, type="keygen", user=USER, password=PASSWORD)
        ).findtext("result/key")
        body = _post(connection, type="config", action="show", xpath=VSYS, key=key or "")
        parser = etree.XMLPullParser(events=("end",), tag="entry")
        entries: list[tuple[object, ...]] = []
        for start in range(0, len(body), _CHUNK):
            parser.feed(body[start : start + _CHUNK])
            for _, element in cast("Iterable[tuple[str, Any]]", parser.read_events()):
                container = element.getparent()
                if container is None or container.tag == "result":
                    continue
                fields = (
                    (child.tag, *(member.text for member in child))
                    if len(child)
                    else (child.tag, child.text)
                    for child in element
                )
                entries.append((element.get("name"), *fields))
                element.clear()
                container.remove(element)
        parser.close()
    return result | {"entries": len(entries), "bytes": len(body)}


def _post(connection: http.client.HTTPSConnection, **form: str) -> bytes:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Connection": "keep-alive"}
    connection.request("POST", "/api/", body=urlencode(form), headers=headers)
    return connection.getresponse().read()


def segctl(port: str, ca_file: str) -> dict[str, Any]:
    """Read and parse as every command does."""
    from segctl.providers.panos import PanosProvider, parse, session
    from segctl.transports.credentials import Secret
    from segctl.transports.target import Target

    _ = parse, session
    provider = PanosProvider()
    target = Target(
        name="bench",
        host="127.0.0.1",
        port=int(port),
        user=USER,
        password=Secret(PASSWORD),
        ca_file=Path(ca_file),
        max_answer=_MAX_ANSWER,
    )
    result: dict[str, Any] = {}
    with measured(result), provider.connect(target, read_only=True) as opened:
        live = provider.parse(opened.read())
    return result | {"entries": sum(live.counts.values())}


def plan(port: str, ca_file: str, rules: str) -> dict[str, Any]:
    """Read, parse, and plan for a policy that the device holds already."""
    from bench.corpus import desired

    from segctl.planning.make import plan_device
    from segctl.protocols import catalogue
    from segctl.providers.panos import PanosProvider, fit, parse, session
    from segctl.transports.credentials import Secret
    from segctl.transports.target import Target

    _ = fit, parse, session, catalogue()
    provider = PanosProvider()
    wanted = desired(int(rules))
    target = Target(
        name="bench",
        host="127.0.0.1",
        port=int(port),
        user=USER,
        password=Secret(PASSWORD),
        ca_file=Path(ca_file),
        max_answer=_MAX_ANSWER,
    )
    result: dict[str, Any] = {}
    with measured(result), provider.connect(target, read_only=True) as opened:
        made = plan_device(wanted, provider.parse(opened.read()), provider)
    return result | {"changes": len(made.changes), "rules": made.rule_count}


def pan_os_python(port: str, _ca_file: str) -> dict[str, Any]:
    """Fill pan-os-python's object tree: its refreshall for each kind.

    Connected as its documentation and pan-os-ansible do, with the version read first, so that
    it knows which fields the device's release has.
    """
    objects, policies = import_module("panos.objects"), import_module("panos.policies")
    vsys, rulebase = _tree(port)
    result: dict[str, Any] = {}
    with measured(result):
        found = [
            *policies.SecurityRule.refreshall(rulebase),
            *objects.AddressObject.refreshall(vsys),
            *objects.AddressGroup.refreshall(vsys),
            *objects.ServiceObject.refreshall(vsys),
        ]
    return result | {"entries": len(found)}


def _tree(port: str) -> tuple[Any, Any]:
    """Return a virtual system and its rulebase as pan-os-python has them; it has no types."""
    firewall = import_module("panos.firewall").Firewall("127.0.0.1", USER, PASSWORD, port=int(port))
    vsys = import_module("panos.device").Vsys("vsys1")
    rulebase = import_module("panos.policies").Rulebase()
    firewall.add(vsys)
    vsys.add(rulebase)
    firewall.refresh_system_info()
    return vsys, rulebase


# --- writing -------------------------------------------------------------------------------------


def create_each(port: str, count: str) -> dict[str, Any]:
    """Create rules with pan-os-python, one call of create() each."""
    make = import_module("panos.policies").SecurityRule
    _, rulebase = _tree(port)
    result: dict[str, Any] = {}
    with measured(result):
        for number in range(int(count)):
            rule = make(f"created-{number:06}", fromzone=["any"], tozone=["any"])
            rulebase.add(rule)
            rule.create()
    return result


# --- growth ------------------------------------------------------------------------------------


def validate(folder: str) -> dict[str, Any]:
    """Read an inventory, compile it, and fit it to every firewall: what `validate` does."""
    from datetime import date

    from segctl.compiler.build import compile_site
    from segctl.inventory import load
    from segctl.protocols import catalogue
    from segctl.providers.base import provider

    _ = provider("panos"), catalogue()
    result: dict[str, Any] = {}
    with measured(result):
        site = load([Path(folder)], today=date(2027, 1, 1)).site
        compiled = compile_site(site, date(2027, 1, 1))
        rules = 0
        for item in compiled.values():
            fitted, _ = provider(item.device.platform).fit(item.policy, item.device)
            rules += len(fitted.rules)
    return result | {"zones": len(site.zones), "conduits": len(site.conduits), "rules": rules}


def judge(rules: str, document: str) -> dict[str, Any]:
    """Parse what a firewall answers, and plan a policy that changes much of it."""
    from bench import corpus

    from segctl.planning.make import plan_device
    from segctl.protocols import catalogue
    from segctl.providers.panos import PanosProvider, fit, parse

    _ = fit, parse, catalogue()
    wanted = corpus.revised(corpus.manufactory(int(rules)))
    data = Path(document).read_bytes()
    speaks = PanosProvider()
    result: dict[str, Any] = {}
    with measured(result):
        made = plan_device(wanted, speaks.parse(data), speaks)
    return result | {"changes": len(made.changes), "findings": len(made.findings)}


def read_back(document: str) -> dict[str, Any]:
    """Parse what a firewall answers, and import it as inventory files."""
    from datetime import date

    from segctl.importing import import_device
    from segctl.model.site import Device
    from segctl.protocols import catalogue
    from segctl.providers.panos import PanosProvider, fit, parse

    _ = fit, parse, catalogue()
    data = Path(document).read_bytes()
    speaks = PanosProvider()
    result: dict[str, Any] = {}
    with measured(result):
        made = import_device(
            speaks.parse(data),
            speaks,
            Device(name="fw1", platform="panos"),
            site="plant",
            connection={},
            today=date(2027, 1, 1),
        )
    return result | {"zones": len(made.site.zones), "changes": made.changes}


def show(file: str) -> dict[str, Any]:
    """Load a plan and write it to a file as `show` does."""
    import os
    from contextlib import redirect_stdout

    import jsonschema
    import rich.text

    from segctl.cli.screen import print_lines
    from segctl.planning.documents import load_plan
    from segctl.providers.base import provider
    from segctl.report import plan_text

    _ = provider("panos"), jsonschema, rich.text
    result: dict[str, Any] = {}
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        measured(result),
    ):
        made = load_plan(Path(file))
        print_lines(plan_text(made))
    return result | {"changes": made.changes}


def report(file: str) -> dict[str, Any]:
    """Write a plan as Markdown, as a web page and as JUnit."""
    from segctl.planning.documents import load_plan
    from segctl.providers.base import provider
    from segctl.report import Places, junit, markdown, plan_report, webpage

    _ = provider("panos")
    made = load_plan(Path(file))
    result: dict[str, Any] = {}
    with measured(result):
        found = plan_report(made, (), environment="bench", places=Places())
        size = len(markdown(found)) + len(webpage(found)) + len(junit(found))
    return result | {"changes": made.changes, "characters": size}


def known_plan(rules: str, document: str, folder: str, expected: str) -> dict[str, Any]:
    """Plan for a firewall that is as it should be: make the plan, or take it from a cache."""
    from datetime import date

    from bench import corpus

    from segctl.compiler.build import compile_site
    from segctl.fleet.plan_cache import PlanCache, key_of
    from segctl.fleet.tasks import judge
    from segctl.providers.base import provider

    wanted = compile_site(corpus.manufactory(int(rules)), date(2027, 1, 1))["fw1"]
    data = Path(document).read_bytes()
    if expected == "cold":
        for entry in Path(folder).iterdir():
            entry.unlink()
    speaks = provider("panos")
    result: dict[str, Any] = {}
    with measured(result):
        cache = PlanCache(Path(folder))
        key = key_of(wanted, data, speaks)
        known = cache.get(key) if key else None
        if known is None:
            made = judge(wanted, data)
            if key:
                cache.put(key, made)
    if (known is not None) is not (expected == "warm"):
        message = f"the cache was not {expected}"
        raise AssertionError(message)
    return result


# --- inventories ---------------------------------------------------------------------------------


def inventory(folder: str) -> dict[str, Any]:
    """List hosts and variables of an Ansible inventory with segctl."""
    from segctl.inventory import list_json, read_inventory

    result: dict[str, Any] = {}
    with measured(result):
        text = list_json(read_inventory([Path(folder)]))
    return result | {"size": len(json.dumps(text))}


def bare_yaml(folder: str) -> dict[str, Any]:
    """Load the same files with PyYAML's C loader and merge them by group, then by host."""
    import yaml

    def load(path: Path) -> dict[str, Any]:
        with path.open("rb") as file:
            return dict(yaml.load(file, Loader=yaml.CSafeLoader) or {})

    root = Path(folder)
    result: dict[str, Any] = {}
    with measured(result):
        groups: dict[str, Any] = load(root / "hosts.yml")["all"]["children"]
        everything = load(root / "group_vars/all.yml")
        merged: dict[str, dict[str, Any]] = {}
        for group, content in groups.items():
            shared = everything | load(root / f"group_vars/{group}.yml")
            for host, own in content["hosts"].items():
                merged[host] = shared | (own or {}) | load(root / f"host_vars/{host}.yml")
    return result | {"size": len(json.dumps(merged))}


CONTENDERS: dict[str, Callable[..., dict[str, Any]]] = {
    "stream": stream,
    "segctl": segctl,
    "plan": plan,
    "pan-os-python": pan_os_python,
    "create-each": create_each,
    "validate": validate,
    "judge": judge,
    "read-back": read_back,
    "show": show,
    "report": report,
    "known-plan": known_plan,
    "inventory": inventory,
    "bare-yaml": bare_yaml,
}

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    print(json.dumps(CONTENDERS[sys.argv[1]](*sys.argv[2:])))
