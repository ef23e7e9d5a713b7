"""What Panorama pushed to a firewall: asked for, read, and put in its scope.

Sources: notes measured on PAN-OS 11.1 and 11.2 (`show config pushed-shared-policy` has what device
groups and shared pushed, under ``panorama`` and ``shared`` of a ``policy``, or ``shared`` alone
where there are several virtual systems; ``loc`` of an entry is its device group or ``shared``; a
name means what the virtual system has, its own or pushed to it, before what is shared, and the
device refuses two of one scope); vendor's Panorama guide (order of evaluation: pre-rules of shared
and device group, local rules, post-rules of device group and shared, default rules, of which the
firewall's own come before those of its device group, these before shared ones).
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from lxml import etree

from segctl.model.errors import ConnectError, DeviceError, ParseError, Problem
from segctl.model.policy import AHEAD, CONTAINMENT, DefaultRule, Rule
from segctl.providers.panos import elements, names, overrides, references, translations
from segctl.providers.panos.scopes import Objects, both, join
from segctl.providers.panos.small import refuse_dtd, small
from segctl.providers.pushed import ORIGIN, PUSHED, UNREAD_RULES, UNREAD_ZONES, Pushed
from segctl.providers.state import UNREAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segctl.model.override import Override
    from segctl.model.policy import FirewallZone
    from segctl.model.translation import Translation
    from segctl.providers.panos.budget import Budget
    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.scopes import Reader
    from segctl.providers.panos.snapshot import Snapshot

    Part: TypeAlias = bytes | memoryview
    Path: TypeAlias = tuple[str, ...]

#: Parts of a document: the policy of the virtual system, that of all, and what templates gave.
POLICY: Final = "pushed policy"
COMMON: Final = "pushed shared"
TEMPLATE: Final = "pushed template"
#: The parts that hold rules and objects, the device's own first.
CONFIGURED: Final = ("vsys", "shared", POLICY, COMMON)
#: Whether the device has a Panorama, of one that does not show its policy and names none.
STATUS: Final = "panorama status"
#: The settings, as they run or as they are in the candidate.
_SETTINGS: Final = "deviceconfig"
#: A part that has, instead of the answer, why there is none.
_REFUSED: Final = " refused"

#: The settings that name a Panorama, also those of a cloud service that pushes as it does.
_MANAGED: Final = re.compile(rb"<panorama(?:-server(?:-2)?)?(?:\s[^<>]*[^/<>])?>")
_NOTHING_PUSHED: Final = "No shared policy pushed to device"
#: An answer that holds nothing, or says that nothing was pushed.
_EMPTY: Final = re.compile(
    rb"(?:<\?xml[^>]*\?>\s*)?<response status\s*=\s*[\"']success[\"'][^>]*>\s*"
    rb"<result\s*(?:/>|>\s*(?:" + _NOTHING_PUSHED.encode() + rb"\s*)?</result>)\s*</response>\s*"
)
_ERROR: Final = re.compile(rb"(?:<\?xml[^>]*\?>\s*)?<response status\s*=\s*[\"'](?!success)")
_ONE_SYSTEM: Final = b"<multi-vsys>off</multi-vsys>"
_CHUNK: Final = 1 << 15
_SHARED: Final = "shared"
_BASES: Final[Mapping[str, str]] = {
    "pre-rulebase": PUSHED[True],
    "post-rulebase": PUSHED[False],
}
_RULES: Final = ("security", "rules")
_FORWARDING: Final = ("log-settings", "profiles")
_DEFAULTS: Final = ("default-security-rules", "rules")


# --- asking --------------------------------------------------------------------------------------


def is_managed(deviceconfig: Part) -> bool:
    """Whether the settings of a device say that a Panorama manages it."""
    return _MANAGED.search(deviceconfig) is not None


def ask(
    get: Callable[[Mapping[str, str]], bytes], parts: Mapping[str, bytes], vsys: str
) -> dict[str, bytes]:
    """Return what Panorama pushed to a device, as parts of a document.

    Every device is asked for its policy. If it shows none, and its settings, also those that it has
    from a template, name no Panorama, that is all. If it refuses to show its policy, it is asked
    whether it has a Panorama. Where the account may not ask, a part says so.

    Raises:
        ConnectError: the connection is lost.
    """
    found: dict[str, bytes] = {}

    def put(name: str, command: str) -> None:
        try:
            found[name] = get({"type": "op", "cmd": command, "vsys": vsys})
        except ConnectError:
            raise
        except DeviceError as error:
            found[name + _REFUSED] = error.message.encode()

    put(POLICY, _policy(f"<vsys>{vsys}</vsys>"))
    if not _names_one(parts) and not _is_told(found):
        put(STATUS, "<show><panorama-status></panorama-status></show>")
    if _has_none({**parts, **found}):
        return found
    if _ONE_SYSTEM not in parts["system"]:
        put(COMMON, _policy(""))
    put(TEMPLATE, "<show><config><pushed-template></pushed-template></config></show>")
    return found


def _has_none(parts: Mapping[str, Part]) -> bool:
    """Whether a device has no Panorama, from wherever, and shows nothing that one had pushed.

    What a Panorama that was taken out of the settings had pushed stays. Source of what a status
    says: pan-os-upgrade-assurance, ``is_panorama_configured``: nothing where none is configured.
    """
    if _names_one(parts):
        return False
    if _is_told(parts):
        return _EMPTY.fullmatch(parts[POLICY]) is not None
    return _EMPTY.fullmatch(parts.get(STATUS, b"")) is not None


def _names_one(parts: Mapping[str, Part]) -> bool:
    """Whether the settings of a device, running or candidate, name a Panorama."""
    return any(is_managed(part) for name, part in parts.items() if name.startswith(_SETTINGS))


def _is_told(parts: Mapping[str, Part]) -> bool:
    """Whether a device shows its pushed policy, or says that it has none."""
    return POLICY in parts and not _ERROR.match(parts[POLICY])


def _policy(scope: str) -> str:
    command = f"<pushed-shared-policy>{scope}</pushed-shared-policy>"
    return f"<show><config>{command}</config></show>"


# --- what is found -------------------------------------------------------------------------------


def _no_profiles() -> Element:
    return etree.Element("entry")


def _none_of_bases() -> dict[str, list[Override]]:
    return {base: [] for base in _BASES}


@dataclass(slots=True)
class Found:
    """What was pushed: rules in order, and objects by the scope in which they are known.

    `own` is that of the virtual system, `common` the one of all of them; `used` are texts of other
    rules and settings, which may name objects. `no_zones` says why the zones of templates are not
    known. `own_profiles` and `common_profiles` have profiles, and groups of them, as in a scope.
    """

    before: list[Rule] = field(default_factory=list[Rule])
    after: list[Rule] = field(default_factory=list[Rule])
    defaults: dict[str, DefaultRule] = field(default_factory=dict[str, DefaultRule])
    own: Objects = field(default_factory=Objects)
    common: Objects = field(default_factory=Objects)
    digests: dict[str, str] = field(default_factory=dict[str, str])
    overrides: dict[str, list[Override]] = field(default_factory=_none_of_bases)
    translations: list[Translation] = field(default_factory=list["Translation"])
    zones: tuple[FirewallZone, ...] = ()
    used: frozenset[str] = frozenset()
    unread: list[str] = field(default_factory=list[str])
    no_zones: str = ""
    own_profiles: Element = field(default_factory=_no_profiles)
    common_profiles: Element = field(default_factory=_no_profiles)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, those before the device's own first."""
        return (*self.before, *self.after)

    def beside(self, known: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
        """Return these names by kind with those that are pushed."""
        zones = frozenset(zone.name for zone in self.zones)
        every = {kind: called | self.named(kind) for kind, called in known.items()}
        return every | {"zone": known["zone"] | zones}

    def named(self, kind: str) -> frozenset[str]:
        """Return the names of a kind, in whichever scope."""
        return self.own.called((kind,)) | self.common.called((kind,))

    def as_pushed(self, local: Iterable[FirewallZone], doubts: Iterable[str]) -> Pushed:
        """Return its rules beside a device that has these zones itself."""
        held = {zone.name for zone in local}
        return Pushed(
            before=tuple(self.before),
            after=tuple(self.after),
            unread=tuple(dict.fromkeys((*self.unread, *doubts))),
            zones=frozenset(zone.name for zone in self.zones) - held,
            digests=self.digests,
        )


def read(snapshot: Snapshot, budget: Budget, kinds: Mapping[str, Reader | None]) -> Found:
    """Read what a document has of Panorama; what could not be read is told in `Found.unread`.

    Args:
        snapshot: the document.
        budget: what memory may still be taken.
        kinds: how an entry of each kind is read, None for those of which only the name counts.
    """
    if _has_none(snapshot.parts):
        return Found()
    found = _read(snapshot, POLICY, budget, kinds)
    if _ONE_SYSTEM not in bytes(snapshot.parts["system"]):
        _merge(found, _read(snapshot, COMMON, budget, kinds), snapshot.scope)
    try:
        found.zones = tuple(_zones(snapshot))
    except ParseError as error:
        found.no_zones = error.message
    return found


def findings(pushed: Pushed, no_zones: str) -> Iterator[Problem]:
    """Say what could not be read: it is drift, but keeps no change of ours from the device."""
    if pushed.unread:
        yield Problem(
            message="cannot tell what the rules that Panorama pushed permit between our zones: "
            + "; ".join(pushed.unread),
            hint="give the account the rights to show the pushed policy, or resolve what is named "
            "(docs/panos.md, Panorama)",
            severity="warning",
            kind=UNREAD,
            subject=UNREAD_RULES,
            about=("pushed rules", *pushed.unread),
        )
    if no_zones:
        yield Problem(
            message="cannot tell which zones Panorama's templates give the firewall, and with "
            f"which interfaces: {no_zones}",
            hint="give the account the rights to show the pushed template (docs/panos.md, "
            "Panorama)",
            severity="warning",
            kind=UNREAD,
            subject=UNREAD_ZONES,
            about=("pushed zones", no_zones),
        )


def _read(
    snapshot: Snapshot, name: str, budget: Budget, kinds: Mapping[str, Reader | None]
) -> Found:
    parts = snapshot.parts
    if name + _REFUSED in parts:
        return Found(unread=[bytes(parts[name + _REFUSED]).decode(errors="replace")])
    if name not in parts:
        return Found(unread=["they were not asked for"])
    taken = Taken(kinds)
    try:
        _check(snapshot.host, walk(snapshot.host, parts[name], budget, taken))
    except ParseError as error:
        return Found(unread=[error.message])
    return taken.found()


def _merge(found: Found, common: Found, vsys: str) -> None:
    """Add what was pushed to all virtual systems to what was pushed to one of them."""
    found.unread += common.unread
    found.digests = both(common.digests, found.digests)
    if not set(common.rules) <= set(found.rules):
        found.unread.append(f"rules that are pushed to all virtual systems are not among {vsys}'s")
    found.used |= common.used
    found.own.add(common.own)
    found.common.add(common.common)
    found.own_profiles.extend(list(common.own_profiles))
    found.common_profiles.extend(list(common.common_profiles))
    found.translations += (one for one in common.translations if one not in found.translations)
    for base, more in common.overrides.items():
        found.overrides[base] += (one for one in more if one not in found.overrides[base])
    for name, rule in common.defaults.items():
        found.defaults.setdefault(name, rule)


# --- the policy ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Taken:
    """The entries that a walk over one answer has taken so far.

    `origin` comes before the names of rules, `read` reads one of them.
    """

    kinds: Mapping[str, Reader | None]
    origin: str = ORIGIN
    read: Callable[[Element], Rule] = elements.parse_rule
    own: Objects = field(default_factory=Objects)
    common: Objects = field(default_factory=Objects)
    #: by rulebase, and whether they stand in the shared node of the answer
    rules: dict[tuple[str, bool], list[Rule]] = field(
        default_factory=dict[tuple[str, bool], list[Rule]]
    )
    defaults: dict[tuple[str, bool], DefaultRule] = field(
        default_factory=dict[tuple[str, bool], DefaultRule]
    )
    #: by rulebase
    overrides: dict[str, list[Override]] = field(default_factory=_none_of_bases)
    translations: list[Translation] = field(default_factory=list["Translation"])
    #: of the rules, by name
    digests: dict[str, str] = field(default_factory=dict[str, str])
    #: every text in what is neither a security rule nor an object: it may name an object
    used: set[str] = field(default_factory=set[str])
    #: what is kept of profiles, for a virtual system and for all
    profiles: tuple[Element, Element] = field(
        default_factory=lambda: (_no_profiles(), _no_profiles())
    )
    count: int = 0

    def take(self, path: Path, entry: Element) -> None:
        """Take an entry of a container at `path`, below the answer's ``result``."""
        scope = 2 if path[:1] == ("policy",) else 1
        in_shared, inside = path[scope - 1 : scope] == (_SHARED,), path[scope:]
        common = entry.get("loc", _SHARED) == _SHARED
        if inside in (("profile-group",), _FORWARDING) or inside[:-1] == ("profiles",):
            self._keep(self.profiles[common], inside, entry)
        if inside[:1] and inside[0] in _BASES and inside[1:] == _RULES:
            rule = foreign(self.read(entry), self.origin + _BASES[inside[0]])
            self.rules.setdefault((inside[0], in_shared), []).append(rule)
            join(self.digests, rule.name, elements.digest(entry))
        elif inside[:1] and inside[0] in _BASES and inside[1:] == overrides.RULES:
            found = overrides.override(entry, f"{self.origin}application override ")
            self.overrides[inside[0]] += found
        elif inside[:1] and inside[0] in _BASES and inside[1:] == translations.RULES:
            self.translations += translations.translations(entry, f"{self.origin}NAT rule ")
        elif inside[:1] and inside[0] in _BASES and inside[1:] == _DEFAULTS:
            default = elements.parse_default_rule(entry)
            self.defaults[default.name, common] = default
        elif inside == _FORWARDING:
            (self.common if common else self.own).take("log-setting", entry, None)
        elif len(inside) == 1 and inside[0] in self.kinds:
            scope_of = self.common if common else self.own
            scope_of.take(inside[0], entry, self.kinds[inside[0]])
        else:
            self.used.update(references.in_entry(entry, ()))
            return
        if len(inside) > 1 and inside[1:] != _RULES:
            self.used.update(references.in_entry(entry, ()))
        self.count += 1

    def _keep(self, root: Element, inside: Path, entry: Element) -> None:
        """Keep an entry, which is freed, in the place that it has in a scope."""
        place = root
        for tag in inside:
            child = place.find(tag)
            place = etree.SubElement(place, tag) if child is None else child
        place.append(copy.deepcopy(entry))
        self.count += sum(1 for _ in entry.iter())

    def found(self) -> Found:
        """Return what was taken: shared rules are outermost, default rules of groups first."""
        panorama = {base: self.rules.get((base, False), []) for base in _BASES}
        held = set(panorama["pre-rulebase"] + panorama["post-rulebase"])
        shared = {
            base: [rule for rule in self.rules.get((base, True), []) if rule not in held]
            for base in _BASES
        }
        defaults = sorted(self.defaults.items(), key=lambda one: one[0])  # False: of a group
        nearest: dict[str, DefaultRule] = {}
        for (name, _), default in defaults:
            nearest.setdefault(name, default)
        return Found(
            before=[*shared["pre-rulebase"], *panorama["pre-rulebase"]],
            after=[*panorama["post-rulebase"], *shared["post-rulebase"]],
            defaults=nearest,
            digests=self.digests,
            overrides=self.overrides,
            translations=self.translations,
            own=self.own,
            common=self.common,
            used=frozenset(self.used),
            own_profiles=self.profiles[False],
            common_profiles=self.profiles[True],
        )


def foreign(rule: Rule, origin: str) -> Rule:
    """Return a pushed rule with its origin in its name and without marks: it is none of ours.

    Whether it is of the block before all others stays known, since firewalls are asked about that.
    """
    ours = names.read_mark(rule.description) is not None
    gone = {*names.TAGS} - ({AHEAD, CONTAINMENT} if names.TAG in rule.tags else set[str]())
    return replace(
        rule,
        name=origin + rule.name,
        conduit="",
        flow="",
        essential=False,
        seal="",
        tags=tuple(tag for tag in rule.tags if tag not in gone),
        description="" if ours else rule.description,
    )


def walk(host: str, part: Part, budget: Budget, taken: Taken) -> Element:
    """Take the entries of an answer one by one; return what is left of it.

    What the answer shows may be an entry itself, as a device group is: its content is taken.

    Raises:
        ParseError: it is not complete XML.
    """
    refuse_dtd(host, part)
    parser = etree.XMLPullParser(
        events=("start", "end"), tag=("result", "entry"), resolve_entities=False
    )
    result: Element | None = None
    try:
        for start in range(0, len(part), _CHUNK):
            chunk = bytes(part[start : start + _CHUNK])
            budget.feed(chunk)
            parser.feed(chunk)
            for event, element in cast("Iterable[tuple[str, Element]]", parser.read_events()):
                if event == "start":
                    result = element if result is None else result
                elif element.tag == "entry" and "entry" not in (path := _path(element))[1:]:
                    taken.take(path, element)
                    _free(element)
            budget.check(taken.count, result)
        root = parser.close()
    except etree.XMLSyntaxError as error:
        raise ParseError(host, f"the pushed policy is not complete XML: {error}") from error
    budget.close(taken.count, root)
    return root


def _path(entry: Element) -> Path:
    """Return the tags of the nodes in which an entry stands, below the answer's ``result``."""
    tags: list[str] = []
    node = entry.getparent()
    while node is not None:
        tags.append(str(node.tag))
        node = node.getparent()
    return tuple(reversed(tags))[2:]  # response -> result -> …


def _free(entry: Element) -> None:
    """Free an entry that has been read; lxml forbids to take it away before its end is past."""
    entry.clear()
    parent, previous = entry.getparent(), entry.getprevious()
    if parent is not None and previous is not None and previous.tag == "entry":
        parent.remove(previous)


def _check(host: str, root: Element) -> None:
    """Refuse an answer that has more, or other, than what is known of such answers."""
    if root.get("status") != "success":
        raise ParseError(host, f"refuses to show the pushed policy: {elements.reason(root)}")
    result = root.find("result")
    top = [] if result is None else list(result)
    if not top:
        said = "" if result is None else (result.text or "").strip()
        if said != _NOTHING_PUSHED:
            holds = repr(said[:80]) if said else "nothing"
            raise ParseError(host, f"the answer about the pushed policy holds {holds}")
        return
    (policy, *more) = top
    scopes = list(policy) if policy.tag == "policy" else [policy]
    strange = [f"{one.tag} beside it" for one in more]
    strange += [str(one.tag) for one in scopes if one.tag not in ("panorama", _SHARED)]
    for scope in scopes:
        bases = [child for child in scope if str(child.tag).endswith("rulebase")]
        strange += [base.tag for base in bases if base.tag not in _BASES]
        strange += [
            f"{section.tag} of {base.tag}"
            for base in bases
            for section in base
            if section.tag in ("security", "default-security-rules")
            and any(str(child.tag) != "rules" for child in section)
        ]
        strange += [
            f"{child.tag} among rules"
            for base in bases
            for rules in base.iterfind("*/rules")
            for child in rules
            if child.tag != "entry"
        ]
    if strange:
        listed = ", ".join(map(str, strange))
        raise ParseError(host, f"the pushed policy has {listed}, which is not understood")


# --- templates -----------------------------------------------------------------------------------


def _zones(snapshot: Snapshot) -> Iterator[FirewallZone]:
    """Yield the zones that templates gave to the virtual system.

    The answer has the shape of a configuration; it is empty where there is no template.
    """
    parts = snapshot.parts
    if TEMPLATE + _REFUSED in parts:
        refused = bytes(parts[TEMPLATE + _REFUSED]).decode(errors="replace")
        raise ParseError(snapshot.host, refused)
    if TEMPLATE not in parts:
        return
    root = small(snapshot.host, "the pushed template", parts[TEMPLATE])
    for system in root.iterfind(".//vsys/entry"):
        if system.get("name") == snapshot.scope:
            yield from map(elements.parse_zone, system.iterfind("zone/entry"))
