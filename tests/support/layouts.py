"""YAML texts as people write them: any indentation, style, comments, empty lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

#: What YAML 1.1 reads as something else than it looks, and what needs its quotes.
SCALARS = (
    "plain words", "no", "'no'", "yes", "on", '"on"', "010", '"010"', "22:22", "'22:22'", "1e3",
    "1_000", "~", "null", "''", '""', "2027-03-31", '"2027-03-31"', "0x1F", ".5", ".inf", "3.5",
    "10.20.1.0/24", '"fd00:20:1::/64"', "Prüfstand", "a#b", '"a # b"', "'it''s'", '"tab\\tq\\"x"',
    "!unsafe '{{ x }}'", "!unsafe plain", '"{{ name }}"', "http://x/y", "-1", "- x"[2:], "a - b",
    "y", '"\\u00e9"', "0o17", "+12", "1:2:3", "<<x",
)  # fmt: skip
LITERALS = ("|", ">", "|-", ">-", "|+", ">+", "|2", "|  # how", "!unsafe |")
VAULTED = ("$ANSIBLE_VAULT;1.1;AES256", "31323334", "35363738")
_WORDS = st.sampled_from(("#", "# why", "#x: y", "# - no", "#   wide", "# ü", '# "q', "# [a"))


class _Text:
    """Writes one document, drawing every choice that its layout leaves open."""

    def __init__(self, draw: Callable[..., object]) -> None:
        self.lines: list[str] = []
        self._draw = draw
        self._anchors = 0
        self._reordered = False

    def some(self, most: int) -> int:
        value = self._draw(st.integers(0, most))
        assert isinstance(value, int)
        return value

    def one(self, choices: tuple[str, ...]) -> str:
        return str(self._draw(st.sampled_from(choices)))

    def maybe(self, out_of: int = 4) -> bool:
        return self.some(out_of) == 0

    def between(self, indent: int) -> None:
        """Empty lines and comments above an entry."""
        for _ in range(self.some(2)):
            if self.maybe(3):
                self.lines.append(" " * self.some(3))
            elif self.maybe(3):
                column = indent if self.maybe(1) else self.some(indent + 4)
                self.lines.append(" " * column + str(self._draw(_WORDS)) + " " * self.some(2))

    def behind(self) -> str:
        """A comment behind a value, or spaces."""
        if self.maybe(5):
            return " " * (1 + self.some(4)) + str(self._draw(_WORDS))
        return " " * self.some(1)

    def mapping(self, indent: int, depth: int, first: str = "") -> None:
        """The entries of a mapping; the first one stands behind `first`, a dash."""
        for number in range(1 + self.some(3)):
            if not (first and number == 0):
                self.between(indent)
            head = first if first and number == 0 else " " * indent
            key = self.one((f"k{number}", f"'q{number}'", f'"d {number}"', f"{number}"))
            self.value(f"{head}{key}:", indent, depth, in_mapping=True)

    def sequence(self, indent: int, depth: int) -> None:
        for number in range(1 + self.some(3)):
            if number:
                self.between(indent)
            dash = " " * indent + "-" + " " * (1 + self.some(2))
            if depth and self.maybe(1):
                self.mapping(len(dash), depth - 1, dash)
            else:
                self.value(dash.rstrip(), indent, depth, in_mapping=False)

    def value(self, head: str, indent: int, depth: int, *, in_mapping: bool) -> None:
        kind = self.some(9 if depth else 5)
        if kind <= 2:
            scalar = self.one(SCALARS)
            if scalar == "<<x":
                scalar = "x"
            self.lines.append(head + " " * (1 + self.some(2)) + scalar + self.behind())
        elif kind == 3:
            self.lines.append(head + " " + self.flow(2) + self.behind())
        elif kind == 4:
            self.folded(head, indent)
        elif kind == 5:
            self.literal(head, indent)
        else:
            anchor = ""
            if self.maybe(6):
                self._anchors += 1
                anchor = f" &a{self._anchors}"
            self.lines.append(head + anchor + self.behind())
            deeper = indent + 1 + self.some(4)
            self.between(deeper)
            if self.maybe(2):
                self.sequence(indent if in_mapping and self.maybe(2) else deeper, depth - 1)
            else:
                self.mapping(deeper, depth - 1)
            if anchor and in_mapping:
                self.lines.append(f"{' ' * indent}alias{self._anchors}: *a{self._anchors}")

    def flow(self, depth: int) -> str:
        items: list[str] = []
        for number in range(self.some(3)):
            plain = self.one(("a", "no", "'22:22'", '"x, y"', "10.0.0.1", "a b", "", "long" * 9))
            if depth and self.maybe(2):
                plain = self.flow(depth - 1)
            items.append(plain or "e")
            if self.maybe(3):
                items[-1] = f"k{number}: {items[-1]}"
        space = " " * self.some(2)
        pairs = [item if ":" in item and item[0] == "k" else f"p{n}: {item}"
                 for n, item in enumerate(items)]  # fmt: skip
        unique = {pair.partition(":")[0]: pair for pair in pairs}
        if self.maybe(1):
            return "{" + space + f",{space}".join(unique.values()) + space + "}"
        return "[" + space + f" ,{space}".join(items) + space + "]"

    def folded(self, head: str, indent: int) -> None:
        """A scalar over several lines, or a flow collection with comments in it."""
        pad = " " * (indent + 1 + self.some(4))
        if self.maybe(1):
            quote = self.one(("", "'", '"'))
            self.lines += [f"{head} {quote}first line  ", "", f"{pad}more words",
                           f"{pad}\tend{quote}{self.behind()}"]  # fmt: skip
        else:
            self.lines += [f"{head} [", f"{pad}# own", f"{pad}a,{self.behind()}", "",
                           f"{pad}{{k: v}} # behind", f"{pad}]{self.behind()}"]  # fmt: skip

    def literal(self, head: str, indent: int) -> None:
        if self.maybe(2):
            self.lines.append(f"{head} !vault |")
            self.lines += [" " * (indent + 10) + line for line in VAULTED]
            return
        mark = self.one(LITERALS)
        pad = " " * (indent + (2 if "2" in mark else 1 + self.some(4)))
        self.lines.append(f"{head} {mark}")
        self.lines += [f"{pad}text  ", f"{pad}  # content", "", f"{pad}end: [x"]
        self.lines += [""] * self.some(2)


@st.composite
def yaml_texts(draw: st.DrawFn) -> str:
    """Documents that read without a problem."""
    text = _Text(draw)
    text.between(0)
    if text.maybe(3):
        text.lines.append("---" + text.behind())
    if text.maybe(3):
        text.sequence(0, 3)
    else:
        text.mapping(0, 3)
    text.between(0)
    return "\n".join(text.lines) + draw(st.sampled_from(("", "\n", "\n\n", "\n  \n")))
