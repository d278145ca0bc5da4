"""A fitted estimator as a `TableModel`, with its preprocessing, for exporters."""

from __future__ import annotations

from collections.abc import Sequence

from handnn.losses import facts_of
from handnn.network import Network
from handnn.sklearn.targets import ClassTarget, EstimatorTarget, RegressionTarget
from handnn.tables import Columns, TableModel, Target
from handnn.tables.dense import DenseInput
from handnn.tables.intervals import HeldOutErrors
from handnn.tables.number import NumberColumn, Points


def as_table_model(
    networks: Sequence[Network],
    inputs: Columns | DenseInput,
    target: EstimatorTarget,
    names: Sequence[str] | None,
    is_flat: bool,
    held_out: HeldOutErrors | None,
) -> TableModel:
    """Return the networks of an estimator as a TableModel.

    names: those of the columns, None if X had none. is_flat: whether predictions are (N,).
    held_out: the errors for intervals and sets. Raises ValueError for a loss whose outputs are
    neither values nor probabilities of classes.
    """
    columns = inputs if isinstance(inputs, Columns) else _columns_of(inputs, names)
    found = _target_of(target, is_flat)
    return TableModel([Network(network.layers) for network in networks], columns, found, held_out)


def _columns_of(inputs: DenseInput, names: Sequence[str] | None) -> Columns:
    columns = []
    edges = {column.place: column.edges for column in inputs.binned}
    for place in range(inputs.n_in):
        knots: Points = ()
        levels: Points = ()
        if inputs.curves is not None:
            knots, levels = inputs.curves.points(place)
        center, mean, scale = (
            float(values[place]) for values in (inputs.center, inputs.mean, inputs.scale)
        )
        if inputs.scaling == "none":  # its mean replaces gaps
            mean = 0.0
        more = (knots, levels, edges.get(place, ()))
        columns.append(NumberColumn(center, mean, scale, False, False, *more))
    return Columns(columns, names)


def _target_of(target: EstimatorTarget, is_flat: bool) -> Target:
    facts = facts_of(target.loss)
    problem = f"a model with the loss {target.loss} cannot be exported"
    if isinstance(target, RegressionTarget):
        if facts.link != "identity" or target.n_out != target.n_targets:
            raise ValueError(f"{problem}: its outputs are not the values")
        return Target(
            "regression",
            mean=target.mean,
            scale=target.scale,
            n_out=target.n_out,
            is_flat=is_flat,
            is_log=target.is_log,
        )
    assert isinstance(target, ClassTarget)
    if target.is_multilabel:
        return Target("multilabel", n_out=target.n_out, is_flat=False)
    if target.is_softmax:
        return Target("multiclass", classes=target.classes)
    if target.n_out > 1 or len(target.classes) < 2:
        raise ValueError(f"{problem}: it compares each class with the others")
    return Target("binary", classes=target.classes)
