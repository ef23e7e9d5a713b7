"""Statements of a rule, as nft prints them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from segctl_mocks.linux.nft.nodes import (
    Anonymous,
    Binary,
    Concat,
    Ct,
    Fib,
    Left,
    MapLookup,
    Meta,
    Payload,
    Range,
    Raw,
    Right,
    SetRef,
    Value,
    Verdict,
)

if TYPE_CHECKING:
    from segctl_mocks.linux.nft.types import Json


@dataclass(frozen=True, slots=True)
class Match:
    """An expression compared with a value; ``in`` means one of these bits."""

    left: Left
    operator: str
    right: Right
    mask: Value | None = None

    def text(self, *, stateless: bool = False) -> str:
        """As the text listing has it."""
        del stateless
        right = self.right.text()
        if self._is_number():
            right = hex(self.right.number) if isinstance(self.right, Value) else right
        if self.mask is not None:
            sign = "!= " if self.operator == "!=" else ""
            return f"{self.left.text()} {sign}{right} / {self.mask.text()}"
        if self.operator == "!=" and isinstance(self.right, Value) and self.right.kind.bitmask:
            right = right.replace(",", " | ")
        return " ".join(part for part in (self.left.text(), self._sign(), right) if part)

    def _sign(self) -> str:
        if self.operator == "in":
            return ""
        if self.operator != "==":
            return self.operator
        if isinstance(self.left, Binary):
            return "" if isinstance(self.right, Range) else "=="
        if isinstance(self.right, Value) and self.right.kind.bitmask:
            return "=="
        return ""

    def _is_number(self) -> bool:
        """Say whether several flags compared for equality are shown as their number."""
        right = self.right
        if not isinstance(right, Value) or not right.kind.bitmask or self.mask is not None:
            return False
        exact = self.operator == "==" or (self.operator == "!=" and isinstance(self.left, Payload))
        return exact and right.number.bit_count() > 1

    def json(self, *, stateless: bool = False) -> Json:
        """As the JSON listing has it."""
        del stateless
        left: Json = self.left.json()
        right: Json = self.right.json()
        if self._is_number() and isinstance(self.right, Value):
            right = self.right.number
        if self.mask is not None:
            masked: list[Json] = [left, self.mask.json()]
            both: dict[str, Json] = {"&": masked}
            left = both
        elif self.operator == "!=" and isinstance(right, list):
            either: dict[str, Json] = {"|": right}
            right = either
        found: dict[str, Json] = {"op": self.operator}
        found["left"], found["right"] = left, right
        return {"match": found}


@dataclass(frozen=True, slots=True)
class Vmap:
    """A verdict looked up in a map."""

    key: Payload | Raw | Meta | Ct | Fib | Concat | Binary
    data: Anonymous | SetRef

    def text(self, *, stateless: bool = False) -> str:
        """As the text listing has it."""
        del stateless
        return f"{self.key.text()} vmap {self.data.text()}"

    def json(self, *, stateless: bool = False) -> Json:
        """As the JSON listing has it."""
        del stateless
        return {"vmap": {"key": self.key.json(), "data": self.data.json()}}


@dataclass(frozen=True, slots=True)
class Mangle:
    """A mark that is set."""

    key: Meta | Ct
    value: Value | Payload | Raw | Meta | Ct | Binary | MapLookup

    def text(self, *, stateless: bool = False) -> str:
        """As the text listing has it."""
        del stateless
        return f"{self.key.text()} set {self.value.text()}"

    def json(self, *, stateless: bool = False) -> Json:
        """As the JSON listing has it."""
        del stateless
        return {"mangle": {"key": self.key.json(), "value": self.value.json()}}


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of the rule's own."""

    packets: int = 0
    octets: int = 0

    def text(self, *, stateless: bool = False) -> str:
        """As the text listing has it."""
        return "counter" if stateless else f"counter packets {self.packets} bytes {self.octets}"

    def json(self, *, stateless: bool = False) -> Json:
        """As the JSON listing has it."""
        if stateless:
            return {"counter": None}
        return {"counter": {"packets": self.packets, "bytes": self.octets}}


@dataclass(frozen=True, slots=True)
class CounterRef:
    """A named counter."""

    name: str

    def text(self, *, stateless: bool = False) -> str:
        """As the text listing has it."""
        del stateless
        return f'counter name "{self.name}"'

    def json(self, *, stateless: bool = False) -> Json:
        """As the JSON listing has it."""
        del stateless
        return {"counter": self.name}


