"""Survey a file: read it once, and infer the kind of each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from handnn.files.errors import Note, Option, Remedy, TableError
from handnn.files.learning.collecting import collect_facts
from handnn.files.learning.facts import ColumnFacts
from handnn.files.learning.hold_out import HeldOut
from handnn.files.learning.problems import (
    Choice,
    check_objective,
    check_target,
    choose_kinds,
    gaps_of_target,
)
from handnn.files.learning.separation import kinds_for_splits
from handnn.files.learning.settings import TrainingSettings
from handnn.files.learning.split import LabeledRows
from handnn.files.learning.stripes import ONE_STRIPE, Stripes
from handnn.files.learning.weights import check_weights
from handnn.files.reading.block import Block, Places
from handnn.files.reading.cells import frame_of, is_readable
from handnn.files.reading.columns import check_column, check_same_columns, listed
from handnn.files.reading.csv_checks import counted
from handnn.files.reading.source import Source, joined, open_table
from handnn.files.reading.values import typed, without
from handnn.tables.cells import MAX_INT_LABELS, MIN_MEAN_COUNT, category_text
from handnn.tables.objective import SQUARED

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass
class Survey:
    """A file that has been read once, with the kinds of its columns.

    Attributes:
        choice: the kinds of the columns that are learned from.
        target_kind: "number" or "category", the kind of the target.
        task: "regression", "binary", "multiclass", or "multilabel".
        facts, targets: facts about these columns, and about the targets.
        notes: decisions that a user may want to change.
        others: the kinds of columns of weights, groups and times; those of weights and groups are
            not learned from.
        blocks: all rows, unless the file is streamed.
    """

    source: Source
    choice: Choice
    target_kind: str
    task: str
    facts: dict[str, ColumnFacts]
    targets: list[ColumnFacts]
    notes: list[Note]
    blocks: list[Block]
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each input column."""
        return self.choice.kinds

    @property
    def target(self) -> ColumnFacts:
        """Facts about the first target."""
        return self.targets[0]

    @property
    def target_names(self) -> list[str]:
        """The names of the targets."""
        return [target.name for target in self.targets]

    @property
    def all_kinds(self) -> dict[str, str]:
        """The kinds of the columns, of `others` and of the target."""
        kind = "number" if self.has_numeric_target else "category"
        return {**self.kinds, **self.others, **dict.fromkeys(self.target_names, kind)}

    @property
    def has_numeric_target(self) -> bool:
        """Whether the target is a column of numbers; else its labels are kept as written."""
        fact = self.target
        if len(self.targets) > 1:
            return True
        is_exact = (fact.is_whole and fact.is_canonical) or fact.is_decimal
        return self.target_kind == "number" and (self.task == "regression" or is_exact)

    @property
    def units(self) -> dict[str, str]:
        """The units that the numbers of some columns have, such as "%"."""
        if self.target_kind != "number":
            return self.choice.units
        found = {target.name: next(iter(target.units)) for target in self.targets if target.units}
        return {**self.choice.units, **found}

    def described(self) -> str:
        """Describe the columns that are learned from."""
        parts: list[str] = []
        for kind, noun in (("number", "of numbers"), ("date", "of dates")):
            count = sum(found == kind for found in self.kinds.values())
            if count or kind == "number":
                parts.append(f"{counted(count, 'column') if not parts else count} {noun}")
        categories = [name for name, kind in self.kinds.items() if kind == "category"]
        parts += [f"{len(categories)} of categories ({listed(categories)})"] if categories else []
        gaps = [name for name in self.kinds if self.facts[name].n_gaps]
        return ", ".join(parts) + (f"; gaps are filled in {listed(gaps)}" if gaps else "")


