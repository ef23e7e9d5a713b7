"""Signatures of both kinds: made, checked, and refused whatever is done to them."""

from __future__ import annotations

import base64
import fnmatch
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import asyncssh
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segctl.model.errors import SignatureError
from segctl.signing import Signer, open_key, signature_path, verify
from segctl.signing.trusted import matches, read_trusted
from support.fuzz import ended
from support.signatures import PASSPHRASE, Keys, minisign_keys, never, ssh_keys, typed

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DATA = b'{"plan": "of one change"}\n'


@pytest.fixture(params=["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", "minisign"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Keys:
    if request.param == "minisign":
        return minisign_keys(tmp_path)
    return ssh_keys(tmp_path, algorithm=request.param)


@pytest.fixture
def signed(keys: Keys, tmp_path: Path) -> Path:
    return sign(tmp_path / "plan.json", keys)


def sign(file: Path, keys: Keys, data: bytes = DATA) -> Path:
    file.write_bytes(data)
    signature = open_key(keys.secret, never)(data, file.name)
    signature.beside(file).write_bytes(signature.text)
    return file


def check(file: Path, keys: Keys | Path, data: bytes | None = None) -> tuple[Signer, ...]:
    trusted = keys.trusted if isinstance(keys, Keys) else keys
    return verify(file.read_bytes() if data is None else data, file, trusted, NOW)


def test_a_signature_says_who_signed(signed: Path, keys: Keys) -> None:
    (signer,) = check(signed, keys)
    if keys.kind == "ssh":
        key = asyncssh.import_public_key(keys.public)
        assert str(signer) == f"alice@plant (ssh key {key.get_fingerprint()})"
    else:
        key_id = int.from_bytes(base64.b64decode(keys.public)[2:10], "little")
        assert str(signer) == f"mini of the plant (minisign key {key_id:016X})"


def test_every_changed_byte_is_refused(signed: Path, keys: Keys) -> None:
    for place in range(len(DATA)):
        changed = bytearray(DATA)
        changed[place] ^= 1
        with pytest.raises(SignatureError, match="was changed"):
            check(signed, keys, bytes(changed))
    for other in (b"", DATA[:-1], DATA + b"\n", DATA.replace(b"\n", b"\r\n")):
        with pytest.raises(SignatureError, match="was changed"):
            check(signed, keys, other)


@given(st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_damaged_signature_is_refused(signed: Path, keys: Keys, data: st.DataObject) -> None:
    path = signature_path(signed, "ssh" if keys.kind == "ssh" else "minisign")
    whole = (path.parent / "whole").read_bytes() if (path.parent / "whole").exists() else b""
    if not whole:
        whole = path.read_bytes()
        (path.parent / "whole").write_bytes(whole)
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        changed = whole[:place]
    else:
        byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
        changed = whole[:place] + bytes([byte]) + whole[place + 1 :]
    path.write_bytes(changed)
    try:
        check(signed, keys)
    except SignatureError:
        return
    assert meaning(changed, keys.kind) == meaning(whole, keys.kind)


def meaning(signature: bytes, kind: str) -> object:
    """What a signature says, without line ends, unused bits, and the comment that is not signed."""
    lines = signature.splitlines()
    if kind == "minisign":
        return base64.b64decode(lines[1]), lines[2], base64.b64decode(lines[3])
    return base64.b64decode(b"".join(lines[1:-1]))


def test_no_signature_is_refused(tmp_path: Path, keys: Keys) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(DATA)
    with pytest.raises(SignatureError, match=rf"not signed: there is no plan.json\{keys.suffix}"):
        check(file, keys)


def test_the_signature_of_another_file_is_refused(signed: Path, keys: Keys, tmp_path: Path) -> None:
    other = sign(tmp_path / "other.json", keys, b"another plan")
    shutil.copy(f"{other}{keys.suffix}", f"{signed}{keys.suffix}")
    with pytest.raises(SignatureError, match="was changed"):
        check(signed, keys)


def test_a_key_that_is_not_trusted_is_refused(tmp_path: Path) -> None:
    mine, theirs = ssh_keys(tmp_path, "mine"), ssh_keys(tmp_path, "theirs")
    file = sign(tmp_path / "plan.json", theirs)
    with pytest.raises(SignatureError, match=r"SSH key SHA256:\S+, which is not trusted"):
        check(file, mine)
    mini, other = minisign_keys(tmp_path, "m"), minisign_keys(tmp_path, "o")
    file = sign(tmp_path / "other.json", other)
    with pytest.raises(SignatureError, match=r"minisign key [0-9A-F]{16}, which is not trusted"):
        check(file, mini)


def test_a_key_of_the_same_number_is_not_the_same_key(tmp_path: Path) -> None:
    mini, other = minisign_keys(tmp_path, "m"), minisign_keys(tmp_path, "o")
    file = sign(tmp_path / "plan.json", other)
    raw = base64.b64decode(mini.public)
    forged = raw[:2] + base64.b64decode(other.public)[2:10] + raw[10:]
    mini.trusted.write_bytes(base64.b64encode(forged))
    with pytest.raises(SignatureError, match="was changed"):
        check(file, mini)
    mini.trusted.write_text(f"{base64.b64encode(forged).decode()}\n{other.public}\n", "utf-8")
    assert check(file, mini)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ('namespaces="git"', "is trusted for git, not for segctl-plan"),
        ('namespaces="*,!segctl-plan"', "not for segctl-plan"),
        ('valid-before="20261128115959Z"', "was trusted only until 2026-11-28T11:59:59"),
        ('valid-before="20261128120000Z"', "was trusted only until"),
        ('namespaces="segctl-*",valid-after="20270101Z"', "is trusted only from 2027-01-01"),
    ],
)
def test_a_key_counts_for_what_and_while_it_is_trusted(
    tmp_path: Path, options: str, why: str
) -> None:
    keys = ssh_keys(tmp_path)
    file = sign(tmp_path / "plan.json", keys)
    keys.trusted.write_text(f"alice@plant {options} {keys.public}\n", encoding="utf-8")
    with pytest.raises(SignatureError, match="signed by alice@plant, but their key") as caught:
        check(file, keys)
    assert why in str(caught.value)
    keys.trusted.write_text(
        f"alice@plant {options} {keys.public}\n"
        f'"al*,bob@plant" valid-after="20261128",VALID-BEFORE="202612312359Z" {keys.public}\n',
        encoding="utf-8",
    )
    assert check(file, keys)[0].name == "al*,bob@plant"


def test_a_signature_made_for_something_else_is_refused(tmp_path: Path) -> None:
    keys = ssh_keys(tmp_path)
    file = tmp_path / "plan.json"
    file.write_bytes(DATA)
    private = asyncssh.read_private_key(keys.secret)
    keys.trusted.write_text(f"alice@plant {keys.public}\n", encoding="utf-8")
    for namespace in ("git", "file", "segctl-plan2"):
        made = asyncssh.create_sshsig([private], DATA, namespace=namespace)
        signature_path(file, "ssh").write_bytes(made)
        with pytest.raises(SignatureError, match=f"made for '{namespace}', not for 'segctl-plan'"):
            check(file, keys)


def test_signatures_with_sha_1_are_refused(tmp_path: Path) -> None:
    keys = ssh_keys(tmp_path, algorithm="ssh-rsa")
    file = sign(tmp_path / "plan.json", keys)
    path = signature_path(file, "ssh")
    lines = path.read_bytes().splitlines()
    blob = base64.b64decode(b"".join(lines[1:-1]))
    sizes = len(b"\0\0\0\x0crsa-sha2-512"), len(b"\0\0\0\x07ssh-rsa")
    at = blob.rindex(b"\0\0\0\x0crsa-sha2-512")
    length = int.from_bytes(blob[at - 4 : at], "big") - sizes[0] + sizes[1]
    weak = blob[: at - 4] + length.to_bytes(4, "big") + b"\0\0\0\x07ssh-rsa" + blob[at + sizes[0] :]
    path.write_bytes(b"\n".join([lines[0], base64.b64encode(weak), lines[-1], b""]))
    with pytest.raises(SignatureError, match="of type ssh-rsa are not accepted"):
        check(file, keys)


def test_both_kinds_beside_a_file_must_both_hold_where_both_are_trusted(tmp_path: Path) -> None:
    one, two = ssh_keys(tmp_path), minisign_keys(tmp_path)
    file = sign(sign(tmp_path / "plan.json", one), two)
    both = tmp_path / "both"
    both.write_text(one.trusted.read_text("utf-8") + two.trusted.read_text("utf-8"), "utf-8")
    assert [signer.kind for signer in check(file, both)] == ["ssh", "minisign"]
    signature_path(file, "minisign").write_bytes(b"damaged\n")
    with pytest.raises(SignatureError, match=r"plan.json.minisig is damaged"):
        check(file, both)
    assert [signer.kind for signer in check(file, one)] == ["ssh"]
    signature_path(file, "minisign").unlink()
    assert len(check(file, both)) == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("alice@plant", "not a minisign public key"),
        ("alice@plant ssh-ed25519", "not a line of allowed signers"),
        ("alice@plant ssh-ed25519 AAAA!", "not a line of allowed signers"),
        ("alice@plant ssh-ed25519 AAAA", "not of type ssh-ed25519"),
        ("alice@plant ssh-ed25519 AAA", "not base64"),
        ("alice@plant cert-authority KEY", "certificates are not supported"),
        ('alice@plant namespace="segctl-plan" KEY', "option namespace is not understood"),
        ("alice@plant namespaces KEY", "option namespaces is not understood, or empty"),
        ('alice@plant namespaces="a",namespaces="b" KEY', "given twice"),
        ('alice@plant valid-before="tomorrow" KEY', "'tomorrow' is not a time"),
        ('alice@plant valid-before="20261301" KEY', "does not match|unconverted|month"),
        ("RWQ", "not a minisign public key"),
    ],
)
def test_a_line_that_is_not_understood_makes_nobody_trusted(
    tmp_path: Path, line: str, why: str
) -> None:
    keys = ssh_keys(tmp_path)
    text = f"# who may\n\n{line.replace('KEY', keys.public)}\n"
    with pytest.raises(SignatureError, match=rf"trusted:3: .*({why})"):
        read_trusted(text.encode(), Path("trusted"))


