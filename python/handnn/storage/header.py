"""The header of a safetensors file, and the JSON in its metadata, parsed with little memory.

`json.loads` turns two bytes, such as "[]", into a hundred. So a header is parsed member by member:
each is short or a string. The JSON in its metadata is parsed only if it describes few objects.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from typing import Any, NoReturn, TypeGuard, TypeVar

from handnn.storage.entries import Entries, Entry
from handnn.storage.messages import brief

T = TypeVar("T")

MAX_HEADER_BYTES = 2**21
"""Sufficient for ten thousand arrays."""

MAX_ARRAYS = MAX_HEADER_BYTES // 100
"""The largest number of arrays that handnn writes."""

MAX_MEMBERS = 2**15
"""The largest number of arrays in a header, and of texts in its metadata: an array takes 64 bytes
or more of a header of that many."""

MAX_LENGTH = 2048
"""The length of the longest name in a header, and of the longest description of an array."""

MAX_COST = 2**23
"""The largest estimate of the memory of the objects that a JSON text describes, in bytes."""

MAX_DIGITS = 300
"""The length of the longest integer in JSON: float64 has fewer digits before the point."""

MAX_DIMENSIONS = 64
"""The largest number of dimensions, NumPy's limit."""

BYTES_OF = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
"""Bytes per entry of each dtype of the format."""

SPACE = r"[ \t\n\r]*+"
OPEN, COLON = re.compile(rf"\{{{SPACE}"), re.compile(rf"{SPACE}:{SPACE}")
NEXT, END = re.compile(rf"{SPACE}([,}}]){SPACE}"), re.compile(rf"{SPACE}\Z")
NAME = re.compile(rf'"(?:[^"\\]|\\.){{0,{12 * MAX_LENGTH}}}+(?P<end>"?)', re.DOTALL)
"""Up to 12 characters of JSON for each of a name, such as those of \\ud83d\\ude00."""

ENTRY = re.compile(rf"\{{[^{{}}]{{0,{MAX_LENGTH}}}+\}}")

