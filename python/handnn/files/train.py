"""From a file to a model: read strictly, decide what each column is, train, score."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from handnn.files.learning.in_memory import split_rows, train
from handnn.files.learning.result import Trained
from handnn.files.learning.settings import Say, Settings
from handnn.files.learning.streaming import train_stream
from handnn.files.learning.survey import Plan, frame_of, plan
from handnn.files.model import Notes
from handnn.files.reading.source import Dialect, listed
from handnn.files.reading.text import GZIP, PARQUET
from handnn.files.report.table_scores import Scores, answers_of, baselines, measured_of, score

if TYPE_CHECKING:
    pass

LARGE, LARGE_PACKED = 256 * 2**20, 48 * 2**20
"""Bytes of a text file, and of a packed one, from which on a file is read anew for each epoch."""


@dataclass
class Result:
    """What a training gave: the model with its notes, its scores, and those of the baselines."""

    trained: Trained
    notes: Notes
    scores: Scores
    baselines: dict[str, Scores]


def train_file(
    path: str | os.PathLike[str],
    settings: Settings,
    dialect: Dialect | None = None,
    *,
    stream: bool | None = None,
    progress: bool = False,
    say: Say = lambda words: None,
) -> Result:
    """Train on a file, score the model on rows that were held out, and return both.

    stream: whether to read it anew for each epoch instead of keeping it; None does so for files
    that are large.

    Raises TableError (a ValueError), which names column, line and value, for a file that can't be
    read or learnt from; OSError when it can't be opened; ImportError without polars.
    """
    path, dialect = os.fspath(path), dialect or Dialect()
    streams = is_large(path) if stream is None else stream
    planned = plan(path, settings, dialect, streams=streams)
    if streams:
        say(f"{planned.target.n_values:,} rows, read anew for each epoch; {described(planned)}")
        trained = train_stream(planned, settings, progress=progress, say=say)
    else:
        frame, places = frame_of(planned, settings)
        rng = np.random.default_rng(settings.seed)
        x, y = frame.drop(settings.target), frame[settings.target]
        split = split_rows(x, y, places, settings.share, rng)
        rows = f"{len(split.y_train):,} rows to train on, {len(split.y_test):,} held out"
        say(f"{rows}; {described(planned)}")
        trained = train(split, planned.kinds, settings, rng, progress=progress, say=say)
    split, model = trained.split, trained.model
    measured = measured_of(model.target, split.y_test)
    found = score(model.target, measured, answers_of(model, split.x_test))
    others = baselines(split, model.columns, model.target)
    notes = notes_of(planned, settings, dialect, found, others, trained.n_train, len(measured))
    return Result(trained, notes, found, others)


def is_large(path: str) -> bool:
    """Return whether a file had better not be kept in memory."""
    with open(path, "rb") as file:
        start = file.read(4)
    is_packed = start[:2] == GZIP or start == PARQUET
    return os.path.getsize(path) > (LARGE_PACKED if is_packed else LARGE)


def described(planned: Plan) -> str:
    """Say what was found in a file."""
    categories = [name for name, kind in planned.kinds.items() if kind == "category"]
    numbers = len(planned.kinds) - len(categories)
    gaps = [name for name, fact in planned.facts.items() if fact.n_gaps]
    told = f"{numbers} columns of numbers"
    told += f", {len(categories)} of categories ({listed(categories)})" if categories else ""
    return told + (f"; gaps are filled in {listed(gaps)}" if gaps else "")


def notes_of(
    planned: Plan,
    settings: Settings,
    dialect: Dialect,
    found: Scores,
    others: dict[str, Scores],
    n_train: int,
    n_test: int,
) -> Notes:
    """Return what the model file says of how it came to be."""
    story = {
        "handnn": version("handnn"),
        "file": os.path.basename(planned.source.path),
        "place": planned.source.place,
        "bytes": os.path.getsize(planned.source.path),
        "sha256": sha256(planned.source.path),
        "rows": {"trained": n_train, "held_out": n_test},
        "seed": settings.seed,
        "scores": plain(found),
        "baselines": {name: plain(their) for name, their in others.items()},
    }
    return Notes(settings.target, planned.target_kind, dialect.decimal, dialect.gaps, story)


def sha256(path: str) -> str:
    """Return the SHA-256 of a file's bytes."""
    import hashlib

    found = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(2**20):
            found.update(data)
    return found.hexdigest()


def plain(found: Scores) -> dict[str, float | None]:
    """Return scores as JSON has them: None for NaN."""
    return {name: value if np.isfinite(value) else None for name, value in found.items()}
