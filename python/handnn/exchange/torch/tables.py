# mypy: disable-error-code="import-not-found, misc, unused-ignore, no-any-return, no-untyped-call"
"""A TableModel as a module of PyTorch.

Importing this module imports PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

from handnn.exchange.c.columns import row_steps
from handnn.exchange.c.steps import (
    Bins,
    Cycles,
    Fill,
    Interpolate,
    LookUp,
    OneHot,
    RowStep,
    Scale,
)
from handnn.exchange.c.table import row_bricks
from handnn.exchange.input_row import InputRow
from handnn.exchange.torch.to_modules import network_to_torch
from handnn.network import Network
from handnn.tables import TableModel

Tensor: TypeAlias = torch.Tensor


class TableModule(torch.nn.Module):
    """The columns, networks and target of a TableModel: ``y = module(x)``.

    x (N, C), float64: the numbers and dates (as days), NaN where missing, then the categories, each
    in table order. A text category is the index of its label, NaN where missing, and any larger
    number if training did not have it. A numeric category is the number itself. y (N, O) holds the
    values of a regression, float64, or the probabilities of the classes.

    The networks are `torch.nn.Sequential`s in `networks`, in evaluation mode; `train()` prepares
    them for further training. All constants are buffers.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, model: TableModel) -> None:
        super().__init__()
        row = InputRow(model)
        self.inputs = [column.name for column in row.columns]
        self.outputs = row.outputs
        self._steps: list[tuple[RowStep, list[str]]] = []
        n_columns = len(row.columns)
        for place, step in enumerate(row_steps(row, np.dtype(np.float64))):
            names = []
            for number, values in enumerate(_constants(step, n_columns)):
                names.append(f"step_{place}_{number}")
                self.register_buffer(names[-1], torch.tensor(values))
            self._steps.append((step, names))
            n_columns = step.columns(n_columns)
        self.networks = torch.nn.ModuleList(
            network_to_torch(Network(row_bricks(row, network))) for network in model.networks
        )
        self._dtype = {"float32": torch.float32, "float64": torch.float64}[model.dtype.name]
        self._task = model.target.task
        self._are_rates = model.target.is_exp
        self.register_buffer("mean", torch.tensor(model.target.mean))
        self.register_buffer("scale", torch.tensor(model.target.scale))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the values or probabilities (N, O) of rows (N, C)."""
        x = x.to(torch.float64)
        for step, names in self._steps:
            x = STEPS[type(step)](step, x, [getattr(self, name) for name in names])
        x = x.to(self._dtype)
        answers = [self._answer(network(x)) for network in self.networks]
        return sum(answers[1:], answers[0]) / len(answers)

    def _answer(self, out: Tensor) -> Tensor:
        if self._task == "regression":
            values = out.to(torch.float64)
            return (values.exp() if self._are_rates else values) * self.scale + self.mean
        return torch.cat([(-out).sigmoid(), out.sigmoid()], 1) if self._task == "binary" else out


def _constants(step: RowStep, n_columns: int) -> Sequence[Any]:
    """Return the arrays of a step of `n_columns` columns, float64."""
    dtype = np.dtype(np.float64)
    if isinstance(step, Fill):
        return [step.medians(n_columns, dtype)]
    if isinstance(step, Interpolate):
        return step.points(dtype)
    if isinstance(step, Bins | LookUp):
        return [step.rounded(dtype)]
    return step.arrays(n_columns, dtype) if isinstance(step, Scale) else []


def _fill(step: Fill, x: Tensor, constants: list[Tensor]) -> Tensor:
    missing = torch.isnan(x)
    indicators = missing[:, step.indicators(x.shape[1])].to(x.dtype)
    return torch.cat([torch.where(missing, constants[0], x), indicators], 1)


def _cycles(step: Cycles, x: Tensor, constants: list[Tensor]) -> Tensor:
    parts = [x]
    for period in step.periods:
        angle = 2 * math.pi * (x[:, [step.column]] / period)
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, 1)


def _bins(step: Bins, x: Tensor, constants: list[Tensor]) -> Tensor:
    low, high = constants[0][:-1], constants[0][1:]
    shares = ((x[:, [step.column]] - low) / (high - low)).clamp(0, 1)
    return torch.cat([x, shares - 0.5], 1)


def _interpolate(step: Interpolate, x: Tensor, constants: list[Tensor]) -> Tensor:
    knots, levels, slopes = constants
    column = x[:, step.column].contiguous()
    at = (torch.searchsorted(knots, column, right=True) - 1).clamp(min=0)
    inside = column.clamp(knots[0], knots[-1])
    return _replaced(x, step.column, slopes[at] * (inside - knots[at]) + levels[at])


def _look_up(step: LookUp, x: Tensor, constants: list[Tensor]) -> Tensor:
    column, labels = x[:, step.column], constants[0]
    is_label = column[:, None] == labels
    codes = torch.where(is_label.any(1), is_label.to(torch.int64).argmax(1), len(labels) + 1)
    return _replaced(x, step.column, torch.where(torch.isnan(column), len(labels), codes))


def _one_hot(step: OneHot, x: Tensor, constants: list[Tensor]) -> Tensor:
    codes = torch.arange(step.count, device=x.device)
    hot = (x[:, [step.column]] == codes).to(x.dtype)
    return torch.cat([x[:, : step.column], x[:, step.column + 1 :], hot], 1)


def _scale(step: Scale, x: Tensor, constants: list[Tensor]) -> Tensor:
    mean, scale = constants
    return (x - mean) / scale


def _replaced(x: Tensor, column: int, values: Tensor) -> Tensor:
    parts = [x[:, :column], values[:, None].to(x.dtype), x[:, column + 1 :]]
    return torch.cat(parts, 1)


STEPS: Mapping[type, Callable[[Any, Tensor, list[Tensor]], Tensor]] = {
    Bins: _bins,
    Cycles: _cycles,
    Fill: _fill,
    Interpolate: _interpolate,
    LookUp: _look_up,
    OneHot: _one_hot,
    Scale: _scale,
}
"""The function that applies each type of step to rows."""