TOKEN = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[{:,]', re.DOTALL)
LIST_COST, OBJECT_COST, PLACE_COST = 100, 200, 8
"""The bytes of a list, of an object, and of a place in a list."""

COST = {"[": LIST_COST, "{": OBJECT_COST, ":": 40, ",": 32 + PLACE_COST, '"': 60}
"""The bytes of what a token begins: also those of a place in an object, of a number with its place
in a list, and of a string without its characters."""


def parse_header(text: str) -> tuple[dict[str, str], Entries]:
    """Return the metadata and the arrays, in the order of their bytes, that a header lists.

    Raises ValueError if it is invalid.
    """
    if not text.startswith("{"):
        raise ValueError("its header is not a JSON object")
    found, end = _Header(text), 0
    metadata, entries = found.metadata, found.entries
    del text, found  # their memory is free before the entries are sorted
    entries.sort()
    for name in entries:
        start, after = entries.range_of(name)
        if start != end:
            raise ValueError(f"its array {name!r:.50} begins at byte {start}, not {end}")
        end = after
    return metadata, entries


class _Header:
    """Parses a header.

    Attributes:
        metadata: from name to text. entries: the arrays, by name.
    """

    def __init__(self, text: str) -> None:
        import json

        self.metadata: dict[str, str] = {}
        self.entries = Entries()
        self._text = text
        self._decode = json.JSONDecoder().raw_decode
        try:
            end = self._members(0, self._member)
        except json.JSONDecodeError:
            self._refuse()
        self._match(END, end)

    def _members(self, place: int, read: Callable[[str, int], int]) -> int:
        """Read the object at `place`; return where it ends.

        read: reads the value at a place, given its name; returns where it ends.
        """
        place = self._match(OPEN, place).end()
        if self._text.startswith("}", place):
            return place + 1
        for _ in range(MAX_MEMBERS):
            name, place = self._name(place)
            place = read(name, self._match(COLON, place).end())
            after = self._match(NEXT, place)
            place = after.end()
            if after[1] == "}":
                return after.end(1)
        raise ValueError(f"its header has more than {MAX_MEMBERS} entries")

    def _member(self, name: str, place: int) -> int:
        """Read the description of an array, or the metadata."""
        if name == "__metadata__":
            if self._text.startswith("null", place):
                return place + len("null")
            if not self._text.startswith("{", place):
                raise ValueError("its metadata is not an object of strings")
            return self._members(place, self._read_text)
        import json

        found = ENTRY.match(self._text, place)
        if found is None:
            raise ValueError(f"its array {name!r:.50} has an invalid description")
        _check_is_new(name, self.entries)
        self.entries.add(name, _entry(name, json.loads(found[0])))
        return found.end()

    def _read_text(self, name: str, place: int) -> int:
        """Read a text of the metadata."""
        if not self._text.startswith('"', place):
            raise ValueError("its metadata is not an object of strings")
        text, end = self._string(place)
        _check_is_new(name, self.metadata)
        self.metadata[name] = text
        return end

    def _name(self, place: int) -> tuple[str, int]:
        """Return the name at `place`, and where it ends; a very long one is not decoded."""
        begin = NAME.match(self._text, place)
        is_long = begin is not None and not begin["end"] and begin.end() + 1 < len(self._text)
        name, end = ("", place) if is_long else self._string(place)
        if is_long or len(name) > MAX_LENGTH:
            raise ValueError(f"its header has a name of more than {MAX_LENGTH} characters")
        return name, end

    def _string(self, place: int) -> tuple[str, int]:
        """Return the string at `place`, and where it ends."""
        if not self._text.startswith('"', place):
            self._refuse()
        found: tuple[str, int] = self._decode(self._text, place)
        return found

    def _match(self, pattern: re.Pattern[str], place: int) -> re.Match[str]:
        return pattern.match(self._text, place) or self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError("its header is not valid JSON")


def _check_is_new(name: str, found: Collection[str]) -> None:
    if name in found:
        raise ValueError(f"its header has {name!r:.50} twice")


def _entry(name: str, described: object) -> Entry:
    """Return one array's entry of a header; ValueError unless its bytes are those of its shape."""
    values = described if isinstance(described, dict) else {}
    dtype, shape, offsets = (values.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not (isinstance(dtype, str) and dtype in BYTES_OF):
        raise ValueError(f"its array {name!r:.50} has the unknown dtype {brief(dtype)}")
    if not (_are_sizes(shape) and len(shape) <= MAX_DIMENSIONS):
        raise ValueError(f"its array {name!r:.50} has the invalid shape {brief(shape)}")
    if not (_are_sizes(offsets) and len(offsets) == 2):
        raise ValueError(f"its array {name!r:.50} has the invalid offsets {brief(offsets)}")
    start, end = offsets
    if end - start != math.prod(shape) * BYTES_OF[dtype]:
        raise ValueError(f"its array {name!r:.50} has {end - start} bytes for {dtype} {shape}")
    return Entry(dtype, tuple(shape), start, end)


def _are_sizes(values: object) -> TypeGuard[list[int]]:
    """Return whether `values` is a list of integers from 0 to 2⁶³ - 1."""
    return isinstance(values, list) and all(type(n) is int and 0 <= n < 2**63 for n in values)


def from_json(text: str, name: str, is_finite: bool = True) -> Any:
    """Parse a part of a file as JSON.

    is_finite: whether to reject numbers that float64 does not have, such as NaN and 1e999. Raises
    ValueError, naming the part, if it is invalid or its objects would take too much memory.
    """
    import json

    check_cost([text], name)

    def refused(number: str) -> NoReturn:
        raise ValueError(f"its {name} has the number {number:.50}, which float64 does not have")

    def whole(digits: str) -> int:
        return int(digits) if len(digits) <= MAX_DIGITS else refused(digits)

    def finite(digits: str) -> float:
        number = float(digits)
        return number if math.isfinite(number) else refused(digits)

    try:
        return json.loads(
            text,
            parse_int=whole,
            parse_float=finite if is_finite else None,
            parse_constant=refused if is_finite else None,
        )
    except RecursionError:
        raise ValueError(f"its {name} is nested too deeply") from None
    except json.JSONDecodeError:
        raise ValueError(f"its {name} is not valid JSON") from None


def check_cost(texts: Collection[str], name: str) -> None:
    """Raise ValueError, naming the part, if JSON texts describe more than `MAX_COST` bytes."""
    if sum(map(len, texts)) * max(COST.values()) <= MAX_COST:
        return
    if sum(map(cost_of, texts)) > MAX_COST:
        raise ValueError(f"its {name} takes more than {MAX_COST >> 20} MiB when it is parsed")


def cost_of(text: str) -> int:
    """Return an estimate of the memory of the objects that JSON describes.

    The objects that `json.loads` makes of the text before the first fault take at most that much.
    Text beyond `MAX_COST` is not counted.
    """
    width = 1 if text.isascii() else 4
    cost = 0
    for token in TOKEN.finditer(text):
        start, end = token.span()
        cost += COST[text[start]]
        if text[start] == '"':
            cost += (end - start) * (4 if text.find("\\u", start, end) >= 0 else width)
        if cost > MAX_COST:
            break
    return cost
