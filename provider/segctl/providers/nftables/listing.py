"""From ``nft -j list table`` to a `Table`: every statement in the spelling that we write.

Anything unknown to this module is written as ``?`` and its JSON: it then differs from everything
segctl writes, and shows as drift.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from segctl.model.addresses import canonical_address
from segctl.providers.nftables import names
from segctl.providers.nftables.table import Chain, Counter, Line, Set, Table
from segctl.system.json_text import read_listing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    Values = Mapping[str, Any]

#: Most bits of a payload that nft compares at once.
_LONGEST = 128
#: What a host counts, or numbers, by itself.
_MOVING = frozenset({"handle", "packets", "bytes", "used", "expires"})
_QUIET = frozenset({"metainfo", "table"})
#: A table of ours has none. Which flag it is, nft 1.0.6 does not tell: it writes any word.
_FLAGGED = "table segctl has flags, and may be dormant: then none of its rules is in force"
_SET_KEYS = frozenset({"family", "name", "table", "type", "handle", "flags", "elem", "map"})


@contextmanager
def shaped() -> Generator[None]:
    """Parse a listing; JSON of any other shape is a ValueError."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        message = "not a listing of nft"
        raise ValueError(message) from error


def read_table(document: str) -> Table:
    """Read the listing of a table.

    Raises:
        ValueError: it is not a listing.
    """
    with shaped():
        return _read_table(document)


def _read_table(document: str) -> Table:
    chains: dict[str, Values] = {}
    lines: dict[str, list[Line]] = {}
    sets: dict[str, Set] = {}
    counters: dict[str, Counter] = {}
    strange: list[str] = []
    for kind, values in entries(document):
        name = str(values.get("name", ""))
        if kind == "chain":
            chains[name] = values
            lines.setdefault(name, [])
        elif kind == "rule":
            lines.setdefault(str(values["chain"]), []).append(_line(values))
        elif kind in ("set", "map"):
            timed = names.is_timed(name)  # who is in it is not what the table says
            sets[name] = _set(kind, {**values, "elem": []} if timed else values)
        elif kind == "counter":
            counters[name] = Counter(
                name=name,
                comment=str(values.get("comment", "")),
                packets=int(values.get("packets", 0)),
                bytes=int(values.get("bytes", 0)),
            )
        elif kind == "table" and values.get("flags"):
            strange.append(_FLAGGED)
        elif kind not in _QUIET:
            strange.append(f"{kind} {name} ({digest_of(values)})")
    return Table(
        chains={
            name: Chain(name=name, lines=tuple(lines[name]), hook=hook_of(values))
            for name, values in chains.items()
        },
        sets=sets,
        counters=counters,
        strange=tuple(strange),
    )


def entries(document: str) -> Iterable[tuple[str, Values]]:
    """Return the objects of a listing with their kinds.

    Raises:
        ValueError: it is not a listing.
    """
    with shaped():
        found = cast("dict[str, Any]", read_listing(document))["nftables"]
        return [(kind, values) for entry in found for kind, values in entry.items()]