def test_files_that_are_no_keys(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(DATA)
    empty = tmp_path / "empty"
    empty.write_text("# nobody\n", encoding="utf-8")
    for keys, why in (
        (empty, "has no keys"),
        (tmp_path / "missing", "No such file"),
        (tmp_path, "it is a folder"),
    ):
        with pytest.raises(SignatureError, match=why):
            check(file, keys)
    empty.write_bytes(b"\xff\xfe")
    with pytest.raises(SignatureError, match="it is not text"):
        check(file, empty)
    empty.write_bytes(b"#" * (1 << 21))
    with pytest.raises(SignatureError, match="too large"):
        check(file, empty)


# --- secret keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ssh_keys, minisign_keys])
def test_a_key_with_a_password(tmp_path: Path, make: Callable[..., Keys]) -> None:
    keys = make(tmp_path, password=PASSPHRASE)
    file = tmp_path / "plan.json"
    file.write_bytes(DATA)
    signature = open_key(keys.secret, typed())(DATA, file.name)
    signature.beside(file).write_bytes(signature.text)
    assert check(file, keys)
    with pytest.raises(SignatureError, match="cannot be used") as caught:
        open_key(keys.secret, typed("wrong"))
    assert PASSPHRASE not in str(caught.value)
    assert "wrong " not in str(caught.value).replace("wrong password", "")


def rsa(one: int, other: int) -> bytes:
    """Return a private key of the Mersenne primes with these exponents."""
    p, q = 2**one - 1, 2**other - 1
    e = 65537
    d = cast("int", pow(e, -1, (p - 1) * (q - 1)))
    numbers = RSAPrivateNumbers(
        p, q, d, rsa_crt_dmp1(d, p), rsa_crt_dmq1(d, q), rsa_crt_iqmp(p, q),
        RSAPublicNumbers(e, p * q),
    )  # fmt: skip
    return numbers.private_key().private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )


