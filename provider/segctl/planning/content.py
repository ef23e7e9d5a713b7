"""Applications that the content of a device lacks, and what an update of it made of them. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.model.errors import Problem, UnsupportedError
from segctl.model.policy import ANY, ApplicationGroup
from segctl.planning.by_firewall import of_firewall
from segctl.providers.base import Renaming

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.policy import Policy
    from segctl.providers.base import Live, Provider

#: Kind of a finding about an application that rules name and the content knows otherwise.
CONTENT: Final = "content"
_KINDS: Final = ("application", "application-group", "application-filter")
_SHOWN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the content of one member of a group knows; a firewall alone is a group of one."""

    member: str
    version: str
    os_version: str
    known: frozenset[str]

    @property
    def words(self) -> str:
        """Which content it is, for a message."""
        content = f", content {self.version}" if self.version else ""
        return f"version {self.os_version or 'unknown'}{content}"


def content_of(name: str, live: Live) -> Content:
    """Return what the content of a device knows, with the groups and filters that it defines."""
    none: frozenset[str] = frozenset()
    return Content(
        member=name,
        version=live.identity.content_version,
        os_version=live.identity.os_version,
        known=none.union(*(live.known.get(kind, none) for kind in _KINDS)),
    )


def contents_of(name: str, live: Live) -> tuple[Content, ...]:
    """Return the content of a device, and that of each member of a group whose is another."""
    members = (
        Content(
            member=member,
            version=live.contents.get(member, ""),
            os_version=live.member_versions.get(member, ""),
            known=known,
        )
        for member, known in live.member_applications.items()
    )
    return (content_of(name, live), *members)


def used_by(policy: Policy) -> frozenset[str]:
    """Return the applications that a policy names and does not define itself."""
    groups = {group.name for group in policy[ApplicationGroup]}
    used = {one for rule in policy.rules for one in rule.applications}
    used |= {one for group in policy[ApplicationGroup] for one in group.members}
    return frozenset(used - groups - {ANY})


def refuse_lacking(used: Iterable[str], members: Sequence[Content]) -> None:
    """Refuse applications that the content of a member lacks, before anything is committed.

    Args:
        used: those that the members' common policy names.
        members: the content of every member that the policy is for.

    Raises:
        UnsupportedError: a member lacks some; it names the member, its content, and that of a
            member which has them.
    """
    wanted = frozenset(used)
    told = [
        text for member in members if (text := _lacking(wanted - member.known, member, members))
    ]
    if told:
        raise UnsupportedError("; ".join(told))


def _lacking(missing: frozenset[str], member: Content, members: Sequence[Content]) -> str:
    if not missing:
        return ""
    listed = ", ".join(sorted(missing))
    text = f"{member.member}: {member.words} has no application {listed}"
    other = next((one for one in members if missing <= one.known), None)
    if other is not None:
        return (
            f"{text}, which {other.member} ({other.words}) has: give {member.member} the same "
            "content before anything is committed"
        )
    return f"{text}: update the device, or remove them from the inventory"


def updated(name: str, live: Live, provider: Provider) -> Iterator[Problem]:
    """Say which rules of ours name applications that a content knows otherwise.

    An application that was committed and is no longer known was renamed or split by an update. One
    that is known may have been split too, if the content has relatives of it that we do not know.
    Of a group, the content of each member that has another is asked about the rules that it gets.
    """
    own, *others = contents_of(name, live)
    yield from _updated(live.policy, own, provider)
    for content in others:
        yield from _updated(
            of_firewall(live.policy, content.member), content, provider, of=content.member
        )


def _updated(
    policy: Policy, content: Content, provider: Provider, *, of: str = ""
) -> Iterator[Problem]:
    """Yield what a content knows otherwise than a policy; `of` names a member of a group."""
    rules: dict[str, list[str]] = defaultdict(list)
    groups = {group.name: group.members for group in policy[ApplicationGroup]}
    for rule in policy.rules:
        named = {one for word in rule.applications for one in groups.get(word, (word,))}
        for one in sorted(named - {ANY} - groups.keys()):
            rules[one].append(rule.name)
    relatives: Mapping[str, tuple[str, ...]] = {}
    if isinstance(provider, Renaming):
        relatives = provider.relatives(rules, content.known)
    told: set[str] = set()
    for application, names in sorted(rules.items()):
        if application not in content.known:
            told.update(relatives.get(application, ()))
            yield _gone(application, names, content, relatives.get(application, ()), of)
    split: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for application in sorted(rules.keys() & content.known):
        if found := tuple(one for one in relatives.get(application, ()) if one not in told):
            split[found].append(application)
    for found, applications in sorted(split.items()):
        names = sorted({rule for one in applications for rule in rules[one]})
        yield _split(found, applications, names, content, of)


def _gone(
    application: str, rules: Sequence[str], content: Content, relatives: Sequence[str], of: str
) -> Problem:
    perhaps = f"; it has {_listed(relatives)}" if relatives else ""
    where = f"{of}: " if of else ""
    return Problem(
        message=f"{where}{_rules(rules)} application {application}, which {content.words} does not "
        f"have: an update of the content renamed, split or removed it{perhaps}. What passes by it "
        "now is not known",
        hint="name what it became in the inventory, or use a segctl whose catalogue has it, and "
        "apply; until then go back to the content before",
        severity="error",
        kind=CONTENT,
        subject=application,
        about=("content", "gone", *((of,) if of else ()), application, *rules),
    )


def _split(
    relatives: Sequence[str],
    applications: Sequence[str],
    rules: Sequence[str],
    content: Content,
    of: str,
) -> Problem:
    where = f"{of}: " if of else ""
    return Problem(
        message=f"{where}{content.words} has {_listed(relatives)} beside {_listed(applications)}, "
        f"which segctl's catalogue does not know: what an update of the content now identifies as "
        f"such was permitted by {_listed(rules)} before, and is not any more",
        hint="name what is needed of them in the inventory (applications:), or use a segctl whose "
        "catalogue has them, and apply",
        severity="error",
        kind=CONTENT,
        subject=applications[0],
        about=("content", "split", *((of,) if of else ()), *applications, "into", *relatives),
    )


def _rules(names: Sequence[str]) -> str:
    return f"rule {names[0]} names" if len(names) == 1 else f"rules {_listed(names)} name"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
