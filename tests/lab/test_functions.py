"""Functions of industrial protocols on a real kernel: clients that behave, split, join and lie."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support import industrial as wire
from support.lab import Lab, conduit, lines

if TYPE_CHECKING:
    from collections.abc import Sequence

PORTS = {"modbus": 502, "dnp3": 20000, "iec104": 2404, "s7": 102}
PLANT = conduit(
    "ot",
    "supv",
    "ctrl",
    "{modbus: {source: [supv1], protocols: {modbus: [read]}},"
    " dnp3: {source: [supv1], protocols: {dnp3: [read]}},"
    " iec104: {source: [supv1], protocols: {iec-60870-5-104: [read]}},"
    " s7: {source: [supv1], protocols: {s7comm: [read]}},"
    " full: {source: [supv2], protocols: {modbus: [read, write]}}}",
)
READ = wire.modbus(b"\x03\0\0\0\x0a")
WRITE = wire.modbus(b"\x06\0\x01\0\x02")

#: name: (protocol, segments, whether it passes)
CASES: dict[str, tuple[str, Sequence[bytes], bool]] = {
    "read": ("modbus", [READ], True),
    "read coils": ("modbus", [wire.modbus(b"\x01\0\0\0\x0a")], True),
    "fifo": ("modbus", [wire.modbus(b"\x18\0\0")], True),
    "write": ("modbus", [WRITE], False),
    "write many": ("modbus", [wire.modbus(b"\x10\0\0\0\x01\x02\0\x01")], False),
    "program": ("modbus", [wire.modbus(b"\x5a\0\0")], False),
    "read and write in one segment": ("modbus", [READ + WRITE], False),
    "two reads in one segment": ("modbus", [READ + READ], False),
    "split write": ("modbus", [WRITE[:7], WRITE[7:]], False),
    "write byte by byte": ("modbus", [bytes([one]) for one in WRITE], False),
    "length too long": ("modbus", [wire.modbus(b"\x03\0\0\0\x0a", length=12)], False),
    "length too short": ("modbus", [wire.modbus(b"\x03\0\0\0\x0a", length=4)], False),
    "read that hides a write": (
        "modbus",
        [wire.modbus(b"\x03\0\0\0\x0a", length=6) + WRITE],
        False,
    ),
    "another protocol id": ("modbus", [wire.modbus(b"\x03\0\0\0\x0a", protocol=1)], False),
    "http": ("modbus", [b"GET / HTTP/1.0\r\n\r\n"], False),
    "dnp3 read": ("dnp3", [wire.dnp3(1)], True),
    "dnp3 confirm": ("dnp3", [wire.dnp3(0, objects=b"")], True),
    "dnp3 write": ("dnp3", [wire.dnp3(2)], False),
    "dnp3 operate": ("dnp3", [wire.dnp3(4)], False),
    "dnp3 restart": ("dnp3", [wire.dnp3(13, objects=b"")], False),
    "dnp3 joined": ("dnp3", [wire.dnp3(1) + wire.dnp3(4)], False),
    "dnp3 split": ("dnp3", [wire.dnp3(4)[:10], wire.dnp3(4)[10:]], False),
    "104 start": ("iec104", [wire.STARTDT], True),
    "104 interrogation": ("iec104", [wire.iec104(100)], True),
    "104 command": ("iec104", [wire.iec104(45)], False),
    "104 reset": ("iec104", [wire.iec104(105)], False),
    "104 joined": ("iec104", [wire.STARTDT + wire.iec104(45)], False),
    "104 split": ("iec104", [wire.iec104(45)[:6], wire.iec104(45)[6:]], False),
    "s7 connect": ("s7", [wire.COTP_CONNECT], True),
    "s7 setup": ("s7", [wire.s7(0xF0)], True),
    "s7 read": ("s7", [wire.s7(0x04)], True),
    "s7 state list": ("s7", [wire.s7(0x01, rosctr=7)], True),
    "s7 write": ("s7", [wire.s7(0x05)], False),
    "s7 stop": ("s7", [wire.s7(0x29)], False),
    "s7 clock": ("s7", [wire.s7(0x02, rosctr=7, group=0x47)], False),
    "s7 joined": ("s7", [wire.s7(0x04) + wire.s7(0x29)], False),
    "s7 split": ("s7", [wire.s7(0x29)[:7], wire.s7(0x29)[7:]], False),
}


@pytest.fixture(scope="module")
def plant(lab: Lab) -> Lab:
    """The lab with functions judged, and a server that answers everything."""
    server = lab.python("ctrl1", wire.SINK, *map(str, PORTS.values()))
    assert lines(server.stdout).readline() == "ready\n"
    done = lab.segctl(lab.inventory(PLANT), "apply", "--auto-approve")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "overlapping segments" in done.stdout
    return lab


def answered(lab: Lab, host: str, requests: Sequence[tuple[str, int, Sequence[bytes]]]) -> set[str]:
    """Return the names of those requests that the server has seen."""
    client = lab.python(host, wire.CLIENT)
    wanted = [
        [f"{name} v{version}", lab.address("ctrl1", version), port, [one.hex() for one in segments]]
        for name, port, segments in requests
        for version in (4, 6)
    ]
    out, _ = client.communicate(json.dumps(wanted) + "\n", timeout=30)
    return set(json.loads(out))


def test_reads_pass_and_nothing_else(plant: Lab) -> None:
    requests = [(name, PORTS[protocol], parts) for name, (protocol, parts, _) in CASES.items()]
    wanted = {f"{name} v{v}" for name, (_, _, passes) in CASES.items() if passes for v in (4, 6)}
    assert answered(plant, "supv1", requests) == wanted


def test_a_flow_that_may_write_writes(plant: Lab) -> None:
    requests = [("read", 502, [READ]), ("write", 502, [WRITE]), ("both", 502, [READ + WRITE])]
    assert answered(plant, "supv2", requests) == {
        f"{n} v{v}" for n in ("read", "write") for v in (4, 6)
    }


def test_an_old_connection_loses_its_functions_too(plant: Lab) -> None:
    program = """
