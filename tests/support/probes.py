"""Programs that run inside a lab's namespaces: listeners, probes, streams."""

#: Answers on TCP and UDP ports of both IP versions; argv: ports.
ECHO = """
import selectors, socket, sys
chosen = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    for family in (socket.AF_INET, socket.AF_INET6):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            s = socket.socket(family, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if kind == socket.SOCK_DGRAM:  # SO_RCVBUFFORCE: what waits while others run is not lost
                s.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)
            s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
            if kind == socket.SOCK_STREAM:
                s.listen(128)
            chosen.register(s, selectors.EVENT_READ, kind)
print("ready")
while True:
    for key, _ in chosen.select():
        s = key.fileobj
        try:
            if key.data == socket.SOCK_DGRAM:
                data, who = s.recvfrom(2048)
                s.sendto(data, who)
            elif key.data == socket.SOCK_STREAM:
                conn, _ = s.accept()
                chosen.register(conn, selectors.EVENT_READ, None)
            else:
                data = s.recv(4096)
                if data:
                    s.sendall(data)
                else:
                    chosen.unregister(s)
                    s.close()
        except OSError:
            if key.data is None:
                chosen.unregister(s)
                s.close()
"""

#: Tries many flows at once; stdin: JSON list of [name, version, kind, address, port]; prints
#: the names that were answered within the time of argv[1].
PROBE = """
import json, os, selectors, socket, struct, sys, time
wanted = json.loads(sys.stdin.readline())
deadline = time.monotonic() + float(sys.argv[1])
chosen, found = selectors.DefaultSelector(), []
def echo(version, number):
    kind = 8 if version == 4 else 128
    head = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xffff, number)
    total = sum(struct.unpack("!4H", head))
    total = (total >> 16) + (total & 0xffff)
    return struct.pack("!BBHHH", kind, 0, ~total & 0xffff if version == 4 else 0,
                       os.getpid() & 0xffff, number)
for number, (name, version, kind, address, port) in enumerate(wanted):
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    if kind == "icmp":
        proto = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
        s = socket.socket(family, socket.SOCK_RAW, proto)
    else:
        s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.setblocking(False)
    try:
        if kind == "icmp":
            s.connect((address, 0))
            s.send(echo(version, number))
            chosen.register(s, selectors.EVENT_READ, (name, kind, version))
        else:
            s.connect_ex((address, port))
            if kind == "udp":
                s.send(b"probe")
            chosen.register(s, selectors.EVENT_READ if kind == "udp" else selectors.EVENT_WRITE,
                            (name, kind, version))
    except OSError:
        pass
while time.monotonic() < deadline and chosen.get_map():
    for key, _ in chosen.select(deadline - time.monotonic()):
        name, kind, version = key.data
        s = key.fileobj
        if kind == "tcp":
            ok = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        else:
            try:
                data = s.recv(2048)
                ok = kind == "udp" or data[20 if version == 4 else 0] in (0, 129)
                if not ok:
                    continue
            except OSError:
                ok = False
        if ok:
            found.append(name)
        chosen.unregister(s)
        s.close()
print(json.dumps(found))
"""

#: Sends numbered datagrams and counts the answers; argv: address, port, seconds, rate.
STREAM = """
import select, socket, sys, time
address, port, seconds, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
s.connect((address, port))
s.setblocking(False)
seen, sent, start = set(), 0, time.monotonic()
def drain(wait):
    end = time.monotonic() + wait
    while True:
        left = end - time.monotonic()
        ready, _, _ = select.select([s], [], [], max(0, left))
        if not ready:
            return
        try:
            seen.add(int(s.recv(64)))
        except OSError:
            pass
print("ready")
stop = False
while not stop and time.monotonic() - start < seconds:
    s.send(str(sent).encode())
    sent += 1
    drain(max(0, start + sent / rate - time.monotonic()))
    until = time.monotonic() + 2
    while sent - len(seen) > 200 and time.monotonic() < until:  # a busy machine: queues are short
        drain(0.05)
    if sent % 50 == 0 and select.select([sys.stdin], [], [], 0)[0]:
        stop = True
until = time.monotonic() + 20
while len(seen) < sent and time.monotonic() < until:
    drain(0.2)
print(sent, sent - len(seen))
"""