def survey(
    source: Source,
    settings: TrainingSettings,
    *,
    in_stripes: bool = False,
    stripes: Stripes = ONE_STRIPE,
) -> Survey:
    """Read a file once; TableError when it cannot be learned from.

    in_stripes: whether to collect facts about the training rows, which `train_in_stripes` needs,
    instead of keeping all rows. stripes: of the file.
    """
    names = _columns_in_use(source, settings)
    held_out = HeldOut(settings.target, settings.hold_out, settings.seed) if in_stripes else None
    kept: list[Block] = []
    blocks = source.blocks(names=names, deal=stripes.deal)
    if in_stripes:
        facts = collect_facts(source, blocks, names, settings, held_out, stripes=stripes)
    else:
        facts = collect_facts(source, blocks, names, settings, kept=kept)
    targets = [facts.pop(name) for name in settings.targets]
    others = kinds_for_splits(facts, source, settings)
    if settings.weight:
        check_weights(facts[settings.weight], source)
        others[settings.weight] = "number"
    for name in others:
        if name != settings.split_time or name in settings.ignore:
            facts.pop(name, None)
    target_kind, task = check_targets(targets, source, settings)
    choice = choose_kinds(facts, source, settings.use, settings.strict)
    notes = choice.notes()
    for target in targets:
        notes += target_notes(target, source, settings, target_kind, task)
    return Survey(source, choice, target_kind, task, facts, targets, notes, kept, others)


def target_notes(
    target: ColumnFacts, source: Source, settings: TrainingSettings, target_kind: str, task: str
) -> list[Note]:
    """Return notes on the automatic decisions about a target."""
    notes = []
    if target.n_gaps and not settings.drop_gaps:
        problem, *remedies = gaps_of_target(target, source)
        notes.append(Note(f"{problem}: they are left out", *remedies))
    if (
        len(settings.targets) == 1
        and task != "regression"
        and target_kind == "number"
        and settings.task == "auto"
    ):
        text = f"target {target.name!r} has {len(target.labels)} different whole numbers: they are"
        notes.append(Note(f"{text} classes", Remedy(Option.TASK, "regression")))
    if target_kind == "number" and target.units:
        unit = next(iter(target.units))
        remedy = Remedy(Option.CATEGORIES, (target.name,))
        notes.append(Note(f"target {target.name!r} is read as numbers, without the {unit}", remedy))
    return notes


def check_targets(
    targets: Sequence[ColumnFacts], source: Source, settings: TrainingSettings
) -> tuple[str, str]:
    """Return the kind of the targets and the task; TableError when they cannot be learned.

    Several targets are all numbers, or all yes-or-no: 0 and 1, or booleans.
    """
    strictness = (settings.drop_gaps, settings.strict)
    if len(targets) == 1:
        target, asked = targets[0], settings.task
        if asked == "auto" and settings.loss != SQUARED:
            asked = "regression"
        kind = check_target(target, source, asked, *strictness)
        check_objective(target, source, settings.loss)
        return kind, task_of(target, kind, asked)
    if settings.task not in ("auto", "regression"):
        raise TableError(f"several targets cannot be {settings.task}: use one target, or 'auto'")
    are_yes_or_no = all(map(is_yes_or_no, targets))
    is_asked = settings.task == "regression" or settings.loss != SQUARED
    for target in targets:
        if target.is_chosen:
            raise TableError(f"the target {target.name!r} cannot be a category among several")
        if not are_yes_or_no or is_asked:
            check_target(target, source, "regression", *strictness)
            check_objective(target, source, settings.loss)
        elif target.n_gaps and settings.strict and not settings.drop_gaps:
            check_target(target, source, "auto", *strictness)
    return "number", "multilabel" if are_yes_or_no and not is_asked else "regression"


def is_yes_or_no(fact: ColumnFacts) -> bool:
    """Return whether a target has only booleans, or only the whole numbers 0 and 1."""
    if fact.kind == "category":
        return fact.n_bools == fact.n_values
    is_binary = fact.minimum >= 0 and fact.maximum <= 1 and not fact.n_too_large
    return fact.kind == "number" and fact.is_whole and is_binary and not fact.units


