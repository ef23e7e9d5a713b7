"""What is secret in a PAN-OS configuration is masked, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.errors import ParseError, UnsupportedError
from segctl.providers.panos import PanosProvider
from segctl.providers.panos.secrets import mask, masked
from segctl.providers.panos.snapshot import Snapshot, load
from segctl.snapshot import snapshot_of

FINE = (
    "<entry name='a key'><description>the password is on the door</description></entry>"
    "<key/><password></password><public-key>AAAA</public-key><url>https://a.example/list</url>"
    "<source><member>key</member></source><tag><member>secret</member></tag>"
)
SECRET = {
    "<phash>$5$x</phash>": "<phash>***</phash>",
    "<phash admin='a' time='t'>$5$x</phash>": "<phash admin='a' time='t'>***</phash>",
    "<pre-shared-key><key>-AQ==a=</key></pre-shared-key>": (
        "<pre-shared-key><key>***</key></pre-shared-key>"
    ),
    "<private-key>\n-----BEGIN\n</private-key>": "<private-key>***</private-key>",
    "<bind-password><![CDATA[a<b]]></bind-password>": "<bind-password>***</bind-password>",
    "<authpwd>x</authpwd><privpwd>y</privpwd>": "<authpwd>***</authpwd><privpwd>***</privpwd>",
    "<snmp-community-string>public</snmp-community-string>": (
        "<snmp-community-string>***</snmp-community-string>"
    ),
    "<odd>-AQ==c29tZQ==</odd>": "<odd>***</odd>",
    "<client-secret>a</client-secret>": "<client-secret>***</client-secret>",
    "<url>https://me:pass@a.example/x?user=1&amp;token=abc&amp;n=2</url>": (
        "<url>https://***@a.example/x?user=1&amp;token=***&amp;n=2</url>"
    ),
}


def document(inside: str, *, shared: str = "", network: str = "") -> bytes:
    def answer(body: str) -> bytes:
        return f'<response status="success"><result>{body}</result></response>'.encode()

    counts = {
        f"count {kind}": b'<response status="success"><result total-count="0"/></response>'
        for kind in ("rule", "address", "address-group", "service")
    }
    system = "<system><serial>1</serial><sw-version>11.1.6</sw-version></system>"
    return Snapshot(
        host="fw1",
        user="segctl",
        vsys="vsys1",
        parts={
            "system": answer(system),
            "pending": answer("<journal/>"),
            "vsys": answer(f"<entry name='vsys1'>{inside}</entry>"),
            "shared": answer(f"<shared>{shared}</shared>"),
            "applications": answer(""),
            "network": answer(f"<network>{network}</network>"),
            "deviceconfig": answer("<deviceconfig/>"),
            **counts,
        },
    ).dump()


@pytest.mark.parametrize("text", SECRET)
def test_secrets_are_masked_once_and_for_all(text: str) -> None:
    assert masked(text.encode()).decode() == SECRET[text]
    assert masked(SECRET[text].encode()).decode() == SECRET[text]


def test_what_is_no_secret_stays() -> None:
    assert masked(FINE.encode()).decode() == FINE
    whole = document(FINE)
    assert mask(whole) == whole


@pytest.mark.parametrize("text", SECRET)
def test_the_same_is_read_from_a_masked_document(text: str) -> None:
    lists = (
        f"<external-list><entry name='feed'><type><ip>{text}</ip></type></entry></external-list>"
    )
    whole = document(lists, shared=lists)
    speaks = PanosProvider()
    kept = snapshot_of("fw1", "vsys1", whole, speaks)
    assert kept.document.encode() == mask(whole) != whole
    assert speaks.parse(kept.document.encode()) == speaks.parse(whole)
    assert (kept.serial, kept.os_version, kept.platform) == ("1", "11.1.6", "panos")


NETWORK = (
    "<ike><gateway><entry name='g'><authentication><pre-shared-key><key>{0}</key></pre-shared-key>"
    "</authentication></entry></gateway></ike><interface><ethernet><entry name='ethernet1/1'>"
    "<layer3><pppoe><username>u</username><password>{0}</password></pppoe><ddns-config>"
    "<ddns-vendor-config><entry name='dyn-password'><value>{0}</value></entry>"
    "<entry name='host'><value>a.example</value></entry></ddns-vendor-config></ddns-config>"
    "</layer3></entry></ethernet></interface><virtual-router><entry name='default'><protocol>"
    "<bgp><auth-profile><entry name='p'><secret>{0}</secret></entry></auth-profile></bgp>"
    "<ospf><auth-profile><entry name='p'><md5><entry name='1'><key>{0}</key></entry></md5></entry>"
    "</auth-profile></ospf></protocol></entry></virtual-router>"
)


def test_secrets_of_the_network_section_are_masked() -> None:
    whole = document("", network=NETWORK.format("S3cr3t"))
    made = bytes(load(mask(whole)).parts["network"])
    assert made == bytes(load(document("", network=NETWORK.format("***"))).parts["network"])
    assert mask(mask(whole)) == mask(whole)


@pytest.mark.parametrize("missing", ["network", "deviceconfig"])
def test_a_document_without_a_section_is_refused(missing: str) -> None:
    found = load(document(""))
    parts = {name: part for name, part in found.parts.items() if name != missing}
    with pytest.raises(ParseError, match=f"lacks {missing}"):
        PanosProvider().parse(replace(found, parts=parts).dump())


@pytest.mark.parametrize(
    "body",
    [
        b"<response status='error'><msg><line>busy</line></msg></response>",
        b"<response status='success'><result><network>",
        b"",
    ],
)
def test_a_section_that_was_not_shown_is_no_empty_one(body: bytes) -> None:
    found = load(document(""))
    with pytest.raises(ParseError):
        PanosProvider().parse(replace(found, parts={**found.parts, "network": body}).dump())


@pytest.mark.parametrize(
    "text",
    ["<password>a<!-- b -->c</password>", "<key>a<?x y?>c</key>", "<odd> <!-- -->-AQ==x</odd>"],
)
def test_a_secret_that_cannot_be_masked_is_refused(text: str) -> None:
    with pytest.raises(ParseError, match="cannot be masked"):
        mask(document(text))


def test_a_mask_that_changed_what_is_read_is_refused() -> None:
    schedules = "<schedule><entry name='night'><secret>x</secret></entry></schedule>"
    with pytest.raises(UnsupportedError, match="without changing what is read"):
        snapshot_of("fw1", "vsys1", document(schedules), PanosProvider())


def test_a_provider_that_does_not_know_its_secrets_has_no_snapshots() -> None:
    class Toy:
        name = "toy"

    toy: object = Toy()
    with pytest.raises(UnsupportedError, match="no snapshots of toy"):
        snapshot_of("fw1", "vsys1", b"", toy)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - it is none


@given(st.text(alphabet="ab<>&'\"/ü -]=!", min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_no_text_of_a_secret_element_is_left(secret: str) -> None:
    from xml.sax.saxutils import escape

    word = f"S3cr3t{escape(secret)}"
    made = mask(document(f"<entry name='u'><phash>{word}</phash></entry>"))
    assert b"S3cr3t" not in bytes(load(made).parts["vsys"])
