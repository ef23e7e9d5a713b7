"""What the members of a high-availability pair say of themselves, and what is doubtful in it.

Sources: recorded answers to ``show high-availability state`` (PA-VM 10.0.9); the names of states
beyond ``active`` and ``passive`` are the vendor's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from segctl.model.errors import HaStateError, Problem
from segctl.providers.state import NOT_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.providers.panos.elements import Element

STATE: Final = "<show><high-availability><state></state></high-availability></show>"
SYNCHRONIZED: Final = "synchronized"
#: States of a member that enforces and is written to.
LEADING: Final = ("active", "active-primary")
#: States of a member that takes over when the leading one fails.
FOLLOWING: Final = ("passive", "active-secondary")
_SYNC_NOW: Final = "request high-availability sync-to-remote running-config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One member: what it says of itself, of its peer, and of their configurations.

    `silent` is why it did not answer; then nothing else but its name is known. Addresses are those
    of management interfaces. `sync` is the device's word for how the configurations compare.
    """

    name: str
    silent: str = ""
    serial: str = ""
    content: str = ""
    enabled: bool = False
    state: str = ""
    address: str = ""
    peer_state: str = ""
    peer_address: str = ""
    linked: bool = False
    sync: str = ""
    syncs: bool = False

    @property
    def leads(self) -> bool:
        """Whether it enforces and is written to."""
        return self.state in LEADING

    @property
    def syncing(self) -> bool:
        """Whether a synchronization runs; the word is the one pan-os-python waits on."""
        return "in progress" in self.sync

    @property
    def word(self) -> str:
        """Its state in a sentence: ``active``, ``silent``."""
        return "silent" if self.silent else self.state or "without a state"


def read_standing(name: str, system: Element, state: Element) -> Standing:
    """Return a member's standing from its answers to ``show system info`` and `STATE`."""
    group = state.find("result/group")
    told = {} if group is None else {key: group.findtext(key) or "" for key in _KEYS}
    return Standing(
        name=name,
        serial=system.findtext("result/system/serial") or "",
        content=system.findtext("result/system/app-version") or "",
        enabled=state.findtext("result/enabled") == "yes",
        state=told.get("local-info/state", ""),
        address=_bare(told.get("local-info/mgmt-ip", "")),
        peer_state=told.get("peer-info/state", ""),
        peer_address=_bare(told.get("peer-info/mgmt-ip", "")),
        linked=told.get("peer-info/conn-status", "") == "up",
        sync=told.get("running-sync", ""),
        syncs=told.get("running-sync-enabled", "") == "yes",
    )


_KEYS: Final = (
    "local-info/state",
    "local-info/mgmt-ip",
    "peer-info/state",
    "peer-info/mgmt-ip",
    "peer-info/conn-status",
    "running-sync",
    "running-sync-enabled",
)


def _bare(address: str) -> str:
    """Return an address without its prefix length."""
    return address.strip().partition("/")[0]


def leader(pair: str, members: Sequence[Standing]) -> Standing:
    """Return the one member of a pair that leads, of those that answered.

    Raises:
        HaStateError: they are not a pair, both lead, or none does.
    """
    answered = [one for one in members if not one.silent]
    for one in answered:
        if not one.enabled:
            raise HaStateError(
                pair,
                f"high availability is off on {one.name}, but segctl_ha_peer says that it is one "
                "of a pair: turn it on, or drop segctl_ha_peer",
            )
    _refuse_strangers(pair, answered)
    leading = [one for one in answered if one.leads]
    if len(leading) == 1:
        return leading[0]
    states = ", ".join(f"{one.name} is {one.word}" for one in members)
    if leading:
        raise HaStateError(
            pair,
            f"both members say that they lead ({states}): the links between them are down, or "
            "they are not a pair; mend that first: which of them enforces cannot be told",
        )
    silent = "; ".join(f"{one.name} gives no answer: {one.silent}" for one in members if one.silent)
    raise HaStateError(
        pair,
        f"no member is active ({states}){f'; {silent}' if silent else ''}: have one take over "
        "(`request high-availability state functional`), or make the active one reachable",
    )


