"""known_hosts files: what is found in them, and the verdict on a host, beside OpenSSH's own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import subprocess
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from segctl.transports.host_keys import (
    Status,
    algorithms,
    fingerprint,
    judge,
    lookup,
    place,
    shown,
    too_short,
)
from support import openssh

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(bool(openssh.refused()), reason=openssh.refused())

HOSTS = ("fw1", "fw1.plant.example", "fw2.plant.example", "10.0.0.1", "::1", "2001:db8::1")
PORTS = (22, 2222)
#: Names of keys: three of hosts, two of authorities, and one that is too short.
KEYS = ("mine", "other", "wide", "ca", "ca2", "short")
CERTIFICATES = {
    "good": ("ca", "-h", "-n", ",".join(HOSTS)),
    "wild": ("ca", "-h", "-n", "fw?.*,10.*,*1"),
    "elsewhere": ("ca", "-h", "-n", "fw9,*.example.org"),
    "expired": ("ca", "-h", "-n", ",".join(HOSTS), "-V", "20200101:20210101"),
    "early": ("ca", "-h", "-n", ",".join(HOSTS), "-V", "20990101:20990201"),
    "user": ("ca", "-n", ",".join(HOSTS)),
    "stranger": ("ca2", "-h", "-n", ",".join(HOSTS)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Keys, and a server for each certificate of the key ``mine`` and for none."""

    keys: dict[str, tuple[str, str]] = field(repr=False)
    certificates: dict[str, str] = field(repr=False)
    servers: dict[str, openssh.Sshd] = field(repr=False)


