"""Survey: look a file through, and decide what each of its columns is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handnn.files.learning.facts import Facts
from handnn.files.learning.hold_out import HeldOut
from handnn.files.learning.problems import check_target, choose_kinds, count_facts
from handnn.files.learning.settings import Settings
from handnn.files.reading.source import Dialect, Source, check_column, open_table, whole
from handnn.files.reading.text import TableError
from handnn.files.reading.values import typed

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass
class Plan:
    """A file, looked through: which columns are learnt from, as what."""

    source: Source
    kinds: dict[str, str]
    target_kind: str
    facts: dict[str, Facts]
    target: Facts


def plan(path: str, settings: Settings, dialect: Dialect, *, streams: bool = False) -> Plan:
    """Read the file once, and decide; TableError for all that can't be learnt from.

    streams: whether to learn at once, of the rows that are not held out, what `train_stream` needs.
    """
    source = open_table(path, dialect)
    check_column(settings.target, source, "the target")
    for name in (*settings.ignore, *settings.categories):
        check_column(name, source, "which an option names")
    if settings.target in settings.ignore:
        raise TableError(f"the target {settings.target!r} can't be ignored")
    names = [name for name in source.names if name not in settings.ignore]
    if names == [settings.target]:
        raise TableError(f"{path} has no column beside the target {settings.target!r}")
    held_out = HeldOut(settings.target, settings.share, settings.seed) if streams else None
    facts = count_facts(source, names, settings.categories, held_out)
    target = facts.pop(settings.target)
    target_kind = check_target(target, source, settings.task, settings.drop_gaps)
    return Plan(source, choose_kinds(facts, source), target_kind, facts, target)


def frame_of(planned: Plan, settings: Settings) -> tuple[DataFrame, Any]:
    """Return the whole table, typed, and the places of its rows in the file."""
    import polars as pl

    name = settings.target
    block = whole(planned.source, [*planned.kinds, name])
    frame = typed(block, {**planned.kinds, name: planned.target_kind}, planned.source)
    if planned.target_kind == "number" and planned.target.is_whole:
        frame = frame.with_columns(pl.col(name).cast(pl.Int64))
    there = frame[name].is_not_null().to_numpy()
    return frame.filter(there), block.places[there]