def task_of(fact: ColumnFacts, kind: str, task: str) -> str:
    """Return "regression", "binary" or "multiclass", by the rules of `Target.learn`."""
    if task != "auto":
        return task
    n_labels = len({category_text(label) for label in fact.labels})
    if kind == "number":
        n_at_most = min(MAX_INT_LABELS, fact.n_values // MIN_MEAN_COUNT)
        are_few = fact.is_counted and n_labels <= n_at_most
        if not (fact.is_whole and are_few) or fact.units:
            return "regression"
    return "binary" if n_labels == 2 else "multiclass"


def _columns_in_use(source: Source, settings: TrainingSettings) -> list[str]:
    """Return the columns to learn from, and the target; TableError for names that do not exist."""
    for name in settings.targets:
        check_column(name, source, "to predict")
    for name in settings.ignore:
        check_column(name, source, "to ignore")
    for name in settings.categories:
        check_column(name, source, "to use as a category")
    for name in settings.use:
        check_column(name, source, "to use")
    if settings.weight:
        check_column(settings.weight, source, "of weights")
        if settings.weight in (*settings.targets, *settings.ignore):
            reason = "it is a target or ignored"
            raise TableError(f"column {settings.weight!r} cannot hold weights: {reason}")
    for name, purpose in ((settings.split_by, "of groups"), (settings.split_time, "of times")):
        if name:
            check_column(name, source, purpose)
            if name in (*settings.targets, settings.weight):
                reason = "it is a target or the weight"
                raise TableError(f"column {name!r} cannot be one {purpose}: {reason}")
    ignored = set(settings.ignore)
    for name in settings.targets:
        if name in ignored:
            raise TableError(f"the target {name!r} cannot be ignored")
    for name in (*settings.categories, *settings.use):
        if name in ignored:
            raise TableError(f"column {name!r} cannot be both used and ignored")
    kept = {settings.split_by, settings.split_time}
    names = [name for name in source.names if name not in ignored or name in kept]
    if {*names} == {*settings.targets}:
        noun = "target" if len(settings.targets) == 1 else "targets"
        raise TableError(
            f"{source.path} has no column except the {noun} {listed(settings.targets)}"
        )
    return names


def take_rows(survey: Survey) -> tuple[DataFrame, Places]:
    """Return all rows that have a target, typed, and their places; the survey keeps no blocks."""
    block = joined(survey.blocks, survey.all_kinds, survey.source)
    survey.blocks.clear()
    return typed_rows(survey, block)


def rows_of_file(survey: Survey, path: str) -> LabeledRows:
    """Return the rows of another file that have a target, typed as those of the survey.

    Raises TableError when a column is missing, a cell does not fit, no row is left, or a class is
    absent from the survey.
    """
    names = survey.target_names
    survey = replace(survey, others={})
    kinds = survey.all_kinds
    with open_table(path, survey.source.dialect) as source:
        for name in names:
            check_column(name, source, "to score the model")
        check_same_columns(source, survey.kinds, names)
        block = joined(source.blocks(names=list(kinds)), kinds, source)
        for column in block.frame.get_columns():
            if not is_readable(column.dtype):
                raise TableError(f"{path}: column {column.name!r} has the type {column.dtype}")
        frame, places = typed_rows(replace(survey, source=source), block)
    rows = LabeledRows.of(frame, names, places)
    if not len(rows):
        raise TableError(f"{path} has no row with a target")
    if survey.task in ("binary", "multiclass"):
        y = frame.get_column(survey.target.name)
        known = set(map(category_text, survey.target.labels))
        for label in y.unique(maintain_order=True).to_list():
            if category_text(label) not in known:
                raise TableError(f"{path}: the file of the training has no class {label!r:.60}")
    return rows


def typed_rows(survey: Survey, block: Block) -> tuple[DataFrame, Places]:
    """Return the rows of a block that have a target, typed, and their places."""
    import polars as pl

    name = survey.target.name
    cells = survey.source.cells(block.frame.get_column(name))
    missing = cells.missing
    for other in survey.target_names[1:]:
        missing = missing | survey.source.cells(block.frame.get_column(other)).missing
    frame = typed(block, survey.all_kinds, survey.source, survey.units)
    is_number = len(survey.targets) == 1 and survey.target_kind == "number"
    if is_number and survey.target.is_whole and survey.has_numeric_target:
        whole = cells.cells.values
        if cells.cells.is_text:
            whole = without(whole, cells.missing).cast(pl.Int64, strict=False)
        if survey.target.is_canonical and whole.null_count() == cells.missing.sum():
            columns = {column.name: column for column in frame.get_columns()}
            frame = frame_of({**columns, name: whole})
    has_target = ~missing.to_numpy()
    return frame.filter(has_target), block.places[has_target]
