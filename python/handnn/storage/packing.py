"""Long lists of a description as arrays of a file.

The description of a model is JSON in the header of its file, and the header is limited: see
`header.MAX_HEADER_BYTES`. The description of a table grows with its columns, knots and labels, so
`pack` moves its long lists into arrays, and leaves {"packed": ...} in their places:

    list of               packed as
    floats, ints, bools   F64, I64, U8 (M,)
    longer ints, strings  U8, all of them in UTF-8; I64 (M,), the number of bytes of each
    lists                 the packed list of all their entries; I64 (M,), their lengths
    objects               the packed lists of values of each entry; U8 (M,), for their number
    several of these      a packed list for each type; I64 (M,), the place of each value's type

A long string also becomes one array. `unpack` is the inverse. Lists that the caller names stay in
their arrays, see `compact`; all other values take at most `MAX_COST`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn.storage.compact import Compact, Numbers, Texts
from handnn.storage.header import LIST_COST, OBJECT_COST, PLACE_COST
from handnn.storage.messages import brief

Arrays = dict[str, NDArray[np.generic]]

MIN_LENGTH = 64
"""The length of the shortest list that is packed."""

MIN_TEXT = 1024
"""The length of the shortest string that is packed alone."""

MAX_COST = 3 * 2**22
"""The largest estimate of the memory, in bytes, of the objects of a description."""

NUMBER_COST, TEXT_COST, SLICE_COST = 32, 60, 100
"""The bytes of a number, of a string without its characters, and of a part of a `Compact` beyond
those of an empty list."""

MAX_TEXT = 2**18
"""The largest number of bytes of a string in a list."""

KEY, VALUE_KEY = "packed", "packed value"

PREFIX = "packed"
"""The prefix of the arrays' names."""


