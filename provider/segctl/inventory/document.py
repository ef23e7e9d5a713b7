"""YAML and JSON text into values and, where asked for, the place of every key and value.

Works on the events of PyYAML's C parser: much faster than its loader, because no node
objects are made, and every event knows its line and column.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from yaml import YAMLError
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from segctl.inventory.quotes import unclosed
from segctl.inventory.scalars import ScalarError, resolve
from segctl.inventory.values import Encrypted, Place, Places, Unsafe
from segctl.model.errors import Problem
from segctl.system.json_text import check_text

if TYPE_CHECKING:
    from typing import Protocol

    class Mark(Protocol):
        """Where an event begins, counted from 0."""

        line: int
        column: int


#: Deeper nesting than this is an error.
MAX_DEPTH: Final = 200
#: Aliases may repeat no more nodes than this in one document.
MAX_ALIASED: Final = 1_000_000

#: An escape in JSON text, a surrogate pair taken together.
_PAIR: Final = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)")
#: A message repeats no more characters of a value.
_SHOWN: Final = 60
_NO_KEY: Final = object()
_MERGE: Final = object()
_SURPRISING: Final = frozenset({"y", "Y", "n", "N"})
#: A plain scalar that begins with none of these is text.
_MAY_BE_TYPED: Final = frozenset("+-.0123456789~=<yYnNtTfFoO")


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed file; `places` is empty unless it was asked for."""

    value: object
    places: Places = field(default_factory=dict[int, dict[object, Place]])
    problems: tuple[Problem, ...] = ()


def parse(text: str, file: str, *, places: bool = False) -> Document:
    """Parse one YAML (or JSON) document as Ansible does.

    Text that is JSON is read as JSON first, as Ansible does: the two differ in numbers such
    as ``1e5``.
    """
    value: object = None
    is_json = text.lstrip()[:1] in {"{", "["}
    if is_json:
        try:
            check_text(text)
            value = json.loads(text, object_pairs_hook=_json_object)
        except ValueError:
            is_json = False
        else:
            if not places:
                return Document(value)
            text = _PAIR.sub(_joined, text)
    document = _Builder(file, places=places).run(text)
    if document.problems and not places:
        document = _Builder(file, places=True).run(text)
    if is_json and not _same(document, value):
        return Document(value)
    return document


def _joined(match: re.Match[str]) -> str:
    """Return the one escape of YAML for the two that JSON writes beyond the first 65,536."""
    if match[1] is None:
        return match[0]
    pair = bytes.fromhex(match[1] + match[2]).decode("utf-16-be")
    return f"\\U{ord(pair):08x}"


def _same(document: Document, value: object) -> bool:
    return bool(document.problems) or document.value == value


def _json_object(pairs: list[tuple[str, object]]) -> object:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        msg = "duplicate key"
        raise ValueError(msg)
    if len(mapping) == 1:
        for marker, kind in (("__ansible_vault", Encrypted), ("__ansible_unsafe", Unsafe)):
            if isinstance(text := mapping.get(marker), str):
                return kind(text)
    return mapping


class _Frame:
    """A mapping or sequence that is being read."""

    __slots__ = (
        "anchor",
        "key",
        "key_mark",
        "key_text",
        "mark",
        "merges",
        "places",
        "start",
        "unsafe",
        "value",
    )

    def __init__(
        self, value: dict[object, object] | list[object], places: dict[object, Place] | None
    ) -> None:
        self.value = value
        self.places = places
        self.key: object = _NO_KEY
        self.key_mark: Mark | None = None
        self.key_text: str | None = None
        self.mark: Mark | None = None
        self.anchor: str | None = None
        self.start = 0
        self.unsafe = False
        self.merges: list[object] | None = None


