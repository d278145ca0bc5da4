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


RANGES = {"out": between_0_and_1, "sample_weight": between_0_and_1, "square": between_0_and_1}


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


def elu_backward_tolerance(dtype, expected, dout, out, alpha=1.0):
    """out + alpha cancels, and alpha was rounded to the dtype: both of its terms count."""
    slope = np.where(out < 0, abs(out) + alpha, 1)
    return (bounds.without_sum(abs(dout) * slope, dtype),)


def silu_forward_tolerance(dtype, expected, x):
    """sigmoid rounds like a number that is at least the smallest normal one, and x magnifies it."""
    s = np.maximum(reference.sigmoid_forward(x), np.finfo(dtype).tiny)
    return (bounds.without_sum(abs(x) * s, dtype),)


def silu_backward_tolerance(dtype, expected, dout, x):
    """s + x·s·(1 - s) with a plus in every place: 1 - s is as wrong as s."""
    s = np.maximum(reference.sigmoid_forward(x), np.finfo(dtype).tiny)
    return (bounds.without_sum(abs(dout) * (s + abs(x) * s * (1 + s)), dtype),)


def normal_cdf_magnitude(dtype, x):
    """Φ, and |x|·φ(x): what a relative error of its argument makes of it."""
    cdf = np.maximum(reference._normal_cdf(x), np.finfo(dtype).tiny)
    return cdf + abs(x) * reference._normal_pdf(x)


def gelu_forward_tolerance(dtype, expected, x):
    """x times Φ, which is as wrong as its argument."""
    return (bounds.without_sum(abs(x) * normal_cdf_magnitude(dtype, x), dtype),)


def gelu_backward_tolerance(dtype, expected, dout, x):
    """Φ + x·φ with a plus; φ = exp(-x²/2)/√2π is wrong by 1, and by x² for its argument."""
    pdf = np.maximum(reference._normal_pdf(x), np.finfo(dtype).tiny) * (1 + x * x)
    magnitude = normal_cdf_magnitude(dtype, x) + abs(x) * pdf
    return (bounds.without_sum(abs(dout) * magnitude, dtype),)


def gate_magnitude(dtype, x):
    """s = sigmoid(2u), and |2u|·s·(1 - s): what a relative error of 2u makes of it."""
    t, slope = reference._gelu_tanh_argument(x)
    s = np.maximum(reference.sigmoid_forward(t), np.finfo(dtype).tiny)
    return s, abs(t) * s * (1 - s), slope


def gelu_tanh_forward_tolerance(dtype, expected, x):
    """x times the gate, which is as wrong as its argument."""
    s, from_argument, _ = gate_magnitude(dtype, x)
    return (bounds.without_sum(abs(x) * (s + from_argument), dtype),)


def gelu_tanh_backward_tolerance(dtype, expected, dout, x):
    """s + x·s·(1 - s)·d(2u)/dx with a plus in every place, both s as wrong as 2u."""
    s, from_argument, slope = gate_magnitude(dtype, x)
    magnitude = s + from_argument + abs(x) * slope * (s * (1 + s) + from_argument)
    return (bounds.without_sum(abs(dout) * magnitude, dtype),)


def mse_loss_forward_tolerance(dtype, expected, pre, y_true, **options):
    """Each square is a few roundings of its dtype; they are added up in float64."""
    terms = bounds.without_sum(expected[0], dtype)
    return (terms + bounds.of_sum(expected[0], pre.size, np.float64),)


def sgd_tolerance(dtype, expected, param, grad, velocity=None, *, lr, nesterov=False, **options):
    """The reference on absolute values, with a rate that adds, gives Σ|terms| of each result."""
    magnitudes = reference.sgd_update(
        abs(param),
        abs(grad),
        None if velocity is None else abs(velocity),
        lr=-lr,
        nesterov=nesterov,
        **options,
    )
    terms = [7 if nesterov else 4, 3]  # param, grad, decay, velocity; Nesterov's last three twice
    sums = (m for m in magnitudes if m is not None)
    return tuple(bounds.of_sum(m, k, dtype) for m, k in zip(sums, terms, strict=False))


def gradient_size(param, grad, weight_decay=0.0, grad_scale=1.0, clip_value=np.inf):
    """g = grad, scaled and clipped, + weight_decay·param, and the same with a plus."""
    g = np.clip(grad * grad_scale, -clip_value, clip_value)
    return g + weight_decay * param, abs(g) + weight_decay * abs(param)


def quotient_size(value, size, weight, g_size, divisor):
    """value / (√(... + weight·g²) + eps), with `size` for its Σ|terms|.

    An error d of g makes one of weight·|g|·d / √(...) of the root, which is at most √weight·d,
    since the root is at least √weight·|g|.
    """
    return size / divisor + abs(value) * np.sqrt(weight) * g_size / divisor**2


def adagrad_tolerance(dtype, expected, param, grad, square, *, lr, eps=1e-10, **options):
    """Six for the param: itself, lr, grad, decay, the root and the quotient."""
    g, size = gradient_size(param, grad, **options)
    steps = quotient_size(g, size, 1, size, np.sqrt(expected[1]) + eps)
    return (
        bounds.of_sum(abs(param) + lr * steps, 6, dtype),
        bounds.of_sum(square + size**2, 4, dtype),
    )


def rmsprop_tolerance(
    dtype,
    expected,
    param,
    grad,
    square,
    velocity=None,
    *,
    lr,
    alpha=0.99,
    eps=1e-8,
    momentum=0.0,
    **options,
):
    """As AdaGrad's, and one more for the velocity."""
    g, size = gradient_size(param, grad, **options)
    steps = quotient_size(g, size, 1 - alpha, size, np.sqrt(expected[1]) + eps)
    if velocity is not None:
        steps = momentum * abs(velocity) + steps
    return (
        bounds.of_sum(abs(param) + lr * steps, 7, dtype),
        bounds.of_sum(alpha * square + (1 - alpha) * size**2, 4, dtype),
        bounds.of_sum(steps, 6, dtype),
    )[: len(expected)]


def adam_tolerance(
    dtype,
    expected,
    param,
    grad,
    mean,
    square,
    *,
    step,
    lr,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    decoupled=False,
    weight_decay=0.0,
    **options,
):
    """As RMSProp's, with the mean above the root."""
    _, size = gradient_size(param, grad, 0.0 if decoupled else weight_decay, **options)
    mean_size = beta1 * abs(mean) + (1 - beta1) * size
    correction = 1 - beta2**step
    divisor = np.sqrt(expected[2] / correction) + eps
    steps = quotient_size(expected[1], mean_size, (1 - beta2) / correction, size, divisor)
    return (
        bounds.of_sum(abs(param) + lr / (1 - beta1**step) * steps, 7, dtype),
        bounds.of_sum(mean_size, 4, dtype),
        bounds.of_sum(beta2 * square + (1 - beta2) * size**2, 4, dtype),
    )


def sum_of_squares_tolerance(dtype, expected, x):
    """Squares and sums are in float64, and no term is negative."""
    return (bounds.of_sum(expected[0], x.size, np.float64),)


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
