"""Survey a file: read it once, and infer the kind of each column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handnn.files.errors import TableError
from handnn.files.learning.facts import ColumnFacts
from handnn.files.learning.hold_out import HeldOut
from handnn.files.learning.problems import check_target, choose_kinds
from handnn.files.learning.settings import TrainingSettings
from handnn.files.reading.block import Block, Places
from handnn.files.reading.columns import check_column, listed
from handnn.files.reading.csv_checks import counted
from handnn.files.reading.source import Source, joined
from handnn.files.reading.values import typed

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass
class Survey:
    """A file that has been read once, with the kinds of its columns.

    Attributes:
        kinds: "number" or "category" for each column that is learned from.
        target_kind: the same for the target.
        facts, target: facts about these columns, and about the target.
        blocks: all rows, unless the file is streamed.
    """

    source: Source
    kinds: dict[str, str]
    target_kind: str
    facts: dict[str, ColumnFacts]
    target: ColumnFacts
    blocks: list[Block]

    @property
    def all_kinds(self) -> dict[str, str]:
        """The kinds of the columns, and of the target."""
        return {**self.kinds, self.target.name: self.target_kind}

    def described(self) -> str:
        """Describe the columns that are learned from."""
        categories = [name for name, kind in self.kinds.items() if kind == "category"]
        gaps = [name for name, fact in self.facts.items() if fact.n_gaps]
        parts = [counted(len(self.kinds) - len(categories), "column") + " of numbers"]
        parts += [f"{len(categories)} of categories ({listed(categories)})"] if categories else []
        return ", ".join(parts) + (f"; gaps are filled in {listed(gaps)}" if gaps else "")


def survey(source: Source, settings: TrainingSettings, *, streams: bool = False) -> Survey:
    """Read a file once; TableError when it cannot be learned from.

    streams: whether to collect facts about the training rows, which `train_stream` needs, instead
    of keeping all rows.
    """
    names = _columns_in_use(source, settings)
    held_out = HeldOut(settings.target, settings.hold_out, settings.seed) if streams else None
    kept: list[Block] = []
    blocks = source.blocks() if streams else _keeping(source.blocks(), names, kept)
    facts = collect_facts(source, blocks, names, settings.categories, held_out)
    target = facts.pop(settings.target)
    target_kind = check_target(target, source, settings.task, settings.drop_gaps)
    return Survey(source, choose_kinds(facts, source), target_kind, facts, target, kept)


def _columns_in_use(source: Source, settings: TrainingSettings) -> list[str]:
    """Return the columns to learn from, and the target; TableError for names that do not exist."""
    check_column(settings.target, source, "to predict")
    for name in settings.ignore:
        check_column(name, source, "to ignore")
    for name in settings.categories:
        check_column(name, source, "to use as a category")
    if settings.target in settings.ignore:
        raise TableError(f"the target {settings.target!r} cannot be ignored")
    names = [name for name in source.names if name not in settings.ignore]
    if names == [settings.target]:
        raise TableError(f"{source.path} has no column except the target {settings.target!r}")
    return names


def _keeping(blocks: Iterable[Block], names: list[str], kept: list[Block]) -> Iterator[Block]:
    """Yield blocks, and keep them."""
    for frame, places in blocks:
        block = Block(frame.select(names), places)
        kept.append(block)
        yield block


def collect_facts(
    source: Source,
    blocks: Iterable[Block],
    names: Iterable[str],
    categories: Iterable[str] = (),
    held_out: HeldOut | None = None,
) -> dict[str, ColumnFacts]:
    """Return facts about columns from all blocks of a source; TableError when it has no rows.

    held_out: the rows that `ColumnFacts.training` leaves out; None does without `training`.
    """
    import polars as pl

    chosen = set(categories)
    facts = {name: ColumnFacts(name, name in chosen) for name in names}
    n_rows = 0
    for number, block in enumerate(blocks):
        n_rows += len(block.places)
        training = None
        if held_out is not None:
            training = pl.Series(held_out.training(number, block, n_rows))
        for name, fact in facts.items():
            fact.add(block.frame[name], block.places, source.decimal, source.is_typed, training)
    if n_rows == 0:
        raise TableError(f"{source.path} has a header but no rows")
    return facts


def take_rows(survey: Survey) -> tuple[DataFrame, Places]:
    """Return all rows that have a target, typed, and their places; the survey keeps no blocks."""
    block = joined(survey.blocks, survey.all_kinds, survey.source)
    survey.blocks.clear()
    return typed_rows(survey, block)


def typed_rows(survey: Survey, block: Block) -> tuple[DataFrame, Places]:
    """Return the rows of a block that have a target, typed, and their places."""
    import polars as pl

    name = survey.target.name
    frame = typed(block, survey.all_kinds, survey.source)
    if survey.target_kind == "number" and survey.target.is_whole:
        frame = frame.with_columns(pl.col(name).cast(pl.Int64))
    has_target = frame[name].is_not_null().to_numpy()
    return frame.filter(has_target), block.places[has_target]
