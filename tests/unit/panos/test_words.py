"""What names in rules stand for: by the device's own content, and where it does not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.analysis.effective import permitted
from segctl.analysis.space import ALL_NAMES, Box, Names, Point, Space, service
from segctl.model.policy import Address, ApplicationGroup, Service, ServiceGroup
from segctl.providers import parsed
from segctl.providers.base import Live, provider, reading
from segctl.providers.panos.parse import COUNTED_KINDS, PanosLive, parse
from segctl.providers.panos.snapshot import Snapshot
from segctl.providers.panos.words import PanosWords, words

if TYPE_CHECKING:
    from collections.abc import Mapping

SSH = service("tcp", 22, 22)[0][0]
CONTAINERS = """\
<result><application-container>
<entry name="modbus"><functions><member>modbus-base</member><member>modbus-new</member></functions>
</entry><entry name="unused"><functions><member>x</member></functions></entry>
</application-container></result>"""
REFUSED = '<response status="error" code="16"><msg><line>Unauthorized</line></msg></response>'


def rule(name: str, *, applications: str = "any", services: str = "any") -> str:
    lists = {"from": "a", "to": "b", "source": "any", "destination": "any"}
    lists |= {"application": applications, "service": services}
    text = "".join(f"<{tag}><member>{word}</member></{tag}>" for tag, word in lists.items())
    return f'<entry name="{name}">{text}<action>allow</action></entry>'


def document(
    rules: str,
    objects: str = "",
    shared: str = "",
    containers: str | None = f'<response status="success">{CONTAINERS}</response>',
) -> bytes:
    """A session's document of one virtual system."""

    def answer(inside: str) -> bytes:
        return f'<response status="success">{inside}</response>'.encode()

    counts = {"rule": rules.count("<entry"), "service": objects.count("<protocol>")}
    parts: Mapping[str, bytes] = {
        "system": answer("<result><system><sw-version>11.1.0</sw-version></system></result>"),
        "pending": answer("<result/>"),
        "vsys": answer(
            f'<result><entry name="vsys1">{objects}<rulebase><security><rules>{rules}</rules>'
            "</security></rulebase></entry></result>"
        ),
        "shared": answer(f"<result><shared>{shared}</shared></result>"),
        "applications": answer(
            '<result><entry name="modbus-base"/><entry name="ftp"/><entry name="ping"/></result>'
        ),
        "network": answer("<result/>"),
        "deviceconfig": answer("<result/>"),
        "panorama status": answer("<result/>"),
    }
    parts = dict(parts)
    if containers is not None:
        parts["containers"] = containers.encode()
    for kind in COUNTED_KINDS:
        number = counts.get(kind, 0)
        parts[f"count {kind}"] = (
            f'<response status="success"><result total-count="{number}"/></response>'.encode()
        )
    return Snapshot(host="fw1", user="u", scope="vsys1", parts=parts).dump()


def test_containers_that_rules_name_are_what_the_device_says() -> None:
    live = parse(document(rule("r", applications="modbus")))
    assert live.containers == {"modbus": ("modbus-base", "modbus-new")}
    known = words(live)
    for name, members in (("modbus", {"modbus-base", "modbus-new"}), ("ftp", {"ftp"})):
        meant = known.application(name)
        assert meant is not None
        assert (meant.can, meant.sure) == (Names(frozenset(members)),) * 2
    assert known.application("filter") is None
    # one that no rule names, for questions
    dnp3 = known.application("dnp3")
    assert dnp3 is not None
    assert "dnp3-base" in dnp3.sure


def test_a_device_that_does_not_tell_leaves_open_what_a_container_holds() -> None:
    for containers in (REFUSED, None, '<response status="success"><result/></response>'):
        live = parse(document(rule("r", applications="modbus"), containers=containers))
        assert live.containers is None
        meant = words(live).application("modbus")
        assert meant is not None
        assert "modbus-base" in meant.sure
        assert "modbus-new" in meant.can
        assert "modbus-new" not in meant.sure
        assert "dnp3-base" not in meant.can
        assert meant.why != ()


def test_which_container_holds_an_application_is_sure_only_where_the_catalogue_says_so() -> None:
    """Nothing says that DNS over HTTPS is not in ``dns``, and content has it there."""
    known = PanosWords()
    dns, one, other = (known.application(name) for name in ("dns", "mms-ics", "iec-61850"))
    assert dns is not None
    assert one is not None
    assert other is not None
    assert "dns-over-https" in dns.can
    assert "dns-over-https" not in dns.sure
    assert "modbus-read-coils" not in dns.can
    assert "" not in dns.can
    # both may hold the applications of one protocol, which are in one of them at most
    assert "mms-ics-base" in one.can
    assert "mms-ics-base" in other.can
    assert not one.sure & other.sure


