"""What a use of a protocol comes to: laws over the whole catalogue, then examples."""

from __future__ import annotations

from random import Random  # noqa: TC003 - Hypothesis resolves the annotations of a test

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segctl.model.errors import UnsupportedError
from segctl.model.site import ACCESS_CLASSES
from segctl.protocols import (
    Application,
    Applications,
    Protocol,
    catalogue,
    default_ports,
    layer4_ports,
    rows,
)
from segctl.providers.panos.app_id import applications as panos_applications

CATALOGUE = catalogue()

protocols = st.sampled_from(CATALOGUE.ids).map(CATALOGUE.get)
class_sets = st.sets(st.sampled_from(ACCESS_CLASSES)).map(sorted)


@st.composite
def uses(draw: st.DrawFn) -> tuple[Protocol, list[str]]:
    """Draw a protocol with some of the classes it has."""
    protocol = draw(protocols.filter(lambda one: bool(one.classes)))
    classes = draw(st.sets(st.sampled_from(protocol.classes), min_size=1))
    return protocol, sorted(classes)


def permitted(protocol: Protocol, classes: list[str]) -> Applications:
    """Compile, or give the example up when the single application was not asked for."""
    try:
        return panos_applications(protocol, classes)
    except UnsupportedError:
        assume(condition=False)
        raise


@given(uses())
def test_no_function_of_another_class(use: tuple[Protocol, list[str]]) -> None:
    """Every name is of a class asked for, or set-up, or a declared dependency."""
    protocol, classes = use
    for name in permitted(protocol, classes).names:
        application = CATALOGUE.application(name)
        assert application is None or application.access_class in {*classes, "session"}


@given(uses())
def test_every_function_of_the_classes(use: tuple[Protocol, list[str]]) -> None:
    """No function of a class asked for is left out, and the base is always there."""
    protocol, classes = use
    wanted = {one.name for one in protocol.usable if one.access_class in classes}
    assert wanted | set(protocol.base) <= set(permitted(protocol, classes).names)


@given(uses())
def test_dependencies_are_complete(use: tuple[Protocol, list[str]]) -> None:
    """What any name depends on is there, implicit ones and containers are not."""
    protocol, classes = use
    names = permitted(protocol, classes).names
    assert CATALOGUE.requires(names) == names
    assert set(protocol.must_also_allow) <= set(names)
    assert not set(protocol.implicit) & set(names)
    assert not set(names) & set(CATALOGUE.containers)


@given(uses(), st.randoms(use_true_random=False))
def test_order_of_classes_does_not_matter(use: tuple[Protocol, list[str]], random: Random) -> None:
    """The same classes in any order, or twice, give the same sorted names."""
    protocol, classes = use
    shuffled = [*classes, *classes]
    random.shuffle(shuffled)
    once = permitted(protocol, classes)
    assert panos_applications(protocol, shuffled) == once
    assert list(once.names) == sorted(set(once.names))


@given(uses(), class_sets)
def test_more_classes_permit_no_less(use: tuple[Protocol, list[str]], more: list[str]) -> None:
    """Classes that contain others permit at least what those permit."""
    protocol, classes = use
    wider = [word for word in ACCESS_CLASSES if word in {*classes, *more}]
    assume(set(wider) <= set(protocol.classes) or protocol.single is not None)
    assert set(permitted(protocol, classes).names) <= set(permitted(protocol, wider).names)


@given(protocols, class_sets)
def test_what_is_not_there_is_refused(protocol: Protocol, classes: list[str]) -> None:
    """A class without an application is an error, unless one application is all there is."""
    covered = protocol.single is not None and protocol.single.access_class in classes
    if classes and (covered or set(classes) <= set(protocol.classes)):
        assert panos_applications(protocol, classes).names
    else:
        with pytest.raises(UnsupportedError, match=protocol.id):
            panos_applications(protocol, classes)


@given(uses())
def test_what_to_avoid_is_never_compiled(use: tuple[Protocol, list[str]]) -> None:
    """Names marked as better left out appear in no use."""
    protocol, classes = use
    avoided = {one.name for one in protocol.applications if one.avoid}
    assert not avoided & set(permitted(protocol, classes).names)