class _Builder:
    """Turns the parser's events into values; one use only."""

    def __init__(self, file: str, *, places: bool) -> None:
        self._file = file
        self._want_places = places
        self._places: dict[int, dict[object, Place]] = {}
        self._problems: list[Problem] = []
        self._anchors: dict[str, tuple[object, int]] = {}
        self._root: list[object] = []
        self._stack: list[_Frame] = [_Frame(self._root, None)]
        self._unsafe = 0
        self._nodes = 0
        self._aliased = 0
        self._documents = 0

    def run(self, text: str) -> Document:
        try:
            self._read(CParser(text))
        except YAMLError as error:
            self._problems.append(_syntax_problem(error, text, self._file))
        except _StopReadingError:
            pass
        value = self._root[0] if self._root else None
        return Document(value, self._places, tuple(self._problems))

    def _read(self, parser: CParser) -> None:
        get = parser.get_event
        while (event := get()) is not None:
            kind = type(event)
            if kind is ScalarEvent:
                self._scalar(cast("ScalarEvent", event))
            elif kind is MappingStartEvent:
                self._open(cast("MappingStartEvent", event), {})
            elif kind is SequenceStartEvent:
                self._open(cast("SequenceStartEvent", event), [])
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self._close()
            elif kind is AliasEvent:
                self._alias(cast("AliasEvent", event))
            elif kind is DocumentStartEvent:
                self._document(event)

    def _document(self, event: Event) -> None:
        self._documents += 1
        if self._documents > 1:
            self._problem(event, "a second document in the file", "keep one document per file")
            raise _StopReadingError

    # Scalars

    def _scalar(self, event: ScalarEvent) -> None:
        """Take one scalar; this runs for every word of every file, so it is written flat."""
        self._nodes += 1
        value: object = event.value
        text: str | None = None
        frame = self._stack[-1]
        if event.implicit[0]:
            if not value or event.value[0] in _MAY_BE_TYPED:
                value = self._plain(event)
                if type(value) is not str or value in _SURPRISING:
                    text = event.value
        elif event.tag is not None and not event.implicit[1]:
            value = self._tagged(event)
        if self._unsafe and type(value) is str and not self._at_key():
            value = Unsafe(value)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        if frame.key is not _NO_KEY and frame.places is None and frame.merges is None:
            cast("dict[object, object]", frame.value)[frame.key] = value
            frame.key = _NO_KEY
        else:
            self._attach(value, event.start_mark, text)

    def _plain(self, event: ScalarEvent) -> object:
        text = event.value
        if text in {"<<", "="} and self._at_key():
            return _MERGE if text == "<<" else text
        try:
            return resolve(text)
        except ScalarError as error:
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
            self._problem(
                event, f"{shown!r} is not a value: {error}", f'correct it, or quote it: "{shown}"'
            )
            return text

    def _tagged(self, event: ScalarEvent) -> object:
        if event.tag == "!unsafe":
            value = self._plain(event)
            return Unsafe(value) if type(value) is str else value
        if event.tag == "!vault":
            if self._at_key():
                self._problem(event, "a key cannot be vaulted", "vault the value instead")
                return event.value
            return Encrypted(event.value)
        self._bad_tag(event)
        return event.value

    def _bad_tag(self, event: NodeEvent) -> None:
        tag = str(getattr(event, "tag", "")).replace("tag:yaml.org,2002:", "!!")
        hint = "only !vault and !unsafe are understood"
        if tag == "!vault-encrypted":
            hint = "write !vault"
        elif tag == "!!str":
            hint = "quote the value instead"
        self._problem(event, f"the tag {tag} is not supported", hint)

    # Containers

    def _open(
        self,
        event: MappingStartEvent | SequenceStartEvent,
        value: dict[object, object] | list[object],
    ) -> None:
        self._nodes += 1
        frame = _Frame(value, {} if self._want_places else None)
        if event.tag is not None:
            frame.unsafe = event.tag == "!unsafe"
            self._unsafe += frame.unsafe
            if not frame.unsafe and not event.implicit:
                self._bad_tag(event)
        if len(self._stack) > MAX_DEPTH:
            self._problem(event, f"nested deeper than {MAX_DEPTH} levels", "")
            raise _StopReadingError
        frame.anchor = event.anchor
        frame.start = self._nodes + self._aliased
        frame.mark = event.start_mark
        self._stack.append(frame)

    def _close(self) -> None:
        frame = self._stack.pop()
        self._unsafe -= frame.unsafe
        value = frame.value
        if frame.merges is not None and isinstance(value, dict):
            self._merge(frame, value)
        if frame.places is not None:
            self._places[id(value)] = frame.places
        if frame.anchor is not None:
            weight = self._nodes + self._aliased - frame.start + 1
            self._anchors[frame.anchor] = (value, weight)
        self._attach(value, frame.mark, None)

    def _merge(self, frame: _Frame, value: dict[object, object]) -> None:
        """Put what ``<<`` brings before the mapping's own keys, which win."""
        own, own_places = dict(value), dict(frame.places or {})
        value.clear()
        for merge in frame.merges or ():
            parts = cast("list[object]", merge) if isinstance(merge, list) else [merge]
            for part in reversed(parts):
                if isinstance(part, dict):
                    value.update(cast("dict[object, object]", part))
                    if frame.places is not None:
                        frame.places.update(self._places.get(id(cast("object", part)), {}))
                else:
                    self._problem_at(
                        frame.mark,
                        "<< needs a mapping or a list of mappings",
                        "merge an alias of a mapping: <<: *name",
                    )
        value.update(own)
        if frame.places is not None:
            frame.places.update(own_places)

    def _alias(self, event: AliasEvent) -> None:
        name = cast("str", event.anchor)
        if name not in self._anchors:
            inside = any(frame.anchor == name for frame in self._stack)
            what = "refers to itself" if inside else "is not defined before it is used"
            self._problem(event, f"the alias *{name} {what}", "")
            raise _StopReadingError
        value, weight = self._anchors[name]
        self._aliased += weight
        if self._aliased > MAX_ALIASED:
            self._problem(
                event,
                f"aliases repeat more than {MAX_ALIASED} values",
                "write the values out, or split the file",
            )
            raise _StopReadingError
        self._attach(value, event.start_mark, None)

    # Putting values where they belong

    def _at_key(self) -> bool:
        frame = self._stack[-1]
        return frame.key is _NO_KEY and isinstance(frame.value, dict)

    def _attach(self, value: object, mark: Mark | None, text: str | None) -> None:
        frame = self._stack[-1]
        target = frame.value
        if isinstance(target, list):
            if frame.places is not None and mark is not None:
                line, column = mark.line + 1, mark.column + 1
                frame.places[len(target)] = Place(self._file, line, column, line, column, text)
            target.append(value)
        elif frame.key is _NO_KEY:
            self._key(frame, value, mark, text)
        elif frame.key is _MERGE:
            frame.merges = [*(frame.merges or ()), value]
            frame.key = _NO_KEY
        else:
            key_mark = frame.key_mark
            if frame.places is not None and mark is not None and key_mark is not None:
                frame.places[frame.key] = Place(
                    self._file,
                    key_mark.line + 1,
                    key_mark.column + 1,
                    mark.line + 1,
                    mark.column + 1,
                    text,
                    frame.key_text,
                )
            target[frame.key] = value
            frame.key = _NO_KEY

    def _key(self, frame: _Frame, key: object, mark: Mark | None, text: str | None) -> None:
        frame.key_mark = mark
        frame.key_text = text
        if key is _MERGE:
            frame.merges = frame.merges or []
        elif isinstance(key, (dict, list, Encrypted)):
            self._problem_at(
                mark,
                "a mapping or list cannot be a key",
                'a template must be quoted: "{{ name }}"',
            )
            key = f"<{type(cast('object', key)).__name__}>"
        elif key in frame.value:
            first = (frame.places or {}).get(key)
            where = f"first on line {first.line}, " if first else ""
            again = f"again on line {mark.line + 1}" if mark else ""
            self._problem_at(
                mark,
                f"duplicate key {key!r} ({where}{again})",
                "keep one of the two; Ansible would silently take the last",
                key=key,
            )
        frame.key = key

    # Problems

    def _problem(self, event: Event, message: str, hint: str) -> None:
        self._problem_at(event.start_mark, message, hint)

    def _problem_at(
        self, mark: Mark | None, message: str, hint: str, *, key: object = _NO_KEY
    ) -> None:
        self._problems.append(
            Problem(
                message=message,
                file=self._file,
                line=mark.line + 1 if mark else 0,
                column=mark.column + 1 if mark else 0,
                path=self._path(key),
                hint=hint,
            )
        )

    def _path(self, key: object) -> str:
        path = ""
        for frame in self._stack[1:]:
            if isinstance(frame.value, list):
                path += f"[{len(frame.value)}]"
            elif frame.key is not _NO_KEY and frame.key is not _MERGE:
                path += f".{frame.key}"
        if key is not _NO_KEY:
            path += f".{key}"
        return path.removeprefix(".")