import socket, sys
s = socket.create_connection((sys.argv[1], 502), timeout=5)
s.settimeout(1)
def ask(text):
    s.send(bytes.fromhex(text))
    try:
        return bool(s.recv(16))
    except OSError:
        return False
for line in sys.stdin:
    print(ask(line.strip()))
"""
    client = plant.python("supv2", program, plant.address("ctrl1"))

    def ask(request: bytes) -> str:
        lines(client.stdin).write(request.hex() + "\n")
        lines(client.stdin).flush()
        return lines(client.stdout).readline().strip()

    assert ask(WRITE) == "True"
    done = plant.segctl(
        plant.inventory(PLANT.replace("[read, write]", "[read]")), "apply", "--auto-approve"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ask(READ) == "True"
    assert ask(WRITE) == "False"


def test_functions_not_enforced_are_said_aloud(plant: Lab) -> None:
    text = PLANT.replace("{modbus: [read, write]}", "{modbus: [read]}, functions: not-enforced")
    inventory = plant.inventory(text)
    done = plant.segctl(inventory, "apply", "--auto-approve")
    assert done.returncode == 0, done.stdout + done.stderr
    for command in (["validate"], ["plan"], ["drift"]):
        shown = plant.segctl(inventory, *command)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert "NOT enforced" in shown.stdout
    assert "write v4" in answered(plant, "supv2", [("write", 502, [WRITE])])


def test_pymodbus_reads_and_cannot_write(plant: Lab) -> None:
    server = """
import asyncio
from pymodbus.server import StartAsyncTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
async def main():
    device = SimDevice(1, simdata=[SimData(0, count=50, values=7, datatype=DataType.REGISTERS)])
    print("ready", flush=True)
    await StartAsyncTcpServer(device, address=("0.0.0.0", 502))
asyncio.run(main())
"""
    started = plant.python("ctrl2", server)
    assert lines(started.stdout).readline() == "ready\n"
    client = """
import sys, time
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException
for attempt in range(50):
    c = ModbusTcpClient(sys.argv[1], timeout=1, retries=0)
    if c.connect():
        break
    time.sleep(0.1)
print(c.read_holding_registers(1, count=3, device_id=1).registers)
try:
    print(c.write_register(1, 5, device_id=1).isError())
except ModbusException as error:
    print("refused")
"""
    plant.segctl(plant.inventory(PLANT), "apply", "--auto-approve")
    done = plant.python("supv1", client, plant.address("ctrl2"))
    out, _ = done.communicate(timeout=30)
    assert out.split("\n")[:2] == ["[7, 7, 7]", "refused"]
