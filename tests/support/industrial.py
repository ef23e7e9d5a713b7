"""Requests of industrial protocols, written by hand, and a client and server for a lab.

Layouts: Modbus Messaging on TCP/IP 1.0b; IEEE 1815 (DNP3) link, transport and application
headers; IEC 60870-5-104 APCI and ASDU; S7comm over TPKT (RFC 1006) and COTP (ISO 8073).
"""

from __future__ import annotations

import struct

#: Counts whole payloads; prints what arrived, in hexadecimal, a line a segment. argv: ports.
SINK = """
import selectors, socket, sys
chosen = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    for family, any_ in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        s = socket.socket(family)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((any_, port)); s.listen(64)
        chosen.register(s, selectors.EVENT_READ, True)
print("ready")
while True:
    for key, _ in chosen.select():
        if key.data:
            conn, _ = key.fileobj.accept()
            chosen.register(conn, selectors.EVENT_READ, False)
            continue
        try:
            data = key.fileobj.recv(4096)
            if data:
                key.fileobj.send(b"\\x01")
        except OSError:
            data = b""
        if not data:
            chosen.unregister(key.fileobj); key.fileobj.close()
"""

#: Sends each request on a connection of its own, its segments one by one; prints which were
#: answered. stdin: JSON list of [name, address, port, [segments in hexadecimal]].
CLIENT = """
import json, select, socket, sys, time
socks = []
for name, address, port, segments in json.loads(sys.stdin.readline()):
    s = socket.create_connection((address, port), timeout=3)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for number, segment in enumerate(segments):
        if number:
            time.sleep(0.02)
        s.send(bytes.fromhex(segment))
    socks.append((name, s))
# before TCP has sent a refused segment again together with what follows it
time.sleep(0.15)
print(json.dumps([name for name, s in socks if select.select([s], [], [], 0)[0]]))
for name, s in socks:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\x01\\0\\0\\0\\0\\0\\0\\0")
    s.close()
"""


def modbus(body: bytes, *, length: int | None = None, protocol: int = 0) -> bytes:
    """Return a request of unit 1; `length` and `protocol` may lie."""
    size = len(body) + 1 if length is None else length
    return struct.pack(">HHHB", 7, protocol, size, 1) + body


def dnp3(function: int, *, objects: bytes = b"\x3c\x02\x06") -> bytes:
    """Return an unconfirmed user data frame with one application fragment; sums are not right."""
    data = bytes([0xC1, 0xC1, function]) + objects
    head = b"\x05\x64" + bytes([5 + len(data), 0xC4]) + struct.pack("<HH", 10, 1) + b"\0\0"
    blocks = [data[start : start + 16] + b"\0\0" for start in range(0, len(data), 16)]
    return head + b"".join(blocks)


def iec104(type_id: int) -> bytes:
    """Return an I frame with one information object."""
    asdu = bytes([type_id, 1, 6, 0, 1, 0, 0, 0, 0, 20])
    return bytes([0x68, 4 + len(asdu), 0, 0, 0, 0]) + asdu


STARTDT = bytes([0x68, 4, 7, 0, 0, 0])


def s7(function: int, *, rosctr: int = 1, group: int = 0x44) -> bytes:
    """Return a job request, or with `rosctr` 7 a user data request of `group`."""
    if rosctr == 7:
        parameters = bytes([0, 1, 0x12, 4, 0x11, group, function, 0])
    else:
        parameters = bytes([function, 0])
    body = struct.pack(">BBHHHH", 0x32, rosctr, 0, 1, len(parameters), 0) + parameters
    return struct.pack(">BBH", 3, 0, 7 + len(body)) + b"\x02\xf0\x80" + body


COTP_CONNECT = bytes.fromhex("0300001611e00000000100c0010ac1020100c2020102")
