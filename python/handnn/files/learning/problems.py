"""The kind of each column of a file, and errors for columns that cannot be learned from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from handnn.files.errors import Option, Remedy, TableError
from handnn.files.learning.facts import MAX_NUMBER_LABELS, ColumnFacts, PlacedCell
from handnn.files.reading.csv_checks import counted
from handnn.files.reading.source import Source
from handnn.files.reading.values import hint_for, remedies_for

MAX_DISTINCT_ROWS = 20
"""The largest number of rows in which all texts of a column of categories may differ."""

MAX_DISTINCT_SHARE = 0.9
"""The share of distinct texts above which a column of text is not treated as categories."""

MAX_CLASSES = 1_000
MAX_CATEGORIES = 10_000
"""With more, there would be too few rows for the embedding of each category."""

Predicate = tuple[str, str]
"""The description of one wrong cell, and of several."""

NOT_A_NUMBER = ("is not a number", "are not numbers")
UNLIKE_OTHERS = ("is not a number, unlike other rows", "are not numbers, unlike other rows")
TOO_LARGE = ("is beyond 1e100", "are beyond 1e100")


def choose_kinds(facts: Mapping[str, ColumnFacts], source: Source) -> dict[str, str]:
    """Return "number" or "category" for each column.

    Raises one TableError for all columns that cannot be learned from: those without values, with
    the same value in every row, with numbers and text, or with text that differs almost everywhere.
    """
    kinds: dict[str, str] = {}
    problems: list[str] = []
    ignored: list[str] = []
    remedies: list[Remedy] = []
    for name, fact in facts.items():
        kinds[name] = "category" if fact.is_chosen and fact.n_values else fact.kind
        problem, cells = _problem(fact, kinds[name], source)
        if not problem:
            continue
        problems.append(f"column {name!r} {problem}")
        remedies += _remedies(cells, source)
        if not cells:
            ignored.append(name)
    if problems:
        remedies += [Remedy(Option.IGNORE, tuple(ignored))] if ignored else []
        raise TableError(f"{source.path}: {'; '.join(problems)}", *remedies)
    return kinds


def _problem(fact: ColumnFacts, kind: str, source: Source) -> tuple[str, list[PlacedCell]]:
    """Return why a column cannot be learned from, or "", and the cells that cause this, if any."""
    if kind == "empty":
        return "has no value in any row", []
    if fact.is_constant:
        return f"has the same value {fact.first_value!r:.40} in every row", []
    if kind == "mixed":
        return describe_cells(fact.texts, fact.n_texts, source, UNLIKE_OTHERS), fact.texts
    if kind == "number" and fact.n_too_large:
        return describe_cells(fact.too_large, fact.n_too_large, source, TOO_LARGE), fact.too_large
    n_labels = len(fact.labels)
    if kind == "category" and not fact.is_chosen:
        if _are_other_numbers(fact.texts, source):
            return describe_cells(fact.texts, fact.n_texts, source, NOT_A_NUMBER), fact.texts
        if n_labels > MAX_DISTINCT_ROWS and n_labels > MAX_DISTINCT_SHARE * fact.n_values:
            return (
                f"has {n_labels:,} distinct texts in {fact.n_values:,} rows, such as "
                f"{fact.first_value!r:.40}: an identifier, a date or free text"
            ), []
    if kind == "category" and n_labels > MAX_CATEGORIES:
        return f"has more than {MAX_CATEGORIES:,} categories", []
    return "", []


def describe_cells(cells: Iterable[PlacedCell], count: int, source: Source, what: Predicate) -> str:
    """Describe `count` wrong cells of a column, of which the first few are given."""
    cells = list(cells)
    shown = ", ".join(f"{text!r:.40} in {source.place} {place:,}" for place, text in cells)
    more = f" and {count - len(cells):,} more" if count > len(cells) else ""
    hint = hint_for([text for _, text in cells], source)
    return f"has {shown}{more}, which {what[count != 1]}{hint}"


def _are_other_numbers(cells: Iterable[PlacedCell], source: Source) -> bool:
    """Return whether texts are numbers with another decimal point or thousands separators."""
    texts = [text for _, text in cells]
    remedies = remedies_for(texts, source)
    is_decimal = any(remedy.option is Option.DECIMAL for remedy in remedies)
    return is_decimal or hint_for(texts, source) != ""


def _remedies(cells: Iterable[PlacedCell], source: Source) -> list[Remedy]:
    return remedies_for([text for _, text in cells], source)


def check_target(fact: ColumnFacts, source: Source, task: str, drop_gaps: bool) -> str:
    """Return the kind of the target, "number" or "category"; TableError when it has none."""
    name = f"{source.path}: target {fact.name!r}"
    if fact.n_values == 0:
        raise TableError(f"{name} has no value in any row")
    if fact.n_gaps and not drop_gaps:
        raise TableError(
            f"{name} has no value in {counted(fact.n_gaps, 'row')}, the first in {source.place} "
            f"{fact.first_gap:,}",
            Remedy(Option.DROP_GAPS),
        )
    if fact.n_too_large:
        problem = describe_cells(fact.too_large, fact.n_too_large, source, TOO_LARGE)
        raise TableError(f"{name} {problem}", *_remedies(fact.too_large, source))
    if fact.kind == "mixed" or (task == "regression" and fact.kind == "category"):
        problem = describe_cells(fact.texts, fact.n_texts, source, NOT_A_NUMBER)
        raise TableError(f"{name} {problem}", *_remedies(fact.texts, source))
    _check_classes(fact, name, task)
    return fact.kind


def _check_classes(fact: ColumnFacts, name: str, task: str) -> None:
    """Raise TableError when the target has too few or too many distinct values for the task."""
    n_labels = len(fact.labels) if fact.is_counted else None
    if n_labels == 1:
        raise TableError(f"{name} has the same value {fact.first_value!r:.40} in every row")
    shown = f"more than {MAX_NUMBER_LABELS:,}" if n_labels is None else f"{n_labels:,}"
    if task == "binary" and n_labels != 2:
        raise TableError(f"{name} has {shown} distinct values, but the task 'binary' needs two")
    has_classes = task == "multiclass" or (task == "auto" and fact.kind == "category")
    if has_classes and (n_labels is None or n_labels > MAX_CLASSES):
        raise TableError(f"{name} has {shown} distinct values, too many for classes")
