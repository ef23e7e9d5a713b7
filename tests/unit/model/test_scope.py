"""The part of a device that a policy is for, and how documents write it."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.model.scope import DEFAULT_SCOPE, Scope
from segctl.providers.base import Identity


@given(st.text())
def test_every_text_is_a_scope_that_is_written_as_it(text: str) -> None:
    scope = Scope.of(text)
    assert str(scope) == text
    assert Scope(kind=scope.kind, name=scope.name) == scope
    assert pickle.loads(pickle.dumps(scope)) == scope


@given(st.sampled_from(("", "device-group", "template")), st.text(min_size=1))
def test_every_scope_is_read_back_from_its_text(kind: str, name: str) -> None:
    try:
        scope = Scope(kind=kind, name=name)
    except ValueError:
        assert not kind
        assert Scope.of(name).kind
    else:
        assert Scope.of(str(scope)) == scope


def test_what_documents_hold_stays() -> None:
    assert Scope.of("vsys1") == Scope(name="vsys1")
    assert Scope.of("inet segctl") == Scope(name="inet segctl")
    assert str(Scope(kind="device-group", name="plants")) == "device-group:plants"
    assert Scope.of("") == DEFAULT_SCOPE
    assert not DEFAULT_SCOPE


@pytest.mark.parametrize(
    ("kind", "name"), [("", "a:b"), ("Kind", "a"), ("a b", "c"), ("group", "")]
)
def test_what_could_not_be_read_back_is_refused(kind: str, name: str) -> None:
    with pytest.raises(ValueError, match="a scope of kind"):
        Scope(kind=kind, name=name)


def test_a_provider_of_a_third_party_gives_the_text() -> None:
    given_as_text = Identity(serial="1", os_version="1", content_version="", scope="part1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - as before
    assert given_as_text.scope == Scope(name="part1")