def test_an_rsa_key_that_is_too_short_neither_signs_nor_is_trusted(tmp_path: Path) -> None:
    """As in ssh-keygen, where a key has 1024 bits at least."""
    secret, trusted = tmp_path / "key", tmp_path / "trusted"
    secret.touch(mode=0o600)
    for exponents, bits in (((521, 127), 648), ((521, 607), 1128)):
        secret.write_bytes(rsa(*exponents))
        public = asyncssh.import_private_key(secret.read_bytes()).export_public_key().decode()
        text = f"# keys\nalice@plant {public}".encode()
        if bits < 1024:
            with pytest.raises(SignatureError, match="an RSA key of 648 bits"):
                open_key(secret, never)
            with pytest.raises(SignatureError, match="trusted:2: the key is an RSA key of 648"):
                read_trusted(text, trusted)
        else:
            open_key(secret, never)
            assert read_trusted(text, trusted).ssh


def test_what_is_no_secret_key(tmp_path: Path) -> None:
    keys = ssh_keys(tmp_path)
    keys.secret.chmod(0o640)
    with pytest.raises(SignatureError, match="is readable by others: chmod 600"):
        open_key(keys.secret, never)
    for content, why in (
        (keys.public, "is not a secret key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END", "cannot be used"),
        ("untrusted comment: x\nAAAA\n", "cannot be used"),
        (f"untrusted comment: x\n{minisign_keys(tmp_path).public}\n", "cannot be used"),
    ):
        keys.secret.write_text(content, encoding="utf-8")
        keys.secret.chmod(0o600)
        with pytest.raises(SignatureError, match=why):
            open_key(keys.secret, never)
    with pytest.raises(SignatureError, match="No such file"):
        open_key(tmp_path / "missing", never)


