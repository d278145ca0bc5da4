"""The one list of bricks: a row for each functional call, from which every common check is made.

`axes` gives each array argument its shape in the letters N, I, O; `outputs` does so for the
keyword arguments that receive results; `state` names the arguments that are updated in place and
are therefore as strict as outputs. A new brick adds its rows here and is tested the same day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handnn import functional
from tests import bounds, reference

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
            draw = RANGES.get(name, normal)
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


def shape_of(axes, sizes):
    return tuple(sizes[letter] for letter in axes)


def normal(rng, shape):
    return rng.normal(0, 2, shape)


def between_0_and_1(rng, shape):
    return rng.uniform(0, 1, shape)


RANGES = {"out": between_0_and_1, "sample_weight": between_0_and_1}


def affine_forward_tolerance(dtype, expected, x, w, b):
    return (bounds.of_sum(abs(x) @ abs(w) + abs(b), len(w) + 1, dtype),)


def affine_backward_tolerance(dtype, expected, dout, x, w):
    n, o = dout.shape
    return (
        bounds.of_sum(abs(dout) @ abs(w.T), o, dtype),
        bounds.of_sum(abs(x.T) @ abs(dout), n, dtype),
        bounds.of_sum(abs(dout).sum(axis=0), n, dtype),
    )


def no_sum(dtype, expected, **arguments):
    return tuple(bounds.without_sum(value, dtype) for value in expected)


def exact(dtype, expected, **arguments):
    return tuple(np.zeros_like(value) for value in expected)


def mse_loss_forward_tolerance(dtype, expected, pre, y_true, **options):
    """Each square is a few roundings of its dtype; they are added up in float64."""
    terms = bounds.without_sum(expected[0], dtype)
    return (terms + bounds.of_sum(expected[0], pre.size, np.float64),)


def sgd_tolerance(
    dtype,
    expected,
    param,
    grad,
    velocity=None,
    *,
    lr,
    momentum=0.0,
    nesterov=False,
    weight_decay=0.0,
):
    """The reference on absolute values, with a rate that adds, gives Σ|terms| of each result."""
    magnitudes = reference.sgd_update(
        abs(param),
        abs(grad),
        None if velocity is None else abs(velocity),
        lr=-lr,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
    )
    terms = [7 if nesterov else 4, 3]  # param, grad, decay, velocity; Nesterov's last three twice
    sums = (m for m in magnitudes if m is not None)
    return tuple(bounds.of_sum(m, k, dtype) for m, k in zip(sums, terms, strict=False))


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
]
