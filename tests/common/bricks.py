"""The one list of bricks: a row for each functional call, from which every common check is made.

`axes` gives each array argument its shape in the letters N, I, O; `outputs` does so for the
keyword arguments that receive results; `state` names the arguments that are updated in place and
are therefore as strict as outputs; `ranges` draws an argument from elsewhere than its name would.
A new brick adds its rows here and is tested the same day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handnn import functional
from tests import bounds, reference
from tests.common.tolerances import (
    adagrad_tolerance,
    adam_tolerance,
    affine_backward_tolerance,
    affine_forward_tolerance,
    batch_norm_backward_tolerance,
    batch_norm_forward_tolerance,
    batch_norm_statistics_tolerance,
    batch_norm_update_tolerance,
    elu_backward_tolerance,
    exact,
    gelu_backward_tolerance,
    gelu_forward_tolerance,
    gelu_tanh_backward_tolerance,
    gelu_tanh_forward_tolerance,
    layer_norm_backward_tolerance,
    layer_norm_forward_tolerance,
    mse_loss_forward_tolerance,
    no_sum,
    rmsprop_tolerance,
    sgd_tolerance,
    silu_backward_tolerance,
    silu_forward_tolerance,
    softmax_backward_tolerance,
    softmax_forward_tolerance,
    sum_of_squares_tolerance,
)

DTYPES = [np.float32, np.float64]
SIZES = {"N": 3, "I": 5, "O": 7}


@dataclass(frozen=True)
class Call:
    function: str
    axes: dict[str, str]
    tolerance: Callable[..., tuple]
    outputs: dict[str, str] = field(default_factory=dict)
    state: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    variant: str = ""
    value_checked: tuple[str, ...] = ()
    ranges: dict[str, Callable] = field(default_factory=dict)

    def __str__(self):
        return f"{self.function}[{self.variant}]" if self.variant else self.function

    @property
    def inputs(self):
        """The arguments that take anything np.asarray takes."""
        return [name for name in self.axes if name not in self.state]

    @property
    def strict(self):
        """The arguments that are written to, with their axes."""
        return {**{name: self.axes[name] for name in self.state}, **self.outputs}

    def sweep(self, length, other=SIZES):
        """Every set of sizes in which one of this call's axes is `length`."""
        return [{**other, letter: length} for letter in sorted(set("".join(self.axes.values())))]

    def arrays(self, dtype, sizes=SIZES, seed=0):
        """Fresh random arguments, by name."""
        rng = np.random.default_rng(seed)
        made = {}
        for name, axes in self.axes.items():
            draw = {**RANGES, **self.ranges}.get(name, normal)
            made[name] = draw(rng, shape_of(axes, sizes)).astype(dtype)
        return made

    def new_outputs(self, dtype, sizes=SIZES):
        """Fresh arrays for every output, full of a number no kernel here would leave behind."""
        return {n: np.full(shape_of(axes, sizes), 77, dtype) for n, axes in self.outputs.items()}

    def call(self, arrays, **outputs):
        """The function itself, on exactly these objects."""
        return getattr(functional, self.function)(**arrays, **self.options, **outputs)

    def run(self, arrays, **outputs):
        """The results as a tuple; state is copied first, and its copies are the results."""
        arrays = {n: a.copy() if n in self.state else a for n, a in arrays.items()}
        result = self.call(arrays, **outputs)
        if self.state:
            return tuple(arrays[name] for name in self.state)
        return result if isinstance(result, tuple) else (result,)

    def expected(self, arrays):
        """The reference's results in float64."""
        wide = {name: np.asarray(a, dtype=np.float64) for name, a in arrays.items()}
        with np.errstate(all="ignore"):
            result = getattr(reference, self.function)(**wide, **self.options)
        result = result if isinstance(result, tuple) else (result,)
        return tuple(value for value in result if value is not None)

    def assert_matches_reference(self, arrays, dtype, results, what=""):
        wide = {name: np.asarray(a, dtype=np.float64) for name, a in arrays.items()}
        expected = self.expected(arrays)
        with np.errstate(all="ignore"):
            allowed = self.tolerance(dtype, expected, **wide, **self.options)
        assert len(results) == len(expected) == len(allowed)
        for actual, value, bound in zip(results, expected, allowed, strict=True):
            bounds.assert_within(actual, value, bound, f"{self} {what}")

    def check(self, dtype, **arrays):
        """Run it on these arrays: what it gives must match the reference."""
        self.assert_matches_reference(arrays, dtype, self.run(arrays))