class _StopReadingError(Exception):
    """The rest of the document cannot be read."""


def _syntax_problem(error: YAMLError, text: str, file: str) -> Problem:
    opened = unclosed(error, text)
    if opened is not None:
        return Problem(
            message=f"not valid YAML: {opened.what} is not closed",
            file=file,
            line=opened.line,
            column=opened.column,
            hint=opened.hint,
        )
    mark = getattr(error, "problem_mark", None)
    offset = getattr(error, "position", None)
    message = str(getattr(error, "problem", "") or getattr(error, "reason", "") or error)
    if mark is not None:
        line, column = mark.line + 1, mark.column + 1
    elif isinstance(offset, int):
        before = text.encode()[:offset].decode(errors="replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    else:
        line, column = 1, 1
    lines = text.split("\n")
    source = lines[line - 1] if line <= len(lines) else ""
    return Problem(
        message=f"not valid YAML: {message}",
        file=file,
        line=line,
        column=column,
        hint=_syntax_hint(source, message),
    )


def _syntax_hint(source: str, message: str) -> str:
    if "\t" in source:
        return "indent with spaces: YAML does not allow tabs there"
    if "{{" in source:
        return 'a template must be quoted: "{{ name }}"'
    if "control characters" in message or "#x" in message:
        return "remove the control character"
    if "mapping values are not allowed" in message:
        return "quote a value that holds a colon followed by a space"
    return ""