@dataclass(frozen=True, slots=True)
class Log:
    """A log line or a message to a netlink group."""

    prefix: str | None = None
    group: int | None = None
    snaplen: int = 0
    threshold: int = 0
    level: str = ""
    flags: tuple[str, ...] = ()

    def text(self, *, stateless: bool = False) -> str:
        """As the text listing has it."""
        del stateless
        parts = ["log"]
        if self.prefix is not None:
            parts.append(f'prefix "{self.prefix}"')
        if self.group is not None:
            parts.append(f"group {self.group}")
            parts += [f"snaplen {self.snaplen}"] if self.snaplen else []
            parts += [f"queue-threshold {self.threshold}"] if self.threshold else []
        elif self.level and self.level != "warn":
            parts.append(f"level {self.level}")
        if self.flags:
            parts.append(f"flags {_flag_text(self.flags)}")
        return " ".join(parts)

    def json(self, *, stateless: bool = False) -> Json:
        """As the JSON listing has it."""
        del stateless
        out: dict[str, Json] = {}
        if self.prefix is not None:
            out["prefix"] = self.prefix
        if self.group is not None:
            out["group"] = self.group
            out |= {"snaplen": self.snaplen} if self.snaplen else {}
            out |= {"queue-threshold": self.threshold} if self.threshold else {}
        elif self.level and self.level != "warn":
            out["level"] = self.level
        if self.flags:
            out["flags"] = self.flags[0] if len(self.flags) == 1 else [*self.flags]
        return {"log": out or None}


def _flag_text(flags: tuple[str, ...]) -> str:
    tcp = [flag[4:] for flag in flags if flag.startswith("tcp ")]
    rest = [flag for flag in flags if not flag.startswith("tcp ")]
    return " ".join(([f"tcp {','.join(tcp)}"] if tcp else []) + rest)


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate, in packets or in bytes."""

    rate: int
    per: str
    burst: int
    over: bool = False
    unit: str = ""
    burst_unit: str = ""

    def text(self, *, stateless: bool = False) -> str:
        """As the text listing has it."""
        del stateless
        over = "over " if self.over else ""
        if not self.unit:
            burst = "" if self.burst == 5 else f" burst {self.burst} packets"
            return f"limit rate {over}{self.rate}/{self.per}{burst}"
        burst = f" burst {self.burst} {self.burst_unit}" if self.burst else ""
        return f"limit rate {over}{self.rate} {self.unit}/{self.per}{burst}"

    def json(self, *, stateless: bool = False) -> Json:
        """As the JSON listing has it."""
        del stateless
        out: dict[str, Json] = {"rate": self.rate, "burst": self.burst, "per": self.per}
        if self.over:
            out["inv"] = True
        if self.unit:
            out |= {"rate_unit": self.unit, "burst_unit": self.burst_unit}
        return {"limit": out}


@dataclass(frozen=True, slots=True)
class Reject:
    """A refusal that the sender is told of."""

    kind: str = "icmpx"
    reason: str = "port-unreachable"

    def text(self, *, stateless: bool = False) -> str:
        """As the text listing has it."""
        del stateless
        if self.kind == "tcp reset":
            return "reject with tcp reset"
        if not self.kind or (self.kind, self.reason) == ("icmpx", "port-unreachable"):
            return "reject"
        return f"reject with {self.kind} {self.reason}"

    def json(self, *, stateless: bool = False) -> Json:
        """As the JSON listing has it."""
        del stateless
        if self.kind == "tcp reset":
            return {"reject": {"type": "tcp reset"}}
        if not self.kind:  # after a set of families, nft 1.0.6 has nothing to say
            return {"reject": None}
        return {"reject": {"type": self.kind, "expr": self.reason}}


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict as a statement."""

    verdict: Verdict

    def text(self, *, stateless: bool = False) -> str:
        """As the text listing has it."""
        del stateless
        return self.verdict.text()

    def json(self, *, stateless: bool = False) -> Json:
        """As the JSON listing has it."""
        del stateless
        return self.verdict.json()


@dataclass(frozen=True, slots=True)
class Nat:
    """Masquerading, or an address or port that is replaced."""

    word: str
    family: str = ""
    address: str = ""
    port: int | None = None
    flags: tuple[str, ...] = ()

    def text(self, *, stateless: bool = False) -> str:
        """As the text listing has it."""
        del stateless
        port = "" if self.port is None else f":{self.port}"
        address = f"[{self.address}]" if port and ":" in self.address else self.address
        where = f"{address}{port}"
        parts = [self.word]
        if where:
            parts += [self.family, f"to {where}"] if self.family else [f"to {where}"]
        if self.flags:
            parts.append(",".join(self.flags))
        return " ".join(parts)

    def json(self, *, stateless: bool = False) -> Json:
        """As the JSON listing has it."""
        del stateless
        out: dict[str, Json] = {}
        if self.family:
            out["family"] = self.family
        if self.address:
            out["addr"] = self.address
        if self.port is not None:
            out["port"] = self.port
        if self.flags:
            out["flags"] = self.flags[0] if len(self.flags) == 1 else [*self.flags]
        return {self.word: out or None}


@dataclass(frozen=True, slots=True)
class Notrack:
    """No connection tracking for this packet."""

    def text(self, *, stateless: bool = False) -> str:
        """As the text listing has it."""
        del stateless
        return "notrack"

    def json(self, *, stateless: bool = False) -> Json:
        """As the JSON listing has it."""
        del stateless
        return {"notrack": None}


Statement: TypeAlias = (
    "Match | Vmap | Mangle | Counter | CounterRef | Log | Limit | Reject | Decision | Nat | Notrack"
)
