"""Problems: columns that cannot be learnt from, all told at once, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from handnn.files.learning.facts import MOST_OF_NUMBERS, SHOWN, Facts
from handnn.files.learning.hold_out import HeldOut
from handnn.files.reading.text import TableError
from handnn.files.reading.values import hint_for

MANY = 20
"""Up to how many rows a column may have a different text in each of them."""

MOSTLY_DIFFERENT = 0.9
TOO_LARGE = "no number up to 1e100"
MOST_CLASSES = 1_000
MOST_LABELS = 10_000
"""More categories would each have few rows, and as many vectors to learn."""


def count_facts(
    source: Any,
    names: Iterable[str],
    categories: Iterable[str] = (),
    held_out: HeldOut | None = None,
) -> dict[str, Facts]:
    """Read the whole file once, and return what its columns hold; TableError without rows.

    With `held_out`, they have also `learnt` of the rows that are not held out.
    """
    import polars as pl

    chosen = set(categories)
    facts = {name: Facts(name, name in chosen) for name in names}
    n_rows = 0
    for number, block in enumerate(source.blocks()):
        n_rows += len(block.places)
        learnt = None
        if held_out is not None:
            learnt = pl.Series(held_out.learnt(number, block, n_rows))
        for name, fact in facts.items():
            fact.add(block.frame[name], block.places, source.decimal, source.is_typed, learnt)
    if n_rows == 0:
        raise TableError(f"{source.path} has a header, but no rows")
    return facts


def choose_kinds(facts: Mapping[str, Facts], source: Any) -> dict[str, str]:
    """Return "number" or "category" for each column.

    Raises TableError, which tells of every column that has no values, the same one everywhere,
    numbers beside text, or almost everywhere another text.
    """
    kinds, found, useless = {}, [], []
    for name, fact in facts.items():
        kinds[name] = "category" if fact.is_chosen and fact.n_values else fact.kind
        problem = _problem(fact, kinds[name], source)
        if problem:
            found.append(f"column {name!r} {problem}")
            useless += [name] * (kinds[name] != "mixed" and not fact.n_infinite)
    if found:
        out = f"; --ignore {','.join(useless)} leaves it out" if useless else ""
        if len(useless) > 1:
            out = f"; --ignore '{','.join(useless)}' leaves them out"
        raise TableError(f"{source.path}: " + "; ".join(found) + out)
    return kinds


def _problem(fact: Facts, kind: str, source: Any) -> str:
    """Return why a column can't be learnt from, or ""."""
    if kind == "empty":
        return "has no value in any row"
    if fact.is_constant:
        value = (fact.texts or fact.numbers)[0][1]
        return f"has the same value {value!r:.40} in every row"
    if kind == "mixed":
        return odd_cells(fact.texts, fact.n_texts, source, "no number, as other rows have")
    if kind == "number" and fact.n_infinite:
        return odd_cells(fact.infinite, fact.n_infinite, source, TOO_LARGE)
    different = len(fact.labels)
    if kind == "category" and not fact.is_chosen:
        comma = hint_for([value for _, value in fact.texts], source.decimal)
        if comma and not source.is_typed and ("--decimal" in comma or "point" in comma):
            return odd_cells(fact.texts, fact.n_texts, source, "no number")
        if different > MANY and different > MOSTLY_DIFFERENT * fact.n_values:
            example = fact.texts[0][1]
            return (
                f"has {different:,} different texts in {fact.n_values:,} rows, such as "
                f"{example!r:.40}: an identifier, a date or free text"
            )
    if kind == "category" and different > MOST_LABELS:
        return f"has more than {MOST_LABELS:,} categories"
    return ""


def odd_cells(cells: list[tuple[int, str]], count: int, source: Any, what: str) -> str:
    """Tell of the first odd cells of a column, and how many there are."""
    shown = ", ".join(f"{value!r:.40} in {source.place} {place:,}" for place, value in cells)
    more = f" and {count - len(cells):,} more" if count > len(cells) else ""
    is_are = "is" if count == 1 else "are"
    hint = (
        "" if source.is_typed else hint_for([value for _, value in cells[:SHOWN]], source.decimal)
    )
    return f"has {shown}{more}, which {is_are} {what}{hint}"


def check_target(fact: Facts, source: Any, task: str, drops_gaps: bool) -> str:
    """Return the kind of the target, "number" or "category"; TableError when it is none."""
    name = f"{source.path}: target {fact.name!r}"
    if fact.n_values == 0:
        raise TableError(f"{name} has no value in any row")
    if fact.n_gaps and not drops_gaps:
        rows = "1 row" if fact.n_gaps == 1 else f"{fact.n_gaps:,} rows"
        raise TableError(
            f"{name} has no value in {rows}, the first in {source.place} {fact.first_gap:,}; "
            "--drop-gaps leaves such rows out"
        )
    if fact.n_infinite:
        raise TableError(f"{name} {odd_cells(fact.infinite, fact.n_infinite, source, TOO_LARGE)}")
    kind = fact.kind
    if task == "regression" and kind == "category":
        kind = "mixed"
    if kind == "mixed":
        told = odd_cells(fact.texts, fact.n_texts, source, "no number")
        raise TableError(f"{name} {told}")
    if len(fact.labels) == 1 and fact.is_counted:
        value = (fact.texts or fact.numbers)[0][1]
        raise TableError(f"{name} has the same value {value!r:.40} in every row")
    different = f"{len(fact.labels):,}" if fact.is_counted else f"more than {MOST_OF_NUMBERS:,}"
    if task == "binary" and (len(fact.labels) > 2 or not fact.is_counted):
        raise TableError(f"{name} has {different} different values; --task binary needs two")
    is_of_classes = task == "multiclass" or (task == "auto" and kind == "category")
    if is_of_classes and (not fact.is_counted or len(fact.labels) > MOST_CLASSES):
        raise TableError(f"{name} has {different} different values, too many for classes")
    return kind