def _refuse_strangers(pair: str, answered: Sequence[Standing]) -> None:
    """Refuse two firewalls that answer and are not each other's peer."""
    if len({one.serial for one in answered}) < len(answered):
        names = " and ".join(one.name for one in answered)
        raise HaStateError(
            pair,
            f"{names} are the same device (serial {answered[0].serial}): correct ansible_host",
        )
    for one in answered:
        for other in answered:
            told = one.linked and one.peer_address and other.address
            if other is not one and told and one.peer_address != other.address:
                raise HaStateError(
                    pair,
                    f"the peer of {one.name} is {one.peer_address}, and {other.name} is "
                    f"{other.address}: correct segctl_ha_peer or ansible_host",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A reason why a change to a pair might not outlive a failover; `kind` names it for programs.

    With `differs`, the members hold different configurations now, or may.
    """

    kind: str
    message: str
    hint: str
    differs: bool = False


def doubts(members: Sequence[Standing], first: Standing) -> Iterator[Doubt]:
    """Yield what keeps a pair from being changed; `first` is the member that leads."""
    for other in members:
        if other is not first:
            yield from _doubts(first, other)


def _doubts(first: Standing, other: Standing) -> Iterator[Doubt]:
    if other.silent and not first.linked:
        yield Doubt(
            kind="down",
            message=f"{other.name} is down: it does not answer segctl ({other.silent}), and "
            f"{first.name} does not hear it either",
            hint=f"bring {other.name} back, and have the two synchronized",
            differs=first.sync != SYNCHRONIZED,
        )
        return
    if other.silent:
        yield Doubt(
            kind="silent",
            message=f"{other.name} does not answer segctl ({other.silent})",
            hint=f"make {other.name} reachable",
        )
    follows = other.silent or other.state in FOLLOWING
    if not first.linked or first.peer_state not in FOLLOWING or not follows:
        state = first.peer_state or "unknown"
        heard = "" if other.silent or other.state == state else f", and {other.name} {other.state}"
        yield Doubt(
            kind="alone",
            message=f"{first.name} stands alone: it says that its peer is {state}{heard}",
            hint=f"have {other.name} take part again",
        )
    if not first.syncs or not (other.silent or other.syncs):
        which = first.name if not first.syncs else other.name
        yield Doubt(
            kind="sync off",
            message=f"{which} does not synchronize its configuration",
            hint="turn configuration synchronization on, on both members",
        )
    if first.sync != SYNCHRONIZED:
        yield Doubt(
            kind="not synchronized",
            message=f"the configurations of {first.name} and {other.name} are "
            f"`{first.sync or 'unknown'}`",
            hint=f"on {first.name}: `{_SYNC_NOW}`, if its configuration is the right one",
            differs=True,
        )


def refuse_unready(pair: str, members: Sequence[Standing], first: Standing) -> None:
    """Refuse to change a pair of which something is doubtful.

    Raises:
        HaStateError: with every reason, and what to do about each.
    """
    found = list(doubts(members, first))
    if found:
        reasons = "; ".join(doubt.message for doubt in found)
        advice = "; ".join(doubt.hint for doubt in found)
        raise HaStateError(
            pair,
            f"{reasons}: a change would not outlive a failover, so nothing is changed: {advice}",
        )


# --- in the document of a device ---------------------------------------------------------------


def to_part(members: Sequence[Standing], first: Standing) -> bytes:
    """Return a pair as a part of the document that `from_part` reads."""
    root = etree.Element("response", status="success")
    result = etree.SubElement(root, "result", first=first.name)
    for one in members:
        values = {key: _text(value) for key, value in asdict(one).items()}
        etree.SubElement(result, "standing", values)
    return etree.tostring(root)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "".join(each if each.isprintable() else " " for each in str(value))


def from_part(part: Element) -> tuple[tuple[Standing, ...], str]:
    """Return the members of a pair, and the name of the one that was read."""
    members: list[Standing] = []
    for element in part.iterfind("result/standing"):
        texts = {str(key): str(value) for key, value in element.attrib.items()}
        flags = {key: texts.pop(key) == "yes" for key in ("enabled", "linked", "syncs")}
        members.append(Standing(**texts, **flags))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - `to_part` wrote them
    result = part.find("result")
    return tuple(members), "" if result is None else result.get("first", "")


def findings(members: Sequence[Standing], read: str) -> Iterator[Problem]:
    """Yield what a reader of a plan must know of a pair, of which the member `read` was read."""
    first = next(one for one in members if one.name == read)
    for doubt in doubts(members, first):
        yield Problem(
            message=f"{doubt.message}: segctl apply changes nothing until that is mended",
            hint=doubt.hint,
            severity="warning",
            kind=NOT_KEPT if doubt.differs else "pair",
            subject="the peer",
            about=("pair", doubt.kind, first.sync if doubt.differs else ""),
        )
    contents = {one.name: one.content for one in members if one.content}
    if len(set(contents.values())) > 1:
        yield Problem(
            message="the members have different content: "
            + ", ".join(f"{name} {content}" for name, content in contents.items()),
            hint="applications may mean different traffic after a failover: install the same "
            "content on both",
            severity="warning",
            kind="pair",
            subject="content",
            about=("content", *contents.values()),
        )
