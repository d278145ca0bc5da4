"""The kind of each column of a file, and errors for columns that cannot be learned from."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from handnn.files.errors import Note, Option, Remedy, TableError
from handnn.files.learning.facts import MAX_NUMBER_LABELS, ColumnFacts, PlacedCell
from handnn.files.reading.columns import MAX_LISTED, listed
from handnn.files.reading.csv_checks import counted
from handnn.files.reading.source import Source
from handnn.files.reading.values import hint_for, remedies_for
from handnn.tables.cells import is_number, near_number, near_numbers
from handnn.tables.objective import POISSON

MAX_DISTINCT_ROWS = 20
"""The largest number of rows in which all strings of a column of categories may differ."""

MAX_DISTINCT_SHARE = 0.9
"""The share of distinct strings above which a column of text is not treated as categories."""

MAX_CLASSES = 1_000
MAX_CATEGORIES = 10_000
"""With more labels, there would be too few rows for each class or embedding."""

Predicate = tuple[str, str]
"""The description of one wrong cell, and of several."""

PANDAS_INDEX = re.compile(r"Unnamed: 0([.][0-9]+)*|__index_level_[0-9]+__")
"""The names that pandas gives to the index of a frame, in CSV and in Parquet."""

INDEX_NAME = re.compile(
    "index|id|row|#|(row|record|line)[ _]?(name|num(ber)?|id|no)s?", re.IGNORECASE
)
"""Other names of a column of row numbers."""

ODD_DATE = re.compile(
    r"([0-9]{4}([./-])[0-9]{1,2}\2[0-9]{1,2}|[0-9]{1,2}([./-])[0-9]{1,2}\3[0-9]{4})([ T].*)?"
)
"""A date that is not written as in ISO 8601, such as 5/1/2024 and 1.5.2024."""

MIN_INDEX_ROWS = 20
"""In fewer rows, a column may be 1, 2, 3, ... by chance."""

NOT_DATES = ("is not a date, unlike other rows", "are not dates, unlike other rows")
NOT_A_NUMBER = ("is not a number", "are not numbers")
UNLIKE_OTHERS = ("is not a number, unlike other rows", "are not numbers, unlike other rows")
TOO_LARGE = ("is beyond 1e100", "are beyond 1e100")


@dataclass(frozen=True)
class Choice:
    """The kinds of the columns of a file.

    Attributes:
        kinds: "number", "category" or "date" for each column to learn from.
        left_out: columns that nothing can be learned from, and why.
        usable: the columns in `left_out` that are left out only by default.
        units: columns of numbers with a unit, such as "%".
        odd_dates: columns of categories that look like dates, with the first one of each.
        few_labels: columns of categories that are numbers and text, with the first text of each.
    """

    kinds: dict[str, str]
    left_out: dict[str, str]
    usable: set[str]
    units: dict[str, str]
    odd_dates: dict[str, str] = field(default_factory=dict)
    few_labels: dict[str, str] = field(default_factory=dict)

    def notes(self) -> list[Note]:
        """Return notes on the automatic decisions."""
        found = []
        for name, reason in self.left_out.items():
            remedies = (Remedy(Option.USE, (name,)),) if name in self.usable else ()
            found.append(Note(f"column {name!r} {reason}: it is left out", *remedies))
        for name, unit in self.units.items():
            remedy = Remedy(Option.CATEGORIES, (name,))
            found.append(Note(f"column {name!r} is read as numbers, without the {unit}", remedy))
        for name, text in self.odd_dates.items():
            found.append(
                Note(
                    f"column {name!r} has categories such as {text!r:.40}: only dates that are "
                    "written like 2024-05-01 are read as dates"
                )
            )
        for name, text in self.few_labels.items():
            is_gap = not any(map(str.isdigit, text))
            remedies = (Remedy(Option.GAPS, (text.strip(),)),) if is_gap else ()
            problem = f"column {name!r} has numbers and {text!r:.40}: its few values are categories"
            found.append(Note(problem, *remedies))
        dates = [name for name, kind in self.kinds.items() if kind == "date"]
        if dates:
            remedy = Remedy(Option.CATEGORIES, tuple(dates[:MAX_LISTED]))
            found.append(Note(f"dates, read as days and cycles: {listed(dates)}", remedy))
        return found


def choose_kinds(
    facts: Mapping[str, ColumnFacts],
    source: Source,
    used: Collection[str] = (),
    is_strict: bool = False,
) -> Choice:
    """Return the kind of each column.

    used: columns that are never left out. Raises one TableError for all columns that are ambiguous,
    such as numbers and text; with `is_strict` also for those that would be left out.
    """
    choice = Choice({}, {}, set(), {})
    problems: list[str] = []
    ignored: list[str] = []
    remedies: list[Remedy] = []
    for name, fact in facts.items():
        is_category = (fact.is_chosen and fact.n_values) or fact.has_few_labels
        kind = "category" if is_category else fact.kind
        problem, cells = _problem(fact, kind, source)
        if problem:
            problems.append(f"column {name!r} {problem}")
            remedies += _remedies(cells, source)
            if not _remedies(cells, source):
                remedies.append(Remedy(Option.CATEGORIES, (name,)))
            continue
        reason = reason_to_leave_out(fact, kind, name in used)
        if not reason:
            choice.kinds[name] = kind
            if kind == "category" and not fact.is_chosen and has_odd_dates(fact):
                choice.odd_dates[name] = fact.first_value
            if fact.has_few_labels and not fact.is_chosen:
                choice.few_labels[name] = fact.texts[0][1]
            if kind == "number" and fact.units:
                choice.units[name] = next(iter(fact.units))
        elif is_strict or name in used:
            problems.append(f"column {name!r} {reason}")
            ignored.append(name)
        else:
            choice.left_out[name] = reason
            if not reason_to_leave_out(fact, kind, True):
                choice.usable.add(name)
    if problems:
        remedies += [Remedy(Option.IGNORE, tuple(ignored))] if ignored else []
        raise TableError(f"{source.path}: {'; '.join(problems)}", *remedies)
    if not choice.kinds:
        found = "; ".join(f"column {name!r} {why}" for name, why in choice.left_out.items())
        usable = tuple(sorted(choice.usable))
        remedies = [Remedy(Option.USE, usable)] if usable else []
        raise TableError(f"{source.path} has no column to learn from: {found:.500}", *remedies)
    return choice


def reason_to_leave_out(fact: ColumnFacts, kind: str, is_used: bool) -> str:
    """Return the reason why a column is useless for training, or ""."""
    if fact.dtype:
        return f"has the type {fact.dtype:.60}"
    if kind == "empty":
        return "has no value in any row"
    if fact.is_constant:
        of_float = ", as float64," if abs(fact.maximum) > 2**53 and not fact.n_texts else ""
        return f"has the same value {fact.first_value!r:.40}{of_float} in every row"
    n_labels = len(fact.labels)
    if kind == "category" and n_labels > MAX_CATEGORIES:
        return f"has more than {MAX_CATEGORIES:,} categories"
    if is_used or fact.is_chosen:
        return ""
    name = fact.name.strip()
    is_index = fact.is_whole and PANDAS_INDEX.fullmatch(name) is not None  # or of filtered rows
    is_index |= fact.is_running and INDEX_NAME.fullmatch(name) is not None
    if kind == "number" and is_index and fact.n_rows > MIN_INDEX_ROWS:
        return "is an index of the rows"
    is_distinct = n_labels > MAX_DISTINCT_ROWS and n_labels > MAX_DISTINCT_SHARE * fact.n_values
    if kind == "category" and is_distinct and has_odd_dates(fact):
        return f"has dates such as {fact.first_value!r:.40}, not written like 2024-05-01"
    if kind == "category" and is_distinct:
        return (
            f"has {n_labels:,} distinct strings in {fact.n_values:,} rows, such as "
            f"{fact.first_value!r:.40}, like an identifier or free text"
        )
    return ""


def has_odd_dates(fact: ColumnFacts) -> bool:
    """Return whether the first strings of a column look like dates that are not in ISO 8601."""
    return bool(fact.texts) and all(ODD_DATE.fullmatch(text.strip()) for _, text in fact.texts)


def _problem(fact: ColumnFacts, kind: str, source: Source) -> tuple[str, list[PlacedCell]]:
    """Return the reason why a column is ambiguous, or "", and the cells that cause this, if any."""
    if kind == "mixed":
        return describe_cells(fact.texts, fact.n_texts, source, UNLIKE_OTHERS), fact.texts
    if kind == "mixed dates":
        n_others = fact.n_values - fact.n_dates
        others = sorted([*fact.not_dates, *fact.numbers])
        return describe_cells(others, n_others, source, NOT_DATES), others
    if kind == "mixed units":
        units = " and ".join(sorted(fact.units))
        without = " and without a unit" if fact.units.total() < fact.n_numbers else ""
        return f"has numbers with {units}{without}", []
    if kind == "number" and fact.n_too_large:
        return describe_cells(fact.too_large, fact.n_too_large, source, TOO_LARGE), fact.too_large
    if kind == "category" and not fact.is_chosen and _are_other_numbers(fact.texts, source):
        return describe_cells(fact.texts, fact.n_texts, source, NOT_A_NUMBER), fact.texts
    if kind == "category" and not fact.is_chosen and (near := near_numbers_of(fact)):
        return (
            f"has {near[0]}, such as {near[1]!r:.40}, which are text{hint_for(near[1:], source)}",
            [(0, near[1])],
        )
    return "", []


def near_numbers_of(fact: ColumnFacts) -> tuple[str, str] | None:
    """Return the kind of strings that look like numbers, and one of them.

    None unless at least half of the values are such strings or numbers.
    """
    labels = dict(islice(fact.labels.items(), MAX_CATEGORIES))
    texts = {str(label): count for label, count in labels.items() if near_number(str(label))}
    n_numbers = sum(count for label, count in labels.items() if is_number(str(label)))
    found = near_numbers(texts)
    if found is None or 2 * (sum(texts.values()) + n_numbers) < sum(labels.values()):
        return None
    return found[0], found[1]


def describe_cells(cells: Iterable[PlacedCell], count: int, source: Source, what: Predicate) -> str:
    """Describe `count` wrong cells of a column, of which the first few are given."""
    cells = list(cells)
    shown = ", ".join(f"{text!r:.40} in {source.place} {place:,}" for place, text in cells)
    more = f" and {count - len(cells):,} more" if count > len(cells) else ""
    hint = hint_for([text for _, text in cells], source)
    return f"has {shown}{more}, which {what[count != 1]}{hint}"


def _are_other_numbers(cells: Iterable[PlacedCell], source: Source) -> bool:
    """Return whether strings are numbers with another decimal point or thousands separators."""
    texts = [text for _, text in cells]
    remedies = remedies_for(texts, source)
    is_decimal = any(remedy.option is Option.DECIMAL for remedy in remedies)
    return is_decimal or hint_for(texts, source) != ""


def _remedies(cells: Iterable[PlacedCell], source: Source) -> list[Remedy]:
    return remedies_for([text for _, text in cells], source)


def check_target(
    fact: ColumnFacts, source: Source, task: str, drop_gaps: bool, is_strict: bool = False
) -> str:
    """Return the kind of the target, "number" or "category"; TableError when it has none.

    is_strict: whether rows without a target are an error, unless `drop_gaps`.
    """
    name = f"{source.path}: target {fact.name!r}"
    if fact.dtype:
        raise TableError(f"{name} has the type {fact.dtype:.60}")
    if fact.n_values == 0:
        raise TableError(f"{name} has no value in any row")
    if fact.n_gaps and not drop_gaps and is_strict:
        problem, *remedies = gaps_of_target(fact, source)
        raise TableError(f"{source.path}: {problem}", Remedy(Option.DROP_GAPS), *remedies)
    if fact.n_too_large and not fact.is_chosen:
        problem = describe_cells(fact.too_large, fact.n_too_large, source, TOO_LARGE)
        raise TableError(f"{name} {problem}", *_remedies(fact.too_large, source))
    if fact.is_chosen:
        if task == "regression":
            raise TableError(f"{name} cannot be a category with the task 'regression'")
        kind = "category"
    elif fact.kind in ("date", "mixed dates") and task in ("auto", "regression"):
        raise TableError(
            f"{name} has dates, such as {fact.first_value!r:.40}; predict a number of days",
            Remedy(Option.CATEGORIES, (fact.name,)),
        )
    else:
        kind = _kind_of_target(fact, source, task, name)
    _check_classes(fact, name, task)
    return kind


def check_objective(fact: ColumnFacts, source: Source, objective: str) -> None:
    """Raise TableError when a target has negative numbers, or only 0, but the loss needs counts."""
    if objective == POISSON and (fact.minimum < 0 or fact.maximum <= 0):
        found = f"a value of {fact.minimum:g}" if fact.minimum < 0 else "no value above 0"
        raise TableError(
            f"{source.path}: target {fact.name!r} has {found}, but the loss 'poisson' needs "
            "numbers of 0 or more"
        )


def gaps_of_target(fact: ColumnFacts, source: Source) -> tuple[str, *tuple[Remedy, ...]]:
    """Return a description of the rows without a target, and the options that remedy it."""
    remedies = (Remedy(Option.NO_DEFAULT_GAPS),) if fact.has_gap_words else ()
    rows = counted(fact.n_gaps, "row")
    where = f"the first in {source.place} {fact.first_gap:,}"
    return f"target {fact.name!r} has no value in {rows}, {where}", *remedies


def _kind_of_target(fact: ColumnFacts, source: Source, task: str, name: str) -> str:
    """Return "number" or "category"; TableError for numbers and text, or numbers of two units."""
    kind = fact.kind
    if kind == "mixed units":
        raise TableError(f"{name} {_problem(fact, kind, source)[0]}")
    is_near = kind == "category" and task == "auto" and _are_other_numbers(fact.texts, source)
    if kind == "category" and task == "auto" and not is_near and near_numbers_of(fact):
        raise TableError(f"{name} {_problem(fact, kind, source)[0]}")
    if kind == "mixed" or is_near or (task == "regression" and kind == "category"):
        problem = describe_cells(fact.texts, fact.n_texts, source, NOT_A_NUMBER)
        raise TableError(f"{name} {problem}", *_remedies(fact.texts, source))
    return "number" if kind == "number" else "category"


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