def test_a_name_that_nobody_lists_may_stand_for_others() -> None:
    known = PanosWords()
    meant = known.application("unheard-of")
    assert meant is not None
    assert (meant.can, meant.sure) == (ALL_NAMES, Names(frozenset({"unheard-of"})))
    exact = known.application("modbus-base")
    assert exact is not None
    assert exact.can == exact.sure == Names(frozenset({"modbus-base"}))


def test_what_stands_beside_the_fields_of_a_rule() -> None:
    effect = PanosWords().effect
    for text in (
        "category{member=news}",
        "source-hip{member=no-hip}",
        "source-device{member=camera}",
        "source-port=1023",
        "target{devices{entry[name=007]}}",
        "something-new=yes",
    ):
        assert effect(text) == "narrows", text
    for text in (
        "source-device{member=any}",
        "profile-setting{profiles{virus{member=default}}}",
        "tag=pci",
        "override{yes{timeout=30}}",
        "option{disable-server-response-inspection=yes}",
        "target{negate=no}",
    ):
        assert effect(text) == "none", text


def opens_ssh(live: Live) -> bool:
    found = permitted(reading(provider("panos"), live).between("a", "b"))
    assert not found.unknown & Space((Box(service=((SSH, SSH),)),))
    return Point(0, 0, SSH) in found.sure


def test_a_rule_for_ping_says_nothing_about_ports() -> None:
    one = rule("r", applications="ping", services="application-default")
    found = permitted(reading(provider("panos"), parse(document(one))).between("a", "b"))
    echo = Point(0, 0, service("icmp", 8, 8)[0][0], "ping")
    assert (echo in found.sure, Point(0, 0, SSH, "ping") in found.can) == (True, False)


def tcp(name: str, port: int) -> str:
    return f'<entry name="{name}"><protocol><tcp><port>{port}</port></tcp></protocol></entry>'


def group(name: str, *members: str) -> str:
    inside = "".join(f"<member>{one}</member>" for one in members)
    return f'<entry name="{name}"><members>{inside}</members></entry>'


def test_groups_of_old_configurations_are_read_with_their_members() -> None:
    """They stand in the entry itself; what else is there is none of them."""
    old = "<entry name='g'><member>s</member><tag><member>t</member></tag></entry>"
    objects = (
        f"<service>{tcp('s', 22)}</service><service-group>{old}</service-group>"
        "<application-group><entry name='a'><member>ssh</member></entry></application-group>"
    )
    live = parse(document(rule("r", services="g"), objects=objects))
    assert opens_ssh(live)
    assert [one.members for one in live.others[ServiceGroup]] == [("s",)]
    assert [one.members for one in live.others[ApplicationGroup]] == [("ssh",)]


def test_service_groups_are_read_and_belong_to_others_whatever_they_are_called() -> None:
    objects = (
        f"<service>{tcp('s', 22)}</service><service-group>{group('segctl-g', 's')}</service-group>"
    )
    live = parse(document(rule("r", services="segctl-g"), objects))
    assert live.policy[ServiceGroup] == ()
    assert live.others[ServiceGroup] == (ServiceGroup(name="segctl-g", members=("s",)),)
    assert opens_ssh(live)
    # a snapshot keeps them
    again = parsed.load(parsed.dump(live), PanosLive)
    assert again.others[ServiceGroup] == live.others[ServiceGroup]
    assert again.containers == live.containers


def test_groups_within_themselves_are_not_told() -> None:
    objects = f"<service-group>{group('a', 'b')}{group('b', 'a')}</service-group>"
    live = parse(document(rule("r", services="a"), objects))
    found = permitted(reading(provider("panos"), live).between("a", "b"))
    assert found.unknown
    assert "is a group within itself" in found.why[0]


def test_a_name_of_the_system_hides_a_shared_one_of_another_kind() -> None:
    """Services and their groups share their names; so do addresses, groups and fetched lists."""
    objects = (
        f"<service>{tcp('s', 22)}{tcp('g', 23)}</service>"
        '<external-list><entry name="x"/></external-list>'
    )
    shared = (
        f"<service-group>{group('g', 's')}</service-group>"
        '<address><entry name="x"><ip-netmask>10.0.0.1</ip-netmask></entry></address>'
    )
    live = parse(document(rule("r", services="g"), objects, shared))
    assert live.others[ServiceGroup] == ()
    assert live.others[Address] == ()
    assert [one.name for one in live.others[Service]] == ["s", "g"]
    assert live.implied == {"x": "a list that the device fetches"}
    assert not opens_ssh(live)