@given(uses())
def test_every_doubt_is_told(use: tuple[Protocol, list[str]]) -> None:
    """A name or a class of low confidence is in the warnings, by name."""
    protocol, classes = use
    used = permitted(protocol, classes)
    for application in protocol.applications:
        doubtful = "low" in {application.confidence, application.class_confidence}
        if application.name in used.names and doubtful:
            assert any(application.name in warning for warning in used.warnings)


def names(protocol: str, *classes: str) -> tuple[str, ...]:
    """Compile by id."""
    return panos_applications(CATALOGUE.get(protocol), classes).names


def test_modbus_read_is_the_base_and_the_reads() -> None:
    """Reading Modbus permits exactly these applications."""
    assert names("modbus", "read") == (
        "modbus-base",
        "modbus-read-coils",
        "modbus-read-discrete-inputs",
        "modbus-read-fifo-queue",
        "modbus-read-holding-registers",
        "modbus-read-input-registers",
    )


def test_s7_needs_its_base_and_cotp() -> None:
    """Every use of S7 brings the base, the set-up and the transport below."""
    assert names("s7comm", "write") == (
        "cotp",
        "siemens-s7-base",
        "siemens-s7-check-password-set",
        "siemens-s7-message-service",
        "siemens-s7-modify-variable",
        "siemens-s7-set-clock",
        "siemens-s7-setup-communication",
        "siemens-s7-write",
    )


def test_dependencies_cross_protocols() -> None:
    """A protocol inside another brings the base of that other, and no function of it."""
    umas = names("umas", "read")
    assert "modbus-base" in umas
    assert not [name for name in umas if name.startswith("modbus-") and name != "modbus-base"]
    assert {"cip-ethernet-ip-base", "cip-ethernet-ip-reg-session"} <= set(names("pccc", "read"))
    assert "cotp" not in names("iec-61850-mms", "read")


def test_mms_takes_both_bases() -> None:
    """A protocol of two containers brings the base of each."""
    assert {"mms-ics-base", "iec-61850-base"} <= set(names("iec-61850-mms", "diagnostic"))


@pytest.mark.parametrize(
    ("protocol", "classes", "message"),
    [
        ("roc", ["read"], r"a single application, roc, .*declare roc: \[control\]"),
        ("pi", ["read", "write"], r"declare pi: \[session\]"),
        ("modbus-tls", ["read"], r"no application for Modbus/TCP Security \(expect ssl\)"),
        ("cip-io", ["read"], "no application for EtherNet/IP implicit"),
        ("goose", ["read"], "is not IP"),
        (
            "coap",
            ["program"],
            "it has the classes read, write, session",
        ),
        ("modbus", ["reed"], "no access class 'reed'; it has read, write, program"),
        ("goose", ["reed"], "it has none"),
        ("modbus", [], "no access class asked for"),
    ],
)
def test_refusals_say_what_to_do(protocol: str, classes: list[str], message: str) -> None:
    """An error names the protocol, the reason and the classes there are."""
    with pytest.raises(UnsupportedError, match=message):
        panos_applications(CATALOGUE.get(protocol), classes)


def test_a_single_application_is_permitted_when_its_class_is_asked_for() -> None:
    """Whoever permits the class of the only application permits all of it, and is told."""
    roc = panos_applications(CATALOGUE.get("roc"), ["read", "control"])
    assert roc.names == ("roc",)
    assert "permits everything its protocol can do" in roc.notes[0]


def test_a_whole_tool_is_not_set_up() -> None:
    """Single applications of class session come only when session is asked for."""
    assert names("rockwell-factorytalk", "diagnostic") == (
        "rockwell-aadvance-discovery",
        "rockwell-eweb",
    )
    assert "rockwell-factorytalk" in names("rockwell-factorytalk", "session")


def test_doubts_are_warnings() -> None:
    """Low confidence in a class, a name or a whole protocol is said."""
    assert panos_applications(CATALOGUE.get("cip-ethernet-ip"), ["read"]).warnings == ()
    cip = panos_applications(CATALOGUE.get("cip-ethernet-ip"), ["program"])
    assert "cip-ethernet-ip-misc: assumed to be program, judging by its name only" in cip.warnings
    assert (
        "little about this" in panos_applications(CATALOGUE.get("delta"), ["program"]).warnings[0]
    )
    opc = panos_applications(CATALOGUE.get("opc-da"), ["session"])
    assert any("inferred" in note for note in opc.notes)


