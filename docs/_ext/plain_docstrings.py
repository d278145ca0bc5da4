"""Sphinx extension: render handnn's docstrings, which are plain text, as reStructuredText.

- An indented block after a blank line is shown literally: a formula, a table, a layout.
- ``name: text`` at the start of a line, where name is an argument, is a definition.
- A heading is `Raises:` with an indented body, or a line underlined with dashes.
- `name` is a cross-reference where the name is known; ``code`` is literal; a * is a *.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator

from sphinx.application import Sphinx

HEADINGS = {"Attributes", "Arguments", "Examples", "Notes", "Parameters", "Raises", "References"}
HEADINGS |= {"Returns", "See also", "Yields"}
ITEM = re.compile(r"(\*{0,2}[A-Za-z_]\w*(?:, \*{0,2}[A-Za-z_]\w*)*)(?: ?: |:$)")
QUOTED = re.compile(r"(``.+?``|`[^`\n]+`)", re.DOTALL)
Block = list[str]


def blocks_of(lines: list[str]) -> Iterator[Block]:
    """Yield the runs of lines between blank lines."""
    block: Block = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line.rstrip())
        elif block:
            yield block
            block = []


def escaped(text: str) -> str:
    """Return the text with everything that reStructuredText would read as markup escaped."""
    parts = QUOTED.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*|\\])", r"\\\1", parts[i])
        parts[i] = re.sub(r"(?<=\w)_(?!\w)", r"\\_", parts[i])
    for i in range(1, len(parts), 2):  # a quoted expression is code, a quoted name a reference
        if not parts[i].startswith("``") and not re.fullmatch(r"`[\w.]+`", parts[i]):
            parts[i] = f"`{parts[i]}`"
        if re.match(r"\w", parts[i + 1]):
            parts[i] += r"\ "
    return "".join(parts)


def paragraph(block: Block) -> list[str]:
    text = "\n".join(line.strip() for line in block)
    return [*escaped(text).splitlines(), ""]


def definitions(block: Block, names: set[str] | None) -> list[str]:
    """Return a block as a paragraph, or as a list where its lines begin with names of arguments."""
    starts = []
    for i, line in enumerate(block):
        match = ITEM.match(line)
        found = re.split(r", ", match[1].replace("*", "")) if match else []
        if found and (names is None or all(name in names for name in found)):
            starts.append(i)
    if not starts:
        return paragraph(block)
    result = paragraph(block[: starts[0]]) if starts[0] else []
    for begin, end in zip(starts, [*starts[1:], len(block)], strict=True):
        match = ITEM.match(block[begin])
        assert match
        first = block[begin][match.end() :]
        rest = paragraph([first, *block[begin + 1 : end]] if first else block[begin + 1 : end])
        result.append(", ".join(f"``{name}``" for name in match[1].split(", ")))
        result += [f"    {line}" if line else "" for line in rest]
    return result


def literal(block: Block) -> list[str]:
    return ["::", "", *(f"    {line}" for line in block), ""]


def body(lines: list[str], names: set[str] | None) -> list[str]:
    """Return the lines under a heading, or those of a docstring, as reStructuredText."""
    result: list[str] = []
    pending: list[str] | None = None  # an indented body that continues after a blank line
    for block in blocks_of(lines):
        indented = block[0].startswith(" ")
        if pending is not None and indented:
            pending += ["", *block]
            continue
        if pending is not None:
            result += section_body(pending)
            pending = None
        heading = block[0].rstrip(":")
        if block[0].startswith(">>>"):
            result += [*block, ""]
        elif block[0].endswith(":") and heading in HEADINGS:
            result += [f".. rubric:: {heading}", ""]
            pending = block[1:]
        elif len(block) > 1 and re.fullmatch(r"-{3,}", block[1]):
            result += [f".. rubric:: {block[0]}", "", *definitions(block[2:], None)]
        elif all(line.startswith(" ") for line in block):
            result += literal(block)
        else:
            result += definitions(block, names)
    return result + (section_body(pending) if pending is not None else [])


def section_body(lines: list[str]) -> list[str]:
    return body(textwrap.dedent("\n".join(lines)).splitlines(), None)


def arguments_of(thing: object) -> set[str]:
    try:
        names = set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        names = set()
    return names | set(getattr(thing, "__annotations__", ()))


def process(
    app: Sphinx, kind: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    lines[:] = body(lines, arguments_of(thing))


def with_plain_aliases(
    app: Sphinx,
    kind: str,
    name: str,
    thing: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Show an alias in a union, such as ``ArrayLike | None``, by its name."""
    alias = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
    return signature and alias.sub(r"\1", signature), returns and alias.sub(r"\1", returns)


def skip(
    app: Sphinx, kind: str, name: str, member: object, skipped: bool, options: object
) -> bool | None:
    """Skip members that a class inherits from Python or from another library."""
    function = member.fget if isinstance(member, property) else inspect.unwrap(member)
    module = getattr(function, "__module__", None)
    return True if isinstance(module, str) and not module.startswith("handnn") else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-process-signature", with_plain_aliases)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
