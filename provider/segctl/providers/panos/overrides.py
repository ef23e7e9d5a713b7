"""Application overrides: rules that name an application for packets instead of looking at them.

Source: vendor's administrator guide, Application Override: traffic that such a rule matches is
taken for its application in the security policy, whatever it is; what App-ID still does of a
predefined application is not documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.model.override import Override
from segctl.model.policy import Rule, Service
from segctl.providers.panos.elements import digest, listed, said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.providers.panos.elements import Element

#: Where they are in a rulebase.
RULES: Final = ("application-override", "rules")
#: The rulebases of a virtual system, and those of a device group.
BASES: Final = ("rulebase", "pre-rulebase", "post-rulebase")


def held(root: Element) -> Iterator[Override]:
    """Yield those that are in use of a virtual system, or of a device group."""
    for base in BASES:
        for entry in root.iterfind("/".join((base, *RULES, "entry"))):
            yield from override(entry, "application override ")


def override(entry: Element, origin: str) -> Iterator[Override]:
    """Yield what an entry says, nothing of one that is disabled; `origin` precedes its name."""
    if said(entry, "disabled") == "yes":
        return
    name = origin + entry.get("name", "")
    yield Override(
        rule=Rule(
            name=name,
            from_zones=listed(entry, "from"),
            to_zones=listed(entry, "to"),
            sources=listed(entry, "source"),
            destinations=listed(entry, "destination"),
            negate_source=said(entry, "negate-source") == "yes",
            negate_destination=said(entry, "negate-destination") == "yes",
            applications=(said(entry, "application"),),
        ),
        service=Service(name=name, protocol=said(entry, "protocol"), ports=said(entry, "port")),
        digest=digest(entry),
    )
