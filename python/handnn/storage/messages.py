"""Text for messages about what a file holds."""

from __future__ import annotations

from collections.abc import Iterator

from handnn.storage.compact import Compact


def brief(value: object, n: int = 50) -> str:
    """Return the first `n` characters of a JSON value as Python writes it.

    Only the entries that are shown are converted: the text of a hostile value takes much memory.

    Examples:
        >>> from handnn.storage.messages import brief
        >>> brief([1, {"a": "b"}])
        "[1, {'a': 'b'}]"
        >>> brief("x" * 10**6, 3)
        "'xx"
    """
    text = ""
    for piece in _pieces(value, n):
        text += piece
        if len(text) >= n:
            break
    return text[:n]


def _pieces(value: object, n: int) -> Iterator[str]:
    if isinstance(value, str):
        yield repr(value[:n])
    elif isinstance(value, dict):
        yield "{"
        for place, (name, inner) in enumerate(value.items()):
            yield ", " * (place > 0)
            yield from _pieces(name, n)
            yield ": "
            yield from _pieces(inner, n)
        yield "}"
    elif isinstance(value, list | Compact):
        yield "["
        for place, inner in enumerate(value):
            yield ", " * (place > 0)
            yield from _pieces(inner, n)
        yield "]"
    else:
        yield repr(value)


def one_line(text: str) -> str:
    """Return text with its control characters and lone surrogates as escapes, such as \\x1b."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