def shape_of(axes, sizes):
    return tuple(sizes[letter] for letter in axes)


def normal(rng, shape):
    return rng.normal(0, 2, shape)


def between_0_and_1(rng, shape):
    return rng.uniform(0, 1, shape)


def between_minus_1_and_1(rng, shape):
    return rng.uniform(-1, 1, shape)


RANGES = dict.fromkeys(
    ["out", "sample_weight", "square", "var", "running_var", "rstd"], between_0_and_1
)


CLIPPED = {"grad_scale": 0.7, "clip_value": 1.5}

CALLS = [
    Call(
        "affine_forward",
        {"x": "NI", "w": "IO", "b": "O"},
        affine_forward_tolerance,
        {"out": "NO"},
    ),
    Call(
        "affine_backward",
        {"dout": "NO", "x": "NI", "w": "IO"},
        affine_backward_tolerance,
        {"dx": "NI", "dw": "IO", "db": "O"},
    ),
    Call("sigmoid_forward", {"x": "NO"}, no_sum, {"out": "NO"}),
    Call("sigmoid_backward", {"dout": "NO", "out": "NO"}, no_sum, {"dx": "NO"}),
    Call("relu_forward", {"x": "NO"}, exact, {"out": "NO"}),
    Call("relu_backward", {"dout": "NO", "x": "NO"}, exact, {"dx": "NO"}),
    Call("leaky_relu_forward", {"x": "NO"}, no_sum, {"out": "NO"}),
    Call("leaky_relu_backward", {"dout": "NO", "x": "NO"}, no_sum, {"dx": "NO"}),
    Call(
        "leaky_relu_forward",
        {"x": "NO"},
        no_sum,
        {"out": "NO"},
        options={"slope": 0.3},
        variant="slope",
    ),
    Call(
        "leaky_relu_backward",
        {"dout": "NO", "x": "NO"},
        no_sum,
        {"dx": "NO"},
        options={"slope": 0.3},
        variant="slope",
    ),
    Call(
        "leaky_relu_forward",
        {"x": "NO"},
        no_sum,
        {"out": "NO"},
        options={"slope": 0.0},
        variant="flat",
    ),
    Call(
        "leaky_relu_backward",
        {"dout": "NO", "x": "NO"},
        no_sum,
        {"dx": "NO"},
        options={"slope": 0.0},
        variant="flat",
    ),
    Call("tanh_forward", {"x": "NO"}, no_sum, {"out": "NO"}),
    Call(
        "tanh_backward",
        {"dout": "NO", "out": "NO"},
        no_sum,
        {"dx": "NO"},
        ranges={"out": between_minus_1_and_1},
    ),
    Call("elu_forward", {"x": "NO"}, no_sum, {"out": "NO"}),
    Call(
        "elu_backward",
        {"dout": "NO", "out": "NO"},
        elu_backward_tolerance,
        {"dx": "NO"},
        ranges={"out": between_minus_1_and_1},
    ),
    Call(
        "elu_forward", {"x": "NO"}, no_sum, {"out": "NO"}, options={"alpha": 0.7}, variant="alpha"
    ),
    Call(
        "elu_backward",
        {"dout": "NO", "out": "NO"},
        elu_backward_tolerance,
        {"dx": "NO"},
        options={"alpha": 0.7},
        variant="alpha",
        ranges={"out": between_minus_1_and_1},
    ),
    Call("silu_forward", {"x": "NO"}, silu_forward_tolerance, {"out": "NO"}),
    Call("silu_backward", {"dout": "NO", "x": "NO"}, silu_backward_tolerance, {"dx": "NO"}),
    Call("softplus_forward", {"x": "NO"}, no_sum, {"out": "NO"}),
    Call("softplus_backward", {"dout": "NO", "x": "NO"}, no_sum, {"dx": "NO"}),
    Call("gelu_forward", {"x": "NO"}, gelu_forward_tolerance, {"out": "NO"}),
    Call("gelu_backward", {"dout": "NO", "x": "NO"}, gelu_backward_tolerance, {"dx": "NO"}),
    Call("gelu_tanh_forward", {"x": "NO"}, gelu_tanh_forward_tolerance, {"out": "NO"}),
    Call(
        "gelu_tanh_backward", {"dout": "NO", "x": "NO"}, gelu_tanh_backward_tolerance, {"dx": "NO"}
    ),
    Call("softmax_forward", {"x": "NO"}, softmax_forward_tolerance, {"out": "NO"}),
    Call("softmax_backward", {"dout": "NO", "out": "NO"}, softmax_backward_tolerance, {"dx": "NO"}),
    Call(
        "layer_norm_forward",
        {"x": "NO", "gamma": "O", "beta": "O"},
        layer_norm_forward_tolerance,
        {"out": "NO", "mean": "N", "rstd": "N"},
    ),
    Call(
        "layer_norm_forward",
        {"x": "NO", "gamma": "O", "beta": "O"},
        layer_norm_forward_tolerance,
        {"out": "NO", "mean": "N", "rstd": "N"},
        options={"eps": 0.3},
        variant="eps",
    ),
    Call(
        "layer_norm_backward",
        {"dout": "NO", "x": "NO", "gamma": "O", "mean": "N", "rstd": "N"},
        layer_norm_backward_tolerance,
        {"dx": "NO", "dgamma": "O", "dbeta": "O"},
    ),
    Call(
        "batch_norm_statistics",
        {"x": "NO"},
        batch_norm_statistics_tolerance,
        {"mean": "O", "var": "O"},
    ),
    Call(
        "batch_norm_update",
        {"running_mean": "O", "running_var": "O", "mean": "O", "var": "O"},
        batch_norm_update_tolerance,
        state=("running_mean", "running_var"),
        options={"rows": 5},
    ),
    Call(
        "batch_norm_update",
        {"running_mean": "O", "running_var": "O", "mean": "O", "var": "O"},
        batch_norm_update_tolerance,
        state=("running_mean", "running_var"),
        options={"rows": 2, "momentum": 0.7},
        variant="momentum",
    ),
    Call(
        "batch_norm_forward",
        {"x": "NO", "gamma": "O", "beta": "O", "mean": "O", "var": "O"},
        batch_norm_forward_tolerance,
        {"out": "NO"},
        options={"eps": 1e-3},
    ),
    Call(
        "batch_norm_backward",
        {"dout": "NO", "x": "NO", "gamma": "O", "mean": "O", "var": "O"},
        batch_norm_backward_tolerance,
        {"dx": "NO", "dgamma": "O", "dbeta": "O"},
    ),
    Call(
        "batch_norm_backward",
        {"dout": "NO", "x": "NO", "gamma": "O", "mean": "O", "var": "O"},
        batch_norm_backward_tolerance,
        {"dx": "NO", "dgamma": "O", "dbeta": "O"},
        options={"eps": 1e-3, "training": False},
        variant="prediction",
    ),
    Call("mse_loss_forward", {"pre": "NO", "y_true": "NO"}, mse_loss_forward_tolerance),
    Call(
        "mse_loss_forward",
        {"pre": "NO", "y_true": "NO", "sample_weight": "N"},
        mse_loss_forward_tolerance,
        variant="weighted",
        value_checked=("sample_weight",),
    ),
    Call("mse_loss_backward", {"pre": "NO", "y_true": "NO"}, no_sum, {"dx": "NO"}),
    Call(
        "mse_loss_backward",
        {"pre": "NO", "y_true": "NO", "sample_weight": "N"},
        no_sum,
        {"dx": "NO"},
        options={"dout": -0.7},
        variant="weighted",
        value_checked=("sample_weight",),
    ),
    Call(
        "mse_loss_backward",
        {"pre": "NO", "y_true": "NO"},
        no_sum,
        {"dx": "NO"},
        options={"dout": 1.3, "gradient": "article"},
        variant="article",
    ),
    Call(
        "sgd_update",
        {"param": "NO", "grad": "NO"},
        sgd_tolerance,
        state=("param",),
        options={"lr": 0.1},
    ),
    Call(
        "sgd_update",
        {"param": "NO", "grad": "NO", "velocity": "NO"},
        sgd_tolerance,
        state=("param", "velocity"),
        options={"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
        variant="momentum",
    ),
    Call(
        "sgd_update",
        {"param": "NO", "grad": "NO", "velocity": "NO"},
        sgd_tolerance,
        state=("param", "velocity"),
        options={"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True},
        variant="nesterov",
    ),
    Call(
        "sgd_update",
        {"param": "NO", "grad": "NO", "velocity": "NO"},
        sgd_tolerance,
        state=("param", "velocity"),
        options={"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, **CLIPPED},
        variant="clipped",
    ),
    Call(
        "adagrad_update",
        {"param": "NO", "grad": "NO", "square": "NO"},
        adagrad_tolerance,
        state=("param", "square"),
        options={"lr": 0.1},
    ),
    Call(
        "adagrad_update",
        {"param": "NO", "grad": "NO", "square": "NO"},
        adagrad_tolerance,
        state=("param", "square"),
        options={"lr": 0.1, "eps": 0.03, "weight_decay": 0.01, **CLIPPED},
        variant="clipped",
    ),
    Call(
        "rmsprop_update",
        {"param": "NO", "grad": "NO", "square": "NO"},
        rmsprop_tolerance,
        state=("param", "square"),
        options={"lr": 0.1},
    ),
    Call(
        "rmsprop_update",
        {"param": "NO", "grad": "NO", "square": "NO", "velocity": "NO"},
        rmsprop_tolerance,
        state=("param", "square", "velocity"),
        options={"lr": 0.1, "alpha": 0.8, "momentum": 0.9, "weight_decay": 0.01, **CLIPPED},
        variant="momentum, clipped",
    ),
    Call(
        "adam_update",
        {"param": "NO", "grad": "NO", "mean": "NO", "square": "NO"},
        adam_tolerance,
        state=("param", "mean", "square"),
        options={"lr": 0.1, "step": 1},
    ),
    Call(
        "adam_update",
        {"param": "NO", "grad": "NO", "mean": "NO", "square": "NO"},
        adam_tolerance,
        state=("param", "mean", "square"),
        options={"lr": 0.1, "step": 1000, "beta1": 0.8, "weight_decay": 0.01, **CLIPPED},
        variant="clipped",
    ),
    Call(
        "adam_update",
        {"param": "NO", "grad": "NO", "mean": "NO", "square": "NO"},
        adam_tolerance,
        state=("param", "mean", "square"),
        options={"lr": 0.1, "step": 7, "decoupled": True, "weight_decay": 0.3},
        variant="decoupled",
    ),
    Call("sum_of_squares", {"x": "NO"}, sum_of_squares_tolerance),
]


def call_of(function, variant=""):
    """The row of a function."""
    (found,) = (c for c in CALLS if (c.function, c.variant) == (function, variant))
    return found
