"""The words of a platform that says less of them than others do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from segctl.analysis.effective import Reading
from segctl.analysis.space import Names, Numbers
from segctl.analysis.symbols import Symbols
from segctl.analysis.words import Platform, Vocabulary, as_platform, exact
from segctl.model.policy import Policy, Rule
from segctl.providers.base import words_of
from support.words import Plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.analysis.words import Effect, Meaning
    from segctl.providers.base import Live, Provider

RULE = Rule(name="r", from_zones=("it",), to_zones=("ot",), extras=("secret=1",))


@dataclass(frozen=True)
class Terse:
    """A third party's words, written before reasons had texts in another form."""

    def application(self, name: str) -> Meaning[Names] | None:
        """Return the name itself."""
        return exact(Names(frozenset({name})))

    def default_ports(self) -> Mapping[Numbers, frozenset[str]]:
        """Return none."""
        return {}

    def service(self, name: str) -> Numbers | None:
        """Return none."""
        del name
        return None

    def effect(self, extra: str) -> Effect:
        """Everything narrows."""
        del extra
        return "narrows"


class Guarded(Terse):
    """One that says how texts are shown."""

    def shown(self, extra: str) -> str:
        """Return what stands before the value."""
        return extra.partition("=")[0]


class ThirdParty:
    """As much of a provider as is asked for its words."""

    def words(self, live: Live | None) -> Vocabulary:
        """Return them."""
        del live
        return Terse()


def why(platform: Platform) -> tuple[str, ...]:
    held = Reading(policy=Policy(rules=(RULE,)), platform=platform)
    return held.match(RULE).why


def test_a_platform_that_does_not_say_how_texts_are_shown_goes_on_working() -> None:
    found = words_of(cast("Provider", ThirdParty()), None)
    assert not isinstance(Terse(), Platform)
    assert isinstance(found, Platform)
    assert found.shown("secret=1") == "secret=1"
    assert found.effect("secret=1") == "narrows"
    assert found.application("web") == exact(Names(frozenset({"web"})))
    assert (found.default_ports(), found.service("x")) == ({}, None)
    assert why(found) == ("r: it also asks for secret=1",)
    assert found == words_of(cast("Provider", ThirdParty()), None)


def test_one_that_says_it_is_taken_at_its_word() -> None:
    assert as_platform(Guarded()) == Guarded()
    assert why(as_platform(Guarded())) == ("r: it also asks for secret",)


def test_a_proof_shows_texts_as_its_platform_does() -> None:
    symbols = Symbols(platform=as_platform(Guarded()), named=frozenset({"web"}))
    assert why(symbols) == ("r: it also asks for secret",)


def test_one_that_is_made_of_the_protocol_shows_texts_as_they_are() -> None:
    assert Plain().shown("secret=1") == "secret=1"
