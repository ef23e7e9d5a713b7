"""The log forwarding profile by which a firewall contains by itself: match lists that tag.

A match list of ours tags the side that attacks, by the direction of the signature, if the address
is one of the zone that the firewall saw it in. The tags are those of ``segctl contain``, with one
that says who registered them. A filter that a firewall does not understand it refuses at commit:
then nothing of the plan is there.

Sources: configuration schema of 10.0 (filter at most 1,023 characters, names 63, of an action 31;
timeout in minutes, 0 for ever); the vendor's API guide 9.1 (terms of log queries).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from segctl.compiler import naming
from segctl.model.addresses import interval
from segctl.model.errors import UnsupportedError
from segctl.providers.panos.elements import canonical_xml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.model.policy import LogProfile

MAX_FILTER: Final = 1023
_MAX_NAME: Final = 63
#: More match lists are not asked of a firewall.
_MAX_LISTS: Final = 200
#: What a log query says of each kind.
_TERMS: Final = {
    "critical-threat": "(severity eq critical)",
    "command-and-control": "(category-of-threatid eq command-and-control)",
    "scan": "(subtype eq scan)",
}
#: The direction of a signature, the side that attacks then, and how a log query calls it.
_SIDES: Final = (
    ("client-to-server", "source", "src"),
    ("server-to-client", "destination", "dst"),
)


def match_lists(profile: LogProfile, device: str) -> tuple[str, ...]:
    """Return the match lists that tag, each as XML in its one form, sorted.

    Raises:
        UnsupportedError: they are too many.
    """
    found: list[str] = []
    for sign in profile.signs:
        for zone, addresses in profile.watched:
            for direction, side, word in _SIDES:
                head = (
                    f"{_TERMS[sign]} and (direction eq {direction}) and (zone.{word} eq '{zone}')"
                )
                for number, text in enumerate(_filters(head, word, addresses)):
                    found.append(_written(_name(sign, side, zone, number), text, side, profile))
    if len(found) > _MAX_LISTS:
        message = (
            f"{device}: the addresses that may be contained by themselves need {len(found)} match "
            f"lists, at most {_MAX_LISTS}: name fewer zones in segctl_containment"
        )
        raise UnsupportedError(message)
    return tuple(sorted(found))


def _name(sign: str, side: str, zone: str, number: int) -> str:
    more = f"-{number + 1}" if number else ""
    return naming.shorten(f"{sign}-{side}-{zone}{more}", _MAX_NAME)


def _filters(head: str, word: str, addresses: Sequence[str]) -> Iterator[str]:
    """Yield filters that name all the addresses, each as long as a firewall takes."""
    terms: list[str] = []
    room = MAX_FILTER - len(head) - len(" and ()")
    for text in (one for address in addresses for one in _networks(address)):
        term = f"(addr.{word} in {text})"
        if terms and len(" or ".join((*terms, term))) > room:
            yield f"{head} and ({' or '.join(terms)})"
            terms = []
        terms.append(term)
    if terms:
        yield f"{head} and ({' or '.join(terms)})"


def _networks(text: str) -> Iterator[str]:
    """Yield a range as the networks that a log query takes."""
    from ipaddress import IPv4Address, IPv6Address, summarize_address_range

    version, first, last = interval(text)
    kind = IPv4Address if version == 4 else IPv6Address
    for network in summarize_address_range(kind(first), kind(last)):
        yield str(network)


def _written(name: str, text: str, side: str, profile: LogProfile) -> str:
    entry = etree.Element("entry", name=name)
    etree.SubElement(entry, "log-type").text = "threat"
    etree.SubElement(entry, "filter").text = text
    action = etree.SubElement(etree.SubElement(entry, "actions"), "entry", name=naming.CONTAINED)
    tagging = etree.SubElement(etree.SubElement(action, "type"), "tagging")
    etree.SubElement(tagging, "target").text = f"{side}-address"
    etree.SubElement(tagging, "action").text = "add-tag"
    etree.SubElement(tagging, "timeout").text = str(profile.minutes)
    etree.SubElement(etree.SubElement(tagging, "registration"), "localhost")
    tags = etree.SubElement(tagging, "tags")
    for tag in (naming.CONTAINED, naming.AUTOMATIC):
        etree.SubElement(tags, "member").text = tag
    return canonical_xml(entry)