@pytest.mark.parametrize(
    ("patterns", "text", "result"),
    [
        ("segctl-plan", "segctl-plan", True),
        ("segctl-*", "segctl-plan", True),
        ("segctl.plan", "segctl-plan", False),
        ("git,segctl-pla?", "segctl-plan", True),
        ("*,!segctl-plan", "segctl-plan", False),
        ("[s]egctl-plan", "segctl-plan", False),
    ],
)
def test_patterns(patterns: str, text: str, *, result: bool) -> None:
    assert matches(patterns, text) is result


# --- the real tools ------------------------------------------------------------------------------

needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"
)
needs_minisign = pytest.mark.skipif(
    shutil.which("minisign") is None, reason="minisign is not installed"
)


def tool(*words: object, data: bytes = b"") -> bytes:
    command = [str(word) for word in words]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@needs_ssh_keygen
@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp384", "ssh-rsa"])
def test_ssh_keygen_agrees_both_ways(tmp_path: Path, algorithm: str) -> None:
    keys = ssh_keys(tmp_path, algorithm=algorithm)
    file = sign(tmp_path / "plan.json", keys)
    path = signature_path(file, "ssh")
    words = ("ssh-keygen", "-Y", "verify", "-n", "segctl-plan", "-I", "alice@plant")
    said = tool(*words, "-f", keys.trusted, "-s", path, data=DATA)
    assert b'Good "segctl-plan" signature for alice@plant' in said
    path.unlink()
    tool("ssh-keygen", "-q", "-Y", "sign", "-n", "segctl-plan", "-f", keys.secret, file)
    assert check(file, keys)[0].name == "alice@plant"


@needs_minisign
@pytest.mark.parametrize("more", [(), ("-l",)], ids=["hashed", "legacy"])
def test_minisign_agrees_both_ways(tmp_path: Path, more: tuple[str, ...]) -> None:
    keys = minisign_keys(tmp_path)
    file = sign(tmp_path / "plan.json", keys)
    assert b"signature verified" in tool("minisign", "-V", "-P", keys.public, "-m", file)
    signature_path(file, "minisign").unlink()
    tool("minisign", "-S", *more, "-s", keys.secret, "-m", file)
    assert check(file, keys)[0].name == "mini of the plant"
    made = tmp_path / "made.pub"
    tool("minisign", "-G", "-W", "-p", made, "-s", tmp_path / "made.key")
    (tmp_path / "made.key").chmod(0o600)
    signature = open_key(tmp_path / "made.key", never)(DATA, file.name)
    signature.beside(file).write_bytes(signature.text)
    assert check(file, made)[0].name == ""


LONG = 50_000


@pytest.mark.parametrize(
    "line",
    [
        "who " + "a" * LONG,
        "who " + "a-" * LONG + " x",
        "who " + "a," * LONG + " x",
        "who " + 'a="b",' * LONG + " x",
        "who " + 'a="b"' * LONG + " x",
        "who " + 'a="' * LONG + " x",
        '"' + "who" * LONG + " x y",
        "who" + " " * LONG + "x" + "\t" * LONG + "y",
        "who ssh-" + "a-" * LONG + " x y",
        "who ssh-ed25519 " + "A" * LONG + "= = x" + "=" * LONG,
        "who " + "namespaces," * LONG + 'x="y ssh-ed25519 AAAA',
        "who cert" + "-" * 30 + '"' + "-" * 30,
    ],
)
def test_a_line_takes_as_long_as_it_is(line: str) -> None:
    """The first pattern tried every way to part a line of options: twice as many a letter."""
    with ended(line[:60]), pytest.raises(SignatureError, match="keys:2: "):
        read_trusted(f"# of the plant\n{line}".encode(), Path("keys"))


def test_a_pattern_of_stars_takes_as_long_as_it_is() -> None:
    with ended("stars"):
        assert not matches("*" * 200 + "x", "segctl-plan")
        assert not matches("*a" * 5000 + "x", "a" * 5000)


PATTERN = st.text("ab*?", max_size=8)


@settings(deadline=None)
@given(PATTERN, st.text("ab", max_size=8))
def test_a_pattern_matches_as_a_shell_has_it(pattern: str, text: str) -> None:
    assert matches(pattern, text) is fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize("moment", ["00010101", "99991231235959", "00000101", "20261301"])
def test_times_at_the_ends_of_the_calendar(moment: str, tmp_path: Path) -> None:
    keys = ssh_keys(tmp_path)
    line = f'who valid-after="{moment}" {keys.public}\n'
    try:
        read_trusted(line.encode(), Path("keys"))
    except SignatureError as error:
        assert str(error).startswith("keys:1: ")  # noqa: PT017 - that one is refused is no must
