"""Whether a document is what its JSON Schema asks for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

#: Types that Python tells apart as JSON Schema does. An integer is not one: True is an int.
_PYTHON: Final[Mapping[str, type]] = {"string": str, "boolean": bool}


def fault(document: Any, schema: Mapping[str, Any]) -> ValidationError | None:
    """Return the most telling of all that is wrong with a document, as jsonschema judges it.

    jsonschema makes a validator for every single value. A large plan holds a million, nearly all
    of them texts that may be any text: those are looked at here, and everything else there.
    """
    found: ValidationError | None = _library().exceptions.best_match(
        _judge()(schema).iter_errors(document)
    )
    return found


def _library() -> Any:
    """Return jsonschema, half of which has no types."""
    import jsonschema

    return jsonschema


@cache
def _judge() -> Any:
    """Return the class of validators that look at plain values themselves."""
    plain = _library().Draft202012Validator
    all_properties, all_items = (plain.VALIDATORS[name] for name in ("properties", "items"))

    def properties(
        validator: Any, asked: Any, instance: Any, schema: Mapping[str, Any]
    ) -> Iterator[ValidationError]:
        if isinstance(instance, dict):
            asked = {
                name: one
                for name, one in asked.items()
                if name in instance and not _plainly(instance[name], one)
            }
        yield from all_properties(validator, asked, instance, schema)

    def items(
        validator: Any, asked: Any, instance: Any, schema: Mapping[str, Any]
    ) -> Iterator[ValidationError]:
        if not _plainly(instance, {"type": "array", "items": asked}):
            yield from all_items(validator, asked, instance, schema)

    return _library().validators.extend(plain, {"properties": properties, "items": items})


def _plainly(value: Any, asked: Any) -> bool:
    """Whether a value is of the type that is all a schema asks for, or a list of such values."""
    found: type[object] = type(cast("object", value))
    match asked:
        case {"type": str(kind)} if len(asked) == 1:
            return found is _PYTHON.get(kind)
        case {"type": "array", "items": each} if len(asked) == 2 and found is list:
            return all(_plainly(one, each) for one in value)
        case _:
            return False