def pack(value: object, arrays: Arrays) -> object:
    """Return a JSON value with its long lists and strings packed, and add their arrays to `arrays`.

    Examples:
        >>> from handnn.storage.packing import pack, unpack
        >>> arrays = {}
        >>> knots = [float(n) for n in range(100)]
        >>> packed = pack({"knots": knots}, arrays)
        >>> packed
        {'knots': {'packed': {'type': 'float', 'values': 'packed.0'}}}
        >>> unpack(packed, arrays.pop) == {"knots": knots}
        True
    """
    if isinstance(value, Mapping):
        if set(value) in ({KEY}, {VALUE_KEY}):  # it would be mistaken for a packed list
            return {VALUE_KEY: _packed([value], arrays)}
        return {name: pack(inner, arrays) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        if len(value) >= MIN_LENGTH:
            return {KEY: _packed(value, arrays)}
        return [pack(inner, arrays) for inner in value]
    if isinstance(value, str) and len(value) >= MIN_TEXT:
        return {VALUE_KEY: _packed([value], arrays)}
    return value


def unpack(
    value: object,
    read: Callable[[str], NDArray[Any]],
    *,
    compact: Collection[str] = (),
    cost: int = 0,
) -> Any:
    """Return the JSON value that was packed, in the lists and objects of `value`.

    read: returns an array of its own by its name, or raises ValueError or KeyError. compact: the
    names of entries of objects whose lists of numbers or strings become `Compact`; the strings are
    not decoded yet. cost: of `value` itself, a part of `MAX_COST`. Raises ValueError for a value
    that `pack` does not return, or that takes too much memory.
    """
    return _Unpacking(read, compact, cost).value(value)


def _packed(values: Sequence[Any], arrays: Arrays) -> dict[str, object]:
    """Return the description of a list whose entries are in arrays."""
    tags = list(map(_tag, values))
    kinds = list(dict.fromkeys(tags))
    if len(kinds) == 1:
        return PACKERS[kinds[0][0]](values, arrays)
    parts = []
    for kind in kinds:
        same = [value for value, tag in zip(values, tags, strict=True) if tag == kind]
        parts.append(PACKERS[kind[0]](same, arrays))
    places = {kind: place for place, kind in enumerate(kinds)}
    order = _added(np.array([places[tag] for tag in tags], np.int64), arrays)
    return {"type": "several", "order": order, "parts": parts}


def _tag(value: object) -> tuple[str, ...]:
    """Return the type of a JSON value; it includes the names of the entries of an object, and the
    types of the entries of a list.
    """
    if isinstance(value, Mapping):
        return "object", *value
    if isinstance(value, list | tuple):
        return "list", *sorted({_tag(inner)[0] for inner in value})
    if value is None or isinstance(value, bool):
        return ("null",) if value is None else ("bool",)
    if isinstance(value, int):
        return ("int",) if -(2**63) <= value < 2**63 else ("long",)
    return ("float",) if isinstance(value, float) else ("text",)


def _added(array: NDArray[np.generic], arrays: Arrays) -> str:
    name = f"{PREFIX}.{len(arrays)}"
    arrays[name] = array
    return name


def _pack_numbers(type_name: str, dtype: str) -> Callable[..., dict[str, object]]:
    def packed(values: Sequence[Any], arrays: Arrays) -> dict[str, object]:
        array = np.array(values if type_name != "null" else [0] * len(values), dtype)
        return {"type": type_name, "values": _added(array, arrays)}

    return packed


def _pack_texts(type_name: str) -> Callable[..., dict[str, object]]:
    def packed(values: Sequence[Any], arrays: Arrays) -> dict[str, object]:
        encoded = [str(value).encode() for value in values]
        lengths = np.array(list(map(len, encoded)), np.int64)
        data = np.frombuffer(b"".join(encoded), np.uint8)
        return {
            "type": type_name,
            "bytes": _added(data, arrays),
            "lengths": _added(lengths, arrays),
        }

    return packed


def _pack_lists(values: Sequence[Any], arrays: Arrays) -> dict[str, object]:
    lengths = _added(np.array(list(map(len, values)), np.int64), arrays)
    entries = [entry for value in values for entry in value]
    return {"type": "list", "lengths": lengths, "entries": _packed(entries, arrays)}


def _pack_objects(values: Sequence[Any], arrays: Arrays) -> dict[str, object]:
    entries = {n: _packed([value[n] for value in values], arrays) for n in values[0]}
    count = _pack_numbers("null", "u1")([None] * len(values), arrays)
    return {"type": "object", "count": count, "entries": entries}


PACKERS: Mapping[str, Callable[..., dict[str, object]]] = {
    "float": _pack_numbers("float", "f8"),
    "int": _pack_numbers("int", "i8"),
    "bool": _pack_numbers("bool", "u1"),
    "null": _pack_numbers("null", "u1"),
    "text": _pack_texts("text"),
    "long": _pack_texts("long"),
    "list": _pack_lists,
    "object": _pack_objects,
}
"""The function that packs a list of values of each type."""


class _Unpacking:
    """Unpacks one description, and adds up the cost of its objects before it makes them."""

    def __init__(
        self, read: Callable[[str], NDArray[Any]], compact: Collection[str], cost: int
    ) -> None:
        self._read = read
        self._compact = compact
        self._cost = cost

    def value(self, value: object, name: str = "") -> object:
        """Return a JSON value with the lists in place of their descriptions.

        name: of the entry of an object that it belongs to.
        """
        if isinstance(value, dict):
            if set(value) == {KEY}:
                return self.entries(value[KEY], name in self._compact)
            if set(value) == {VALUE_KEY}:
                (found,) = self.entries(value[VALUE_KEY])
                return found
            for inner_name, inner in value.items():
                value[inner_name] = self.value(inner, inner_name)
        if isinstance(value, list):
            for place, inner in enumerate(value):
                value[place] = self.value(inner, name)
        return value

    def entries(self, described: object, is_compact: bool = False) -> Any:
        """Return the entries of a packed list: a list, or a `Compact` of numbers or strings."""
        given = described if isinstance(described, dict) else {}
        name = given.get("type")
        if name == "several":
            return self._several(given, is_compact)
        if name == "object":
            return self._objects(given)
        if name in ("text", "long"):
            return self._texts(given, name, is_compact)
        if name == "list":
            lengths = self._array(given, "lengths", np.int64)
            entries = self.entries(given.get("entries"), is_compact)
            if isinstance(entries, Compact):
                n_parts = int(np.count_nonzero(lengths))
                self._add(n_parts * SLICE_COST + len(lengths) * LIST_COST)
            else:
                self._add(len(lengths) * LIST_COST + len(entries) * PLACE_COST)
            return list(_slices(entries, lengths))
        if name not in ("float", "int", "bool", "null"):
            raise ValueError(f"its description has a packed list of type {brief(name)}")
        kind = {"float": np.float64, "int": np.int64}.get(name, np.uint8)
        numbers = self._array(given, "values", kind)
        if is_compact and name in ("float", "int"):
            return Numbers(numbers)
        is_number = kind is not np.uint8
        self._add(len(numbers) * (PLACE_COST + NUMBER_COST * is_number))
        if name == "null":
            return [None] * len(numbers)
        return (numbers.astype(bool) if name == "bool" else numbers).tolist()

    def _texts(self, given: dict[str, Any], name: str, is_compact: bool) -> Any:
        data = self._array(given, "bytes", np.uint8)
        lengths = self._array(given, "lengths", np.int64)
        _check_lengths(lengths, len(data))
        if len(lengths) and lengths.max() > MAX_TEXT:
            raise ValueError(f"its description has a string of more than {MAX_TEXT} bytes")
        if is_compact and name == "text":
            return Texts(data, lengths)
        width = 1 if data.max(initial=0) < 128 else 4
        self._add(len(lengths) * (TEXT_COST + PLACE_COST) + len(data) * width)
        texts = list(Texts(data, lengths))
        return texts if name == "text" else list(map(int, texts))

    def _objects(self, given: dict[str, Any]) -> list[Any]:
        count, entries = given.get("count"), given.get("entries")
        n_objects = len(self.entries(count))
        if not isinstance(entries, dict):
            raise ValueError("its description has packed objects without entries")
        self._add(n_objects * (OBJECT_COST + 2 * PLACE_COST * len(entries)))
        columns = [
            self.entries(packed, name in self._compact and _may_be_of_lists(packed))
            for name, packed in entries.items()
        ]
        if any(len(column) != n_objects for column in columns):
            raise ValueError("its description has packed objects of different numbers")
        rows = zip(*columns, strict=True) if columns else [()] * n_objects
        return [dict(zip(entries, row, strict=True)) for row in rows]

    def _several(self, given: dict[str, Any], is_compact: bool) -> list[Any]:
        order, parts = self._array(given, "order", np.int64), given.get("parts")
        if not isinstance(parts, list):
            raise ValueError("its description has a packed list without parts")
        self._add(2 * PLACE_COST * len(order))
        lists = [self.entries(part, is_compact and _may_be_of_lists(part)) for part in parts]
        counts = {place: len(entries) for place, entries in enumerate(lists)}
        found = dict(zip(*(part.tolist() for part in np.unique_counts(order)), strict=True))
        if {place: n for place, n in counts.items() if n} != found:
            raise ValueError("its description has a packed list of parts that do not fit")
        iterators = list(map(iter, lists))
        return [next(iterators[place]) for place in Numbers(order)]

    def _array(self, given: dict[str, Any], name: str, dtype: type) -> NDArray[Any]:
        key = given.get(name)
        array = self._read(key) if isinstance(key, str) else None
        if array is None or array.ndim != 1 or array.dtype != dtype:
            raise ValueError(f"its description has a packed list with wrong {name}")
        return array

    def _add(self, cost: int) -> None:
        self._cost += cost
        if self._cost > MAX_COST:
            raise ValueError(
                f"its description takes more than {MAX_COST >> 20} MiB: it has too many columns, "
                "classes or strings"
            )


def _may_be_of_lists(packed: object) -> bool:
    return isinstance(packed, dict) and packed.get("type") in ("list", "several")


def _check_lengths(lengths: NDArray[np.int64], n_values: int) -> None:
    """Raise ValueError unless these are the lengths of consecutive parts of `n_values` values."""
    is_valid = not len(lengths) or (lengths.min() >= 0 and lengths.max() <= n_values)
    if not is_valid or int(lengths.sum()) != n_values:
        raise ValueError("its description has a packed list with wrong lengths")


def _slices(values: Any, lengths: NDArray[np.int64]) -> Iterator[Any]:
    """Yield consecutive parts of a sequence; ValueError unless they are all of it."""
    _check_lengths(lengths, len(values))
    begin = 0
    for length in Numbers(lengths):
        yield values[begin : begin + length] if length else []
        begin += length
