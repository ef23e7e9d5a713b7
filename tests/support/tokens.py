"""A program that sends and collects numbered datagrams on ports that stay open."""

#: Binds UDP ports of both IP versions (argv); stdin, a JSON line a command:
#: ``{"send": [[from port, address, port, token], ...]}`` answers ``[]``;
#: ``{"want": [token, ...], "quiet": seconds}`` answers the tokens that came, once all wanted ones
#: are there, or after 5 seconds, and then nothing came for so long.
TOKENS = """
import json, select, socket, sys, time
held = {}
for port in map(int, sys.argv[1:]):
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        s = socket.socket(family, socket.SOCK_DGRAM)
        if version == 6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(("" if version == 4 else "::", port))
        held[version, port] = s
print("ready")
seen = set()
def drain(wait):
    ready, _, _ = select.select(list(held.values()), [], [], wait)
    for s in ready:
        try:
            seen.add(s.recv(64).decode())
        except OSError:
            pass
    return bool(ready)
for line in sys.stdin:
    asked = json.loads(line)
    for port, address, other, token in asked.get("send", ()):
        try:
            held[6 if ":" in address else 4, port].sendto(token.encode(), (address, other))
        except OSError:
            pass
    if "want" in asked:
        wanted, deadline = set(asked["want"]), time.monotonic() + 30
        while not wanted <= seen and time.monotonic() < deadline:
            drain(0.05)
        while drain(asked["quiet"]):
            pass
    print(json.dumps(sorted(seen) if "want" in asked else []))
    if "want" in asked:
        seen = set()
"""