def rsa(bits: int) -> tuple[str, str]:
    """Return type and base64 of a public key of RSA: to look one up, its number may be any."""
    parts = (b"ssh-rsa", b"\1\0\1", (2**bits - 1).to_bytes(bits // 8 + 1, "big"))
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return "ssh-rsa", base64.b64encode(blob).decode()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("openssh")
    kinds = {"other": "ecdsa", "wide": "rsa"}
    paths = {
        name: openssh.make_key(folder / name, kinds.get(name, "ed25519"))
        for name in KEYS
        if name != "short"
    }
    made = {
        name: openssh.certify(paths[words[0]], paths["mine"], *words[1:])
        for name, words in CERTIFICATES.items()
    }
    servers: dict[str, openssh.Sshd] = {}
    for name in ("", *CERTIFICATES):
        place_ = folder / f"server-{name}"
        place_.mkdir()
        servers[name] = openssh.sshd(place_, [paths["mine"]], [made[name]] if name else [])
    return World(
        keys={name: openssh.public(path) for name, path in paths.items()} | {"short": rsa(1023)},
        certificates=made,
        servers=servers,
    )


# --- files of every kind of line -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line, its key given by name."""

    marker: str
    hosts: str
    gap: str
    kind: str
    key: str
    damage: str
    tail: str

    def text(self, keys: dict[str, tuple[str, str]]) -> bytes:
        kind, key = keys[self.key]
        kind = {"": kind, "other": "ecdsa-sha2-nistp384"}.get(self.kind, self.kind)
        key = {"": key, "cut": key[:-5], "junk": f"{key[:9]}!{key[9:]}", "pad": f"{key}="}[
            self.damage
        ]
        return f"{self.marker}{self.hosts}{self.gap}{kind}{self.gap}{key}{self.tail}".encode()


def _hashed(name: str, salt: bytes) -> str:
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


_BARE = st.sampled_from([*HOSTS, "FW1", "Fw1.Plant.Example", "10.0.0.2", "2001:DB8::1"])
_NAMES = st.one_of(
    _BARE,
    st.builds("[{}]:{}".format, _BARE, st.sampled_from([22, 2222, 2223])),
    st.sampled_from([
        "*", "?w1", "fw*", "*.example", "*.PLANT.example", "10.0.0.*", "[*]:2222", "[fw?]:22*",
        "10.0.0.0/8", "::/0", "0.0.0.0/0", "", "[", "]", "[a-z]w1", "fw[1]", "fw1,", "**1",
    ]),
)  # fmt: skip
_PATTERNS = st.lists(
    st.builds("{}{}".format, st.sampled_from(["", "", "", "!"]), _NAMES), min_size=1, max_size=3
).map(",".join)
_HASHES = st.builds(
    _hashed,
    st.one_of(
        st.sampled_from(HOSTS), st.builds("[{}]:{}".format, st.sampled_from(HOSTS), st.just(2222))
    ),
    st.binary(min_size=20, max_size=20),
)
_BROKEN_HASHES = st.one_of(
    _HASHES.map(lambda text: text[:-3]),
    _HASHES.map(lambda text: f"{text},{text}"),
    _HASHES.map(lambda text: text.replace("|1|", "|2|")),
)
_LINES = st.builds(
    Line,
    marker=st.sampled_from(
        ["", "", "", "@cert-authority ", "@cert-authority ", "@revoked ", "@revoked\t", "@CA ",
         "@cert-authority @revoked ", "@cert-authority\t", " ", "@revoked  \t"]
    ),
    hosts=st.one_of(_PATTERNS, _PATTERNS, _HASHES, _BROKEN_HASHES),
    gap=st.sampled_from([" ", " ", "\t", " \t "]),
    kind=st.sampled_from(
        ["", "", "", "", "other", "ED25519", "rsa", "SSH-RSA", "rsa-sha2-256", "1024"]
    ),
    key=st.sampled_from(KEYS),
    damage=st.sampled_from(["", "", "", "", "", "cut", "junk", "pad"]),
    tail=st.sampled_from(
        ["", "", " by hand", "\r", "\tx\r", " \x0b* x", " \u2028* x", "\0 x", "x"]
    ),
)  # fmt: skip
_FILES = st.lists(
    st.one_of(
        _LINES,
        _LINES,
        st.sampled_from(
            [b"", b"#", b"# fw1 ssh-rsa", b"fw1", b"@revoked", b"\xff\xfe \xff", b"* * *"]
        ),
    ),
    max_size=5,
)  # fmt: skip


def _text(lines: list[Line | bytes], world: World) -> bytes:
    return b"\n".join(
        line if isinstance(line, bytes) else line.text(world.keys) for line in lines
    ) + b"\n"  # fmt: skip


def _line(marker: str = "", hosts: str = "fw1", key: str = "mine", **more: str) -> Line:
    rest = {"gap": " ", "kind": "", "damage": "", "tail": "", **more}
    return Line(marker=marker, hosts=hosts, key=key, **rest)


# --- the laws ------------------------------------------------------------------------------------


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None
)
@example(lines=[_line(hosts="a,,b")], host="fw1", port=22)
@example(lines=[_line(key="short"), _line("@cert-authority ", key="short")], host="fw1", port=22)
@example(lines=[_line(hosts="10.0.0.0/8,x?")], host="10.0.0.1", port=22)
@example(lines=[_line(kind="RSA", key="wide")], host="fw1", port=22)
@example(lines=[_line(tail=" \u2028fw1 x")], host="fw1", port=22)
@example(lines=[_line("@revoked ", "fw1\x0b,*"), _line()], host="fw1", port=22)
@given(lines=_FILES, host=st.sampled_from(HOSTS), port=st.sampled_from(PORTS))
def test_entries_are_found_as_openssh_finds_them(
    tmp_path: Path, world: World, lines: list[Line | bytes], host: str, port: int
) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(_text(lines, world))
    name = place(host, port).name
    found = lookup([file.read_bytes()], name)
    ours = {
        *(("", fingerprint(key)) for key in found.keys),
        *(("CA", fingerprint(key)) for key in found.authorities),
        *(("REVOKED", fingerprint(key)) for key in found.revoked),
    }
    assert ours == openssh.look_up(file, name)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@example(files=[[_line()], [_line("@revoked ")]], host="fw1", port=22, shows="")
@example(files=[[_line("@cert-authority ", key="ca")]], host="fw1", port=2222, shows="good")
@example(
    files=[[_line("@cert-authority ", key="ca"), _line()]], host="fw1", port=22, shows="expired"
)
@example(files=[[_line("@cert-authority ", key="ca")]], host="fw1", port=22, shows="user")
@example(
    files=[[_line("@cert-authority ", "*", "ca")], [_line("@revoked ", "*", "ca"), _line()]],
    host="fw1", port=22, shows="good",
)  # fmt: skip
@example(
    files=[[_line("@cert-authority ", "*", "ca"), _line("@revoked ", "*")]],
    host="fw1", port=22, shows="good",
)  # fmt: skip
@example(files=[[_line(), _line("@revoked ")]], host="fw1", port=2222, shows="")
@example(files=[[_line(), _line(hosts="[fw1]:2222", key="other")]], host="fw1", port=2222, shows="")
@given(
    files=st.lists(_FILES, min_size=1, max_size=2),
    host=st.sampled_from(HOSTS),
    port=st.sampled_from(PORTS),
    shows=st.sampled_from(["", "good", "good", *(name for name in CERTIFICATES if name != "wild")]),
)
def test_a_host_is_taken_where_openssh_takes_it(
    tmp_path: Path, world: World, files: list[list[Line | bytes]], host: str, port: int, shows: str
) -> None:
    paths = [tmp_path / f"known_hosts{number}" for number in range(len(files))]
    for path, lines in zip(paths, files, strict=True):
        path.write_bytes(_text(lines, world))
    find = partial(lookup, [path.read_bytes() for path in paths])
    where = place(host, port)
    text = world.keys["mine"][1]
    if shows and "ssh-ed25519-cert-v01@openssh.com" in algorithms(find, where):
        text = world.certificates[shows].split()[1]
    verdict = judge(find, where, shown(base64.b64decode(text)))
    ours = verdict.status is Status.OK
    assert ours == world.servers[shows].accepted(paths, host, port), verdict


@pytest.mark.parametrize(
    ("host", "port", "taken"),
    [
        ("fw1.plant.example", 22, True),
        ("10.0.0.1", 2222, True),
        ("2001:db8::1", 22, True),
        ("fw1", 22, True),
        ("fw", 22, False),
        ("fw12.plant.example", 22, False),
    ],
)
def test_wildcards_in_a_certificate_count(
    tmp_path: Path, world: World, host: str, port: int, *, taken: bool
) -> None:
    """As in OpenSSH since 10.3: before, it compared them the wrong way round."""
    file = tmp_path / "known_hosts"
    file.write_bytes(_text([_line("@cert-authority ", "*", "ca")], world))
    blob = base64.b64decode(world.certificates["wild"].split()[1])
    verdict = judge(partial(lookup, [file.read_bytes()]), place(host, port), shown(blob))
    assert (verdict.status is Status.OK) is taken
    if openssh.version() >= (10, 3):
        assert world.servers["wild"].accepted([file], host, port) is taken


@pytest.mark.parametrize(("bits", "wrong"), [(512, "512 bits"), (1023, "1023 bits"), (1024, "")])
def test_rsa_keys_of_too_few_bits_are_none(bits: int, wrong: str) -> None:
    kind, text = rsa(bits)
    key = base64.b64decode(text)
    assert too_short(key) == (wrong and f"an RSA key of {wrong}, which anybody can forge")
    found = lookup([f"fw1 {kind} {text}\n@cert-authority fw1 {kind} {text}\n".encode()], "fw1")
    assert (found.keys, found.authorities) == (((), ()) if wrong else ((key,), (key,)))


def test_a_certificate_of_a_key_that_is_too_short_is_refused() -> None:
    numbers = (b"\1\0\1", (2**1023 - 1).to_bytes(128, "big"))
    with pytest.raises(ValueError, match="1023 bits"):
        shown(_certificate([b"fw1"], b"ssh-rsa", *numbers))


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        ([b"fw1"] * 256, ""),
        ([b"fw1"] * 257, "more than 256 names"),
        ([b"fw1", b"fw\0"], ""),
        ([b"fw1", b"fw\0.example"], "NUL character"),
    ],
)
def test_names_in_a_certificate_are_read_as_openssh_reads_them(
    tmp_path: Path, names: list[bytes], wrong: str
) -> None:
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    blob = _certificate(names, b"ssh-ed25519", key)
    file = tmp_path / "certificate"
    kind = b"ssh-ed25519-cert-v01@openssh.com"
    file.write_bytes(kind + b" " + base64.b64encode(blob) + b"\n")
    read = subprocess.run(["ssh-keygen", "-L", "-f", file], capture_output=True, check=False)
    assert (read.returncode == 0) is not bool(wrong)
    if wrong:
        with pytest.raises(ValueError, match=wrong):
            shown(blob)
    else:
        assert shown(blob).certificate is not None


def _certificate(names: list[bytes], kind: bytes, *parts: bytes) -> bytes:
    """Return a host certificate with these names for a key of these parts, in SSH's encoding."""
    authority = Ed25519PrivateKey.generate()
    known = (b"ssh-ed25519", authority.public_key().public_bytes_raw())
    body = b"".join((
        *map(_string, (kind + b"-cert-v01@openssh.com", b"nonce", *parts)),
        bytes(8) + (2).to_bytes(4, "big"),
        *map(_string, (b"id", b"".join(map(_string, names)))),
        bytes(8) + b"\xff" * 8,
        *map(_string, (b"", b"", b"", b"".join(map(_string, known)))),
    ))  # fmt: skip
    return body + _string(_string(b"ssh-ed25519") + _string(authority.sign(body)))


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
