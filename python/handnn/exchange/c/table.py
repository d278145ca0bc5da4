"""A TableModel as a header: its columns, all its networks, and the mean of their predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

import numpy as np

from handnn.exchange.c.columns import row_steps
from handnn.exchange.c.header import Wording, c_copy, header
from handnn.exchange.c.steps import BothClasses, LookUp, OutputStep, Rates, Scale
from handnn.exchange.c.table_rows import drawn_rows
from handnn.exchange.c.table_text import described, lookups, promise
from handnn.exchange.input_row import InputRow, as_floats
from handnn.layers import Brick, Embedding
from handnn.network import Network
from handnn.tables import TableModel
from handnn.tables.steps import OrdinalEncode


def table_header(
    model: TableModel,
    name: str = "model",
    target: str | Sequence[str] = "",
    gaps: Iterable[str] = (),
    *,
    is_wide: bool = False,
    file: str = "",
) -> str:
    """Return a header in C99 with ``void model_predict(const real *x, real *y)``.

    real is float, or double for a float64 model and with `is_wide`: then only the networks compute
    in their dtype, as `TableModel.predict` does. target: the name or names of the target, for
    comments. gaps: strings that mean a missing value besides those of the model. file: the name of
    the file that will hold the header. Raises what `handnn.to_c` raises.
    """
    row = InputRow(model, target)
    dtype = np.dtype(np.float64) if is_wide else model.dtype
    _check(row, dtype)
    return header(
        [c_copy(Network(row_bricks(row, network))) for network in model.networks],
        name,
        steps={f"step {place}": step for place, step in enumerate(row_steps(row, dtype))},
        answer=_answer(row),
        x=drawn_rows(row).astype(dtype),
        wording=Wording(promise(row, dtype), described(row, name), lookups(row, gaps), file),
        is_wide=is_wide,
    )


def _check(row: InputRow, dtype: np.dtype[np.floating]) -> None:
    """Raise ValueError, naming the column, for a number beyond the dtype of the rows."""
    target = row.model.target
    for column in row.columns:
        for step in column.steps:
            if not isinstance(step, OrdinalEncode):
                for name, values in asdict(step).items():
                    _check_numbers(f"column {column.name!r:.80}", name, values, dtype)
            elif not step.is_text:
                try:
                    LookUp(as_floats(step.labels)).rounded(dtype)
                except (OverflowError, ValueError) as error:
                    raise ValueError(f"to_c: column {column.name!r:.80}: {error}") from None
    if target.task == "regression":
        _check_numbers("the target", "mean", target.mean, dtype)
        _check_numbers("the target", "scale", target.scale, dtype)


def _check_numbers(part: str, name: str, values: object, dtype: np.dtype[np.floating]) -> None:
    """Raise ValueError if a number is not finite in dtype, or a scale is 0."""
    with np.errstate(all="ignore"):
        rounded = np.asarray(values, np.float64).astype(dtype)
    if not np.isfinite(rounded).all() or (name == "scale" and not rounded.all()):
        raise ValueError(
            f"to_c: {part}: its {name}, {values!s:.60}, is not a number of {dtype}; make the "
            "networks float64"
        )


def row_bricks(row: InputRow, network: Network) -> Iterator[Brick]:
    """Yield the bricks of a network, adapted to the column order of `row_steps`.

    There the codes precede the indicators. Each Embedding removes its column, so the codes of the
    next one have the same index, and the columns after them are those of training.
    """
    for layer in row.bricks(network):
        if isinstance(layer, Embedding) and not row.is_one_hot:
            yield Embedding(layer.w, column=len(row.plain))
        else:
            yield layer


def _answer(row: InputRow) -> OutputStep | None:
    """Return the step from an output to the prediction, if any."""
    target = row.model.target
    if target.task == "regression":
        step = Rates if target.is_exp else Scale
        return step(target.mean, target.scale)
    return BothClasses() if target.task == "binary" else None