#: Keeps one TCP connection talking, then says how often it was answered, and how long the longest
#: silence was, in seconds in which it was itself awake, and how long ago the last answer was. argv:
#: address, port. Ends when stdin ends.
SESSION = """
import select, socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
s.setblocking(False)
print("ready")
longest, quiet, sent, back, last = 0, 0, 0, 0, time.monotonic()
while not select.select([sys.stdin], [], [], 0.02)[0]:
    quiet += 1
    if back == sent:
        s.send(b"x")
        sent += 1
    if select.select([s], [], [], 0)[0]:
        try:
            back += len(s.recv(64))
        except OSError:
            break
        longest, quiet, last = max(longest, quiet), 0, time.monotonic()
print(back, round(0.02 * max(longest, quiet), 3), round(time.monotonic() - last, 3))
"""

#: Sends packets that answer nothing, from ports of services; stdin: JSON list of
#: [name, version, source, destination, kind]. Each carries its name.
FORGE = """
import json, socket, struct, sys
FLAGS = {"ack": 16, "syn-ack": 18, "rst": 4, "fin-ack": 17, "push-ack": 24, "null": 0, "xmas": 41}
def total(data):
    data += b"\\0" * (len(data) % 2)
    found = sum(struct.unpack(f"!{len(data) // 2}H", data))
    found = (found >> 16) + (found & 0xffff)
    return ~(found + (found >> 16)) & 0xffff
def summed(version, near, far, proto, data, at):
    if version == 4 and proto == 1:
        head = b""
    elif version == 4:
        head = near + far + struct.pack("!BBH", 0, proto, len(data))
    else:
        head = near + far + struct.pack("!II", len(data), proto)
    return data[:at] + struct.pack("!H", total(head + data)) + data[at + 2:]
def ip(version, near, far, proto, data, part=0):
    if version == 6:
        return struct.pack("!IHBB", 6 << 28, len(data), proto, 64) + near + far + data
    head = struct.pack("!BBHHHBBH", 69, 0, 20 + len(data), 7, part, 64, proto, 0) + near + far
    return head[:10] + struct.pack("!H", total(head)) + head[12:] + data
def tcp(version, near, far, flags, text, ports=(502, 40000)):
    data = struct.pack("!HHIIBBHHH", *ports, 7, 9, 80, flags, 8192, 0, 0) + text
    return summed(version, near, far, 6, data, 16)
for name, version, source, destination, kind in json.loads(sys.stdin.readline()):
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    near, far = (socket.inet_pton(family, one) for one in (source, destination))
    text, part = f"<{name}>".encode(), 0
    icmp = 1 if version == 4 else 58
    if kind in FLAGS:
        proto, data = 6, tcp(version, near, far, FLAGS[kind], text)
    elif kind in ("udp", "fragment"):
        data = struct.pack("!HHHH", 53, 40000, 8 + len(text), 0) + text
        proto, data = 17, summed(version, near, far, 17, data, 6)
        part = 100 if kind == "fragment" else 0
    elif kind == "echo-reply":
        data = struct.pack("!BBHHH", 0 if version == 4 else 129, 0, 0, 7, 9) + text
        proto, data = icmp, summed(version, near, far, icmp, data, 2)
    else:  # an error about a packet that was never sent
        inner = ip(version, far, near, 6, tcp(version, far, near, 16, text, (40000, 502)))
        data = struct.pack("!BBHI", 3 if version == 4 else 1, 1, 0, 0) + inner
        proto, data = icmp, summed(version, near, far, icmp, data, 2)
    s = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.sendto(ip(version, near, far, proto, data, part), (destination, 0))
print("sent")
"""

#: Prints the names of forged packets that arrive; argv: seconds without another.
CATCH = """
import json, re, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
print("ready")
sys.stdin.readline()
s.settimeout(float(sys.argv[1]))
found = set()
try:
    while True:
        data, (_, _, kind, _, _) = s.recvfrom(4096)
        if kind != socket.PACKET_OUTGOING:
            found.update(one.decode() for one in re.findall(rb"<([a-z0-9 -]+)>", data))
except TimeoutError:
    print(json.dumps(sorted(found)))
"""
