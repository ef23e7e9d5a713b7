"""A snapshot of a device group keeps what is judged, and nothing else of what Panorama holds."""

from __future__ import annotations

from lxml import etree

from segctl.planning.snapshot import snapshot_of
from segctl.providers.panos.panorama import PanoramaProvider, members
from segctl.providers.panos.panorama.parse import (
    GROUP,
    HIERARCHY,
    MEMBERS,
    PRECEDENCE,
    STANDING,
)
from segctl.providers.panos.panorama.templates import STACKS, TEMPLATE, VARIABLES
from segctl.providers.panos.snapshot import Snapshot
from segctl.transports.target import Managed
from support.canaries import BASES, Canaries, answer, pushed_whole, whole

SCOPE = "device-group:OT"
SYSTEM = "<system><serial>9</serial><sw-version>11.1.6</sw-version><model>Panorama</model></system>"
DEVICES = (
    "<devicegroups><entry name='OT'><devices><entry name='1'><serial>1</serial>"
    "<connected>yes</connected><shared-policy-status>In Sync</shared-policy-status>"
    "</entry></devices></entry></devicegroups>"
)
#: Parts of a rule or an object in which somebody may have written anything.
NOTES = ("description", "comments", "unheard-of", "uuid")


def document(birds: Canaries) -> bytes:
    """Return what a session would return of a group, with a canary in every leaf around it."""
    policy, template = pushed_whole(birds)
    panorama = policy.find("panorama")
    system = template.find("devices/entry/vsys")
    assert panorama is not None
    assert system is not None
    panorama.tag = "entry"
    panorama.set("name", "OT")
    _, shared, rest = whole(birds)
    for kind in shared.iter("rule-type"):
        kind.text = "interzone"  # a word of three, and no other is a rule
    stack = etree.fromstring(
        "<template-stack><entry name='stack'><templates><member>one</member></templates><devices>"
        f"<entry name='1'><variable><entry name='$v'><type><ip-netmask>{birds.at('variable/own')}"
        "</ip-netmask></type></entry></variable></entry></devices><config><devices>"
        "<entry name='localhost.localdomain'><network><ike>"
        f"{birds.at('stack/network/ike')}</ike></network></entry></devices></config>"
        "</entry></template-stack>"
    )
    variables = etree.fromstring(
        f"<variable><entry name='$w'><type><fqdn>{birds.at('variable/template')}</fqdn></type>"
        "</entry></variable>"
    )
    parts = {
        "system": answer(etree.fromstring(SYSTEM)),
        "pending": rest["pending"],
        GROUP: answer(panorama),
        "shared": answer(shared),
        PRECEDENCE: answer(),
        "applications": answer(),
        "containers": answer(),
        HIERARCHY: answer(etree.fromstring("<dg-hierarchy><dg name='OT'/></dg-hierarchy>")),
        STANDING: answer(etree.fromstring(DEVICES)),
        MEMBERS: members.to_part([Managed(name="fw1", host="fw1", serial="1")]),
        STACKS: answer(stack),
        TEMPLATE + "one": answer(system),
        VARIABLES + "one": answer(variables),
        "locks": answer(etree.Element("config-locks"), etree.Element("commit-locks")),
    }
    return Snapshot(host="panorama1:OT", user="segctl", scope=SCOPE, parts=parts).dump()


def test_only_what_is_judged_survives_of_a_canary_in_every_leaf() -> None:
    birds = Canaries()
    config = document(birds)
    assert len(birds.places) > 1000
    seen = birds.seen_in(snapshot_of("panorama1:OT", SCOPE, config, PanoramaProvider()).dumps())
    assert {place for place in seen if place.startswith(("variable/", "stack/"))} == set()
    given = sorted(place for place in seen if place.startswith("template/"))
    ports = [place for place in given if place.startswith("template/zone/network/")]
    assert given == ["template/zone/@name", *ports]
    assert [place.rpartition("/")[2] for place in ports] == ["member"], "of one kind of network"
    assert not [place for place in seen if place.rpartition("/")[2] in NOTES]
    known = ("pushed/", "shared/", "template/")
    assert not [place for place in seen if not place.startswith(known)]
    for base in BASES:
        assert f"pushed/{base}/security/rules/@name" in seen, sorted(seen)


def test_what_is_kept_is_read_as_what_it_was_written_from() -> None:
    config, provider = document(Canaries()), PanoramaProvider()
    kept = provider.mask(config)
    assert provider.mask(kept) == kept
    found, live = provider.parse(kept), provider.parse(config)
    for name in ("member_zones", "members", "contents", "above", "parents", "state"):
        assert getattr(found, name) == getattr(live, name)
    assert live.members == {"fw1": ("1",)}
    assert live.above["shared"].by_kind
