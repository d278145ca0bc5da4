"""Collect facts about the columns of a file, block by block and stripe by stripe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from handnn.files.errors import TableError
from handnn.files.learning.facts import MAX_SAMPLE, ColumnFacts, TrainingFacts, add_plain
from handnn.files.learning.hold_out import HeldOut
from handnn.files.learning.settings import TrainingSettings
from handnn.files.learning.stripes import ONE_STRIPE, Stripes
from handnn.files.reading.block import Block
from handnn.files.reading.cells import frame_of, is_readable
from handnn.files.reading.source import Source

if TYPE_CHECKING:
    from polars import Series


def collect_facts(
    source: Source,
    blocks: Iterable[Block],
    names: Iterable[str],
    settings: TrainingSettings,
    held_out: HeldOut | None = None,
    kept: list[Block] | None = None,
    stripes: Stripes = ONE_STRIPE,
) -> dict[str, ColumnFacts]:
    """Return facts about columns from all blocks of a source; TableError when it has no rows.

    held_out: the rows that `ColumnFacts.training` leaves out; None does without `training`. kept:
    a list to which the blocks are added. stripes: facts are collected for each of them, and merged.
    """
    import polars as pl

    chosen = set(settings.categories)
    facts = {
        stripe: _new_facts(names, settings, held_out, stripes.n) for stripe in stripes.deal.own
    }

    def add(block: Block) -> int:
        """Add a block to the facts of its stripe; return the number of its rows."""
        training = None
        if held_out is not None:
            missing = source.cells(block.frame.get_column(settings.target)).missing
            drawn = held_out.training(block.number, block, block.row + len(block.places))
            training = pl.Series(drawn) & ~missing
        plain = source.numbers(block.frame)
        add_block(facts[block.turn[1]], block, plain, source, training)
        if kept is not None:
            inputs = {
                n: c for n, c in plain.items() if n not in chosen and n not in settings.targets
            }
            kept.append(block._replace(numbers=inputs))
        return len(block.places)

    if sum(stripes.results(iter(blocks), add)) == 0:
        raise TableError(f"{source.path} has a header but no rows")
    merged, *others = stripes.merged([*facts.values()])
    for other in others:
        for name, fact in merged.items():
            fact.merge(other[name])
    return merged


def _new_facts(
    names: Iterable[str], settings: TrainingSettings, held_out: HeldOut | None, n_stripes: int
) -> dict[str, ColumnFacts]:
    """Return facts about columns without rows."""
    counted_names = {*settings.categories, *settings.targets}
    return {
        name: ColumnFacts(
            name,
            name in settings.categories,
            held_out is not None or name in counted_names,
            training=TrainingFacts(limit=max(1, MAX_SAMPLE // n_stripes)),
        )
        for name in names
    }


def add_block(
    facts: Mapping[str, ColumnFacts],
    block: Block,
    plain: Mapping[str, Series],
    source: Source,
    training: Series | None,
) -> None:
    """Add a block to the facts about its columns; `plain` and `training` as `ColumnFacts.add`."""
    quick: list[str] = []
    columns = {column.name: column for column in block.frame.get_columns()}
    for name, fact in facts.items():
        numbers = plain.get(name)
        is_quick = numbers is not None and training is None and not numbers.null_count()
        if is_quick and not (fact.counts_labels or fact.n_texts):
            quick.append(name)
        elif is_readable(columns[name].dtype):
            # A name such as ^x$ is a pattern in polars.
            numbers = None if numbers is None else numbers.alias("cell")
            fact.add(source.cells(columns[name]), block.places, numbers, training, block.row)
        else:
            fact.dtype = str(columns[name].dtype)
    if quick:
        add_plain(
            [facts[name] for name in quick],
            [source.cells(columns[name]) for name in quick],
            frame_of({name: plain[name] for name in quick}),
            block,
        )
