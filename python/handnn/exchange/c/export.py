"""to_c: a Network or a TableModel as a header in C99, and its file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from numpy.typing import ArrayLike

from handnn.exchange.c.header import Wording, c_copy, header
from handnn.exchange.c.rows import errors_of
from handnn.exchange.c.step_code import STEPS
from handnn.exchange.c.steps import RowStep, Scale
from handnn.exchange.c.table import table_header
from handnn.exchange.estimators import Estimator, as_model
from handnn.network import Network
from handnn.storage import as_path, replace_file
from handnn.tables import TableModel


def to_c(
    network: Network | TableModel | Estimator,
    path: str | os.PathLike[str] | None = None,
    *,
    name: str = "model",
    x: ArrayLike | None = None,
    steps: Sequence[RowStep] = (),
    scale_in: tuple[ArrayLike, ArrayLike] | None = None,
    scale_out: tuple[ArrayLike, ArrayLike] | None = None,
) -> str:
    """Return a header in C99 that computes `network.predict`; write it to `path` if given.

    Its function ``void model_predict(const float *x, float *y)`` (double for a float64 network)
    maps one row of I numbers to O outputs. The bits are those of `predict` wherever fma rounds
    once; a code that an Embedding does not have gives NaN. It depends only on libm, and contains
    test rows with their outputs. The file is written atomically.

    network: a Network, a TableModel, or a fitted `MLPRegressor` or `MLPClassifier`, which is
        exported as its `table_model()`. The row of a TableModel holds the numbers, NaN where
        missing, then the categories, each in table order; ``model_code(place, "label")`` returns
        the number of a category of text. The outputs are the values of a regression, else
        probabilities. They have the bits of `predict` in float64 and are close in float32, because
        everything is computed in the dtype of the networks.
    name: an identifier of C that replaces "model" in every name that the header declares.
    x (N, I): the test rows; 8 random rows if not given.
    steps: `Fill`, `Scale`, `OneHot`, `Interpolate` and `LookUp` of `handnn.exchange.c`, applied to
        a row in this order before the network, in its dtype.
    scale_in = (mean, scale), each (I,) or a number: a last step (x - mean) / scale.
    scale_out = (mean, scale): the outputs become out·scale + mean.

    Raises:
        TypeError: If a brick is not one of handnn's, or a step is not one of these five.
        ValueError: If `name` is not an identifier, shapes do not fit, an array has no entries, the
            number of columns is unknown, a TableModel has an option other than `name`, or C cannot
            hold a label or a number of it.
        OSError: If the file cannot be written; an existing file then remains.

    Examples:
        >>> text = handnn.to_c(handnn.mlp([3, 4, 1], rng=0), name="pump")
        >>> "void pump_predict(const float *x, float *y)" in text
        True
    """
    _check_name(name)
    path = None if path is None else as_path(path, "to_c: path")
    network = as_model(network)
    file = "" if path is None else os.path.basename(path)
    if isinstance(network, TableModel):
        if x is not None or len(steps) or scale_in is not None or scale_out is not None:
            raise ValueError(
                "to_c: x, steps, scale_in and scale_out are for a Network; a TableModel has its own"
            )
        text = table_header(network, name, file=file)
    else:
        copy = c_copy(network)
        before = _checked_steps(steps, scale_in)
        after = None if scale_out is None else _scale_of(scale_out, "scale_out")
        text = header([copy], name, steps=before, answer=after, x=x, wording=Wording(file=file))
    if path is not None:
        replace_file(path, text.encode("ascii"))
    return text


def _check_name(name: object) -> None:
    if not (isinstance(name, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)):
        raise ValueError(f"to_c: name must be a C identifier, but is {name!r:.50}")


def _checked_steps(
    steps: Sequence[RowStep], scale_in: tuple[ArrayLike, ArrayLike] | None
) -> dict[str, RowStep]:
    """Return the steps, then `scale_in`, by their names in messages; TypeError for another kind."""
    given: object = steps
    if not isinstance(given, Sequence):
        raise TypeError(f"to_c: steps must be a list of steps, but is a {type(given).__name__}")
    for index, step in enumerate(steps):
        if type(step) not in STEPS:
            known = ", ".join(kind.__name__ for kind in STEPS)
            raise TypeError(f"to_c: steps[{index}] ({type(step).__name__}) is not one of {known}")
    found = {f"steps[{index}]": step for index, step in enumerate(steps)}
    return found if scale_in is None else {**found, "scale_in": _scale_of(scale_in, "scale_in")}


def _scale_of(pair: object, name: str) -> Scale:
    """Return (mean, scale) as a Scale; TypeError and ValueError name the argument."""
    if not (isinstance(pair, tuple | list) and len(pair) == 2):
        raise TypeError(f"to_c: {name} must be (mean, scale), but is {pair!r:.50}")
    with errors_of(name):
        return Scale(*pair)