def test_names_that_are_not_confirmed_are_warnings() -> None:
    """A dependency that the catalogue does not know, or not for sure, is said."""
    made_up = Protocol(
        id="made-up",
        name="Made up",
        standard="",
        confidence="high",
        applications=(Application(name="made-up", access_class="read", confidence="high"),),
        must_also_allow=("dtls", "unheard-of"),
    )
    used = panos_applications(made_up, ["read"])
    assert used.names == ("dtls", "made-up", "unheard-of")
    assert any(warning.startswith("dtls: the name is not confirmed") for warning in used.warnings)
    assert any(warning.startswith("unheard-of: not in the") for warning in used.warnings)


def test_holes_are_notes() -> None:
    """What a read-only use lets through all the same is said."""
    assert "modbus-base" in panos_applications(CATALOGUE.get("modbus"), ["read"]).notes[0]


def test_releases_are_listed() -> None:
    """Names that older releases of PAN-OS do not have are listed with the release."""
    modbus = panos_applications(CATALOGUE.get("modbus"), ["diagnostic"])
    assert ("modbus-diagnostics", "8.1.0") in modbus.since


def ports(protocol: str) -> list[str]:
    """Ports by id, as text."""
    return [str(one) for one in layer4_ports(CATALOGUE.get(protocol))]


def test_layer4_ports_are_those_of_the_server() -> None:
    """Variants, discovery and vendor defaults are no ports to open."""
    assert ports("modbus") == ["tcp/502"]
    assert ports("iec-60870-5-104") == ["tcp/2404"]
    assert ports("sick") == ["tcp/2111-2112", "tcp/2113", "tcp/2122"]
    assert ports("rdp") == ["tcp/3389", "udp/3389"]


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ("df1", "only tcp/site-specific"),
        ("ifix", "only from memory: tcp/2010"),
        ("opc-da", "no fixed ports: DCOM"),
        ("goose", "is not IP"),
    ],
)
def test_layer4_refusals(protocol: str, message: str) -> None:
    """Without ports to rely on there is no layer-4 rule."""
    with pytest.raises(UnsupportedError, match=message):
        layer4_ports(CATALOGUE.get(protocol))


@given(protocols)
def test_layer4_ports_are_ports_of_the_protocol(protocol: Protocol) -> None:
    """No port comes from anywhere else, and none is known from memory only."""
    known = {(str(one.protocol), one.first, one.last): one for one in protocol.ports}
    try:
        found = layer4_ports(protocol)
    except UnsupportedError:
        return
    assert found
    assert all(known[one.protocol, one.first, one.last].confidence != "low" for one in found)


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        ("modbus-base", ["tcp/502", "tcp/4001", "tcp/4002", "udp/502"]),
        ("modbus-read-coils", ["tcp/502"]),
        ("104apci-supervisory", ["tcp/2404"]),
        ("iec-60870-5-104-base", ["tcp/1-65535"]),
        ("cotp", ["tcp/1-65535"]),
        ("dns-base", ["tcp/53", "udp/53"]),
        ("df1-base", []),
        ("my-own-app", []),
    ],
)
def test_default_ports(application: str, expected: list[str]) -> None:
    """The vendor's list first, then the protocol's ports, then nothing."""
    assert [str(one) for one in default_ports(application)] == expected


@given(st.none() | protocols)
def test_tables_are_rectangular(protocol: Protocol | None) -> None:
    """Every row has as many cells as the header."""
    header, *body = rows(protocol)
    assert all(len(row) == len(header) for row in body)


def test_tables() -> None:
    """One row a protocol; one row an application."""
    overview = {row[0]: row for row in rows()}
    assert list(overview)[1:] == list(CATALOGUE.ids)
    assert overview["coap"] == (
        "coap",
        "CoAP",
        "udp/5683",
        "read write session",
        "5",
        "medium",
    )
    assert overview["goose"][2:4] == ("not IP", "no application")
    assert overview["df1"][2] == "tcp/site-specific"
    modbus = {row[0]: row for row in rows(CATALOGUE.get("modbus"))}
    assert modbus["modbus-base"][1:] == (
        "session",
        "tcp/502 tcp/4001 tcp/4002 udp/502",
        "",
        "high",
        "base",
    )
    ssh = {row[0]: row for row in rows(CATALOGUE.get("ssh"))}
    assert ssh["ssh-tunnel"][5].startswith("never compiled; Port forwarding")