def digest_of(value: Any) -> str:
    """Return a digest of part of a listing, without what changes by itself."""
    text = json.dumps(_steady(value), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _steady(value: Any) -> Any:
    if isinstance(value, list):
        return [_steady(one) for one in _items(value)]
    if isinstance(value, dict):
        return {key: _steady(one) for key, one in _dict(value).items() if key not in _MOVING}
    return value


def hook_of(chain: Values) -> str:
    """Return the declaration of a base chain, empty for another."""
    if "hook" not in chain:
        return ""
    device = chain.get("dev")
    where = f" device {_plain(device)}" if device else ""
    return (
        f"type {chain.get('type')} hook {chain['hook']}{where} priority {chain.get('prio')}; "
        f"policy {chain.get('policy', 'accept')};"
    )


def _line(values: Values) -> Line:
    statements = cast("list[Values]", values.get("expr", []))
    return Line(
        " ".join(spell(statement) for statement in statements),
        str(values.get("comment", "")),
        int(values.get("handle", 0)),
    )


def _set(kind: str, values: Values) -> Set:
    key = _key_type(values.get("type"))
    value = f" : {values['map']}" if "map" in values else ""
    declaration = f"type {key}{value};"
    if values.get("flags"):
        declaration += f" flags {_listed(values['flags'], ', ')};"
    extra = {name: item for name, item in values.items() if name not in _SET_KEYS}
    if extra:
        declaration += f" ?{_plain(extra)}"
    spell_key = _KEYS.get(key, _key) if "ifname" not in key else _name_key
    elements = cast("list[Any]", values.get("elem", []))
    found = _numbers(elements) if kind == "set" else None
    if found is None:
        found = dict(_element(element, spell_key) for element in elements)
    return Set(
        name=str(values["name"]),
        declaration=declaration,
        elements=frozenset(found),
        map=kind == "map",
        comments={text: comment for text, comment in found.items() if comment},
    )


def _key_type(value: Any) -> str:
    """Spell the type of a set's keys; nft 1.1 lists the ``typeof`` that the set was created by."""
    if not isinstance(value, dict):
        return _listed(value, " . ")
    made = _dict(value).get("typeof")
    parts = _items(_dict(made).get("concat", [made]))
    found = [_TYPES.get(_left(part) or "", "") or _raw_type(part) for part in parts]
    return " . ".join(found) if all(found) else f"?{_plain(value)}"


def _raw_type(value: Any) -> str:
    return "integer" if (_left(value) or "").startswith("@") else ""


def _listed(value: Any, between: str) -> str:
    return between.join(map(str, _items(value) if isinstance(value, list) else [value]))


def _dict(value: Any) -> dict[str, Any]:
    """Return a JSON object; empty for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _items(value: Any) -> list[Any]:
    return list(value)


def _numbers(elements: Sequence[Any]) -> dict[str, str] | None:
    """Spell many concatenations of numbers at once; None if there is anything else among them."""
    try:
        rows: list[list[Any]] = [element["concat"] for element in elements]
    except (KeyError, TypeError):
        return None
    if not {type(number) for row in rows for number in row} <= {int}:
        return None
    return dict.fromkeys((" . ".join(map(str, row)) for row in rows), "")


def _element(element: Any, spell_key: Callable[[Any], str]) -> tuple[str, str]:
    if isinstance(element, list):
        key, value = _items(element)
        text, comment = _element(key, spell_key)
        return f"{text} : {spell(value)}", comment
    if isinstance(element, dict) and "elem" in element:
        inner = cast("dict[str, Any]", element["elem"])
        known = {"val", "comment"}
        more = {name: value for name, value in inner.items() if name not in known}
        text = spell_key(inner["val"]) + (f" ?{_plain(more)}" if more else "")
        return text, str(inner.get("comment", ""))
    return spell_key(element), ""


def _key(value: Any) -> str:
    """Spell a set's key, with numbers as nft lists them."""
    if isinstance(value, dict) and "concat" in value:
        return " . ".join(_key(part) for part in cast("list[Any]", value["concat"]))
    return _right(value)


def _name_key(value: Any) -> str:
    """Spell a key of interface names, in quotes."""
    if isinstance(value, dict) and "concat" in value:
        return " . ".join(_name_key(part) for part in cast("list[Any]", value["concat"]))
    return _right(value, quoted=True)


def address_key(value: Any) -> str:
    """Spell an address, a network or a range of a set."""
    return canonical_address(_right(value))


#: The types of the expressions that our sets are created by (``nft describe``).
_TYPES: Mapping[str, str] = {
    "ip saddr": "ipv4_addr",
    "ip daddr": "ipv4_addr",
    "ip6 saddr": "ipv6_addr",
    "ip6 daddr": "ipv6_addr",
    "ct mark": "mark",
    "iifname": "ifname",
    "oifname": "ifname",
    "meta mark": "mark",
    "ip length": "integer",
    "ip6 length": "integer",
}
_KEYS: Mapping[str, Callable[[Any], str]] = {
    "ipv4_addr": address_key,
    "ipv6_addr": address_key,
}


# --- statements ----------------------------------------------------------------------------------


def spell(statement: Values) -> str:
    """Spell a statement as we write it; one that we never write begins with ``?``."""
    if len(statement) == 1:
        ((kind, value),) = statement.items()
        known = _STATEMENTS.get(kind)
        try:
            if known is not None and (text := known(value)) is not None:
                return text
        except (KeyError, TypeError, ValueError, AttributeError):
            pass
    return f"?{_plain(statement)}"


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _match(value: Values) -> str | None:
    left, right = _whole_bytes(value["left"], value["right"])
    op = value["op"]
    key = _left(left)
    if key is None or op not in ("==", "in", "!="):
        return None
    sign = "!= " if op == "!=" else ""
    if key == "ct mark" and isinstance(right, dict) and "prefix" in right:
        found = cast("dict[str, int]", right["prefix"])
        mask = (0xFFFFFFFF << (32 - found["len"])) & 0xFFFFFFFF
        return f"ct mark & 0x{mask:08x} {sign or '== '}0x{found['addr']:08x}"
    if isinstance(left, dict) and "&" in left:
        shown = _number(right) if key.startswith("ct mark") else _raw_right(right)
        return None if shown is None else f"{key} {sign or '== '}{shown}"
    if key.startswith("@"):
        shown = _raw_right(right)
        return None if shown is None else f"{key} {sign}{shown}"
    return f"{key} {sign}{_right(right, quoted=key.endswith('ifname'))}"


def _whole_bytes(left: Any, right: Any) -> tuple[Any, Any]:
    """Return a match of some payload bits as a match of entire bytes under a mask.

    nft 1.1 lists ``@ih,24,8 & 0xf != 0x4`` as ``@ih,28,4 != 0x4``.
    """
    payload = _dict(_dict(left).get("payload"))
    if "offset" not in payload:
        return left, right
    first, end = payload["offset"], payload["offset"] + payload["len"]
    if not (first % 8 or end % 8) or not 0 < payload["len"] <= _LONGEST:
        return left, right
    start, stop = first - first % 8, end + -end % 8
    whole = {"payload": {**payload, "offset": start, "len": stop - start}}
    mask = ((1 << payload["len"]) - 1) << (stop - end)
    return {"&": [whole, mask]}, _shifted(right, stop - end)


def _shifted(value: Any, bits: int) -> Any:
    """Shift every number that a payload is compared with."""
    if isinstance(value, int):
        return value << bits
    if isinstance(value, list):
        return [_shifted(one, bits) for one in _items(value)]
    if isinstance(value, dict):
        found = cast("Values", value)
        return {kind: _shifted(one, bits) for kind, one in found.items()}
    return cast("object", value)


def _left(left: Any) -> str | None:
    if not isinstance(left, dict) or len(cast("Values", left)) != 1:
        return None
    ((kind, value),) = cast("Values", left).items()
    if kind == "meta":
        word = value["key"]
        return word if word in ("iifname", "oifname") else f"meta {word}"
    if kind == "ct" and set(value) <= {"key", "dir"}:
        return " ".join(["ct", *([value["dir"]] if "dir" in value else []), value["key"]])
    if kind == "payload" and "field" in value:
        return f"{value['protocol']} {value['field']}"
    if kind == "payload":
        return f"@{value['base']},{value['offset']},{value['len']}"
    if kind == "concat":
        parts = [_left(part) for part in value]
        return None if None in parts else " . ".join(cast("list[str]", parts))
    if kind == "&":
        inner, mask = value
        key = _left(inner)
        digits = 8 if key == "ct mark" else 0
        return None if key is None else f"{key} & 0x{mask:0{digits}x}"
    return None


def _number(value: Any) -> str | None:
    return f"0x{value:08x}" if isinstance(value, int) else None


def _raw_right(value: Any) -> str | None:
    """Spell the numbers a raw payload is compared with, however nft lists them."""
    if isinstance(value, int):
        return f"0x{value:x}"
    if isinstance(value, str) and value.startswith("@"):
        return value
    if isinstance(value, dict) and "set" in value:
        listed = [_raw_right(one) for one in cast("list[Any]", value["set"])]
        if None not in listed:
            return f"{{ {', '.join(cast('list[str]', listed))} }}"
    if isinstance(value, dict) and "range" in value:
        low, high = (_raw_right(one) for one in cast("list[Any]", value["range"]))
        return f"{low}-{high}"
    return None


def _right(value: Any, *, quoted: bool = False) -> str:
    if isinstance(value, str):
        return value if value.startswith("@") or not quoted else f'"{value}"'
    if isinstance(value, bool) or value is None:
        return _plain(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return ",".join(_right(one, quoted=quoted) for one in _items(value))
    if isinstance(value, dict):
        found = cast("Values", value)
        if "prefix" in found:
            return f"{found['prefix']['addr']}/{found['prefix']['len']}"
        if "range" in found:
            low, high = found["range"]
            return f"{_right(low)}-{_right(high)}"
        if "set" in found:
            return f"{{ {', '.join(_right(one, quoted=quoted) for one in found['set'])} }}"
    return f"?{_plain(value)}"


def _counter(value: Any) -> str | None:
    return f'counter name "{value}"' if isinstance(value, str) else None


def _limit(value: Values) -> str | None:
    if set(value) - {"rate", "burst", "per"}:
        return None
    return f"limit rate {value['rate']}/{value['per']} burst {value['burst']} packets"


def _log(value: Values | None) -> str | None:
    found = dict(value or {})
    text = "log"
    if "prefix" in found:
        text += f' prefix "{found.pop("prefix")}"'
    for word in ("group", "snaplen"):
        if word in found:
            text += f" {word} {found.pop(word)}"
    return None if found else text


def _vmap(value: Values) -> str | None:
    key, data = _left(value["key"]), value["data"]
    if key is None or not isinstance(data, str):
        return None
    return f"{key} vmap {data}"


def _mangle(value: Values) -> str | None:
    """Spell ``ct mark set ct mark & M | E``; nft lists M with the bits of E, which is the same."""
    if value["key"] != {"ct": {"key": "mark"}}:
        return None
    masked, bits = value["value"]["|"]
    inner, mask = masked["&"]
    if inner != {"ct": {"key": "mark"}}:
        return None
    return f"ct mark set ct mark & 0x{mask & ~bits & 0xFFFFFFFF:08x} | 0x{bits:08x}"


def _verdict(word: str) -> Callable[[Any], str | None]:
    def spelled(value: Any) -> str | None:
        return word if value is None else None

    return spelled


def _go(word: str) -> Callable[[Any], str | None]:
    def spelled(value: Any) -> str | None:
        return f"{word} {value['target']}"

    return spelled


_STATEMENTS: Mapping[str, Callable[[Any], str | None]] = {
    "match": _match,
    "counter": _counter,
    "limit": _limit,
    "log": _log,
    "vmap": _vmap,
    "mangle": _mangle,
    "accept": _verdict("accept"),
    "drop": _verdict("drop"),
    "return": _verdict("return"),
    "jump": _go("jump"),
    "goto": _go("goto"),
}
