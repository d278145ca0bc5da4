"""Calls of the layers other than activations, and their bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import DTypeLike

from handnn.arrays import Array
from handnn.layers import Affine, Residual
from handnn.reference import layers
from handnn.reference.bounds import Bound, Bounds, exact, no_sum, of_sum, without_sum
from handnn.reference.calls.call import Call, Numbers, Returned, Sizes, normal, shape_of

Results = tuple[Array, ...]


def affine_forward_bound(
    dtype: DTypeLike, expected: Results, x: Array, w: Array, b: Array
) -> Bounds:
    """Bound sums of I products and a bias."""
    return (of_sum(abs(x) @ abs(w) + abs(b), len(w) + 1, dtype),)


def affine_backward_bound(
    dtype: DTypeLike, expected: Results, dout: Array, x: Array, w: Array
) -> Bounds:
    """Bound sums over O for dx, and over N for dw and db."""
    N, O = dout.shape
    return (
        of_sum(abs(dout) @ abs(w.T), O, dtype),
        of_sum(abs(x.T) @ abs(dout), N, dtype),
        of_sum(abs(dout).sum(axis=0), N, dtype),
    )


def embedding_backward_bound(
    dtype: DTypeLike, expected: Results, dout: Array, x: Array, w: Array, column: int
) -> Bounds:
    """Bound dx, a copy, by 0, and the rows of dw as sums over at most N rows."""
    dx, sums = layers.embedding_backward(abs(dout), x, w, column)
    return np.zeros(dx.shape), of_sum(sums, len(x), dtype)


def residual_forward_bound(
    dtype: DTypeLike, expected: Results, x: Array, w: Array, b: Array
) -> Bounds:
    """Bound sums of I products, a bias and x."""
    return (of_sum(abs(x) + abs(x) @ abs(w) + abs(b), len(w) + 2, dtype),)


def residual_backward_bound(dtype: DTypeLike, expected: Results, dout: Array, w: Array) -> Bounds:
    """Bound sums of I products and dout."""
    return (of_sum(abs(dout) + abs(dout) @ abs(w.T), len(w) + 1, dtype),)


def softmax_forward_bound(dtype: DTypeLike, expected: Results, x: Array) -> Bounds:
    """Bound the quotient; exp magnifies the rounding of x - max, also in each term of the sum."""
    (out,) = expected
    if out.size == 0:
        return (np.zeros(out.shape),)
    largest = x.max(axis=1, keepdims=True)
    size = 1 + np.where(np.isfinite(x), abs(x - largest), 0)
    size = size + np.nansum(out * size, axis=1, keepdims=True)
    return (without_sum(out * size, dtype) + of_sum(out, x.shape[1], dtype),)


def softmax_backward_bound(dtype: DTypeLike, expected: Results, dout: Array, out: Array) -> Bounds:
    """Bound the formula by the absolute values of its terms: those of the sum and three more."""
    size = abs(out) * (abs(dout) + abs(dout * out).sum(axis=1, keepdims=True))
    size = np.maximum(size, float(np.finfo(dtype).tiny))
    return (of_sum(size, dout.shape[1] + 3, dtype),)


def moments_bound(dtype: DTypeLike, x: Array, axis: int) -> tuple[Bound, Bound]:
    """Return the bounds of mean and biased variance along an axis.

    Each d = x - mean has the error of the mean and one rounding; d² has both twice.
    """
    n_terms = max(x.shape[axis], 1)
    mean = x.sum(axis=axis, keepdims=True) / n_terms
    mean_error = of_sum(abs(x).sum(axis=axis, keepdims=True) / n_terms, n_terms + 1, dtype)
    d = abs(x - mean)
    d_error = mean_error + float(np.finfo(dtype).eps) * d
    squares = (d * d).sum(axis=axis, keepdims=True) / n_terms
    crossed = (2 * d * d_error + d_error**2).sum(axis=axis, keepdims=True) / n_terms
    return mean_error, crossed + of_sum(squares, n_terms + 2, dtype)


def layer_norm_forward_bound(
    dtype: DTypeLike, expected: Results, x: Array, gamma: Array, beta: Array, *, eps: float
) -> Bounds:
    """Bound out, mean and rstd; the relative error of rstd is half that of var."""
    mean_error, var_error = moments_bound(dtype, x, 1)
    mean, rstd = expected[1][:, None], expected[2][:, None]
    rstd_error = rstd * (var_error * rstd**2 / 2) + without_sum(rstd, dtype)
    x_hat = abs(x - mean) * rstd
    x_hat_error = mean_error * rstd + abs(x - mean) * rstd_error
    rounding = without_sum(x_hat * abs(gamma) + abs(beta), dtype)
    return x_hat_error * abs(gamma) + rounding, mean_error[:, 0], rstd_error[:, 0]


def layer_norm_backward_bound(
    dtype: DTypeLike,
    expected: Results,
    dout: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    rstd: Array,
) -> Bounds:
    """Bound the formulas by the absolute values of their terms: those of each sum and six more."""
    N, O = x.shape
    rstd = abs(rstd[:, None])
    x_hat, g = (abs(x) + abs(mean[:, None])) * rstd, abs(dout * gamma)
    sums = g.sum(axis=1, keepdims=True) + x_hat * (g * x_hat).sum(axis=1, keepdims=True)
    return (
        of_sum(rstd * (g + sums / max(O, 1)), O + 6, dtype),
        of_sum((abs(dout) * x_hat).sum(axis=0), N + 2, dtype),
        of_sum(abs(dout).sum(axis=0), N, dtype),
    )


def batch_norm_statistics_bound(dtype: DTypeLike, expected: Results, x: Array) -> Bounds:
    """Bound the moments of each column."""
    mean_error, var_error = moments_bound(dtype, x, 0)
    return mean_error[0], var_error[0]


def batch_norm_update_bound(
    dtype: DTypeLike,
    expected: Results,
    running_mean: Array,
    running_var: Array,
    mean: Array,
    var: Array,
    *,
    rows: int,
    momentum: float,
) -> Bounds:
    """Bound two products with a rounded momentum; one also has the factor rows / (rows - 1)."""
    magnitudes = layers.batch_norm_update(
        abs(running_mean), abs(running_var), abs(mean), abs(var), rows=rows, momentum=momentum
    )
    return tuple(of_sum(magnitude, 4, dtype) for magnitude in magnitudes)


def batch_norm_forward_bound(
    dtype: DTypeLike,
    expected: Results,
    x: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    var: Array,
    *,
    eps: float,
) -> Bounds:
    """Bound the three terms of the formula, and the roundings of gamma / √(var + eps)."""
    scale = abs(gamma) / np.sqrt(var + eps)
    return (of_sum((abs(x) + abs(mean)) * scale + abs(beta), 5, dtype),)


def batch_norm_backward_bound(
    dtype: DTypeLike,
    expected: Results,
    dout: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    var: Array,
    **settings: float,
) -> Bounds:
    """Bound the gradients like those of LayerNorm, with sums over rows."""
    N = len(x)
    rstd = 1 / np.sqrt(var + settings["eps"])
    x_hat = (abs(x) + abs(mean)) * rstd
    dgamma, dbeta = (abs(dout) * x_hat).sum(axis=0), abs(dout).sum(axis=0)
    sums = (dbeta + x_hat * dgamma) / max(N, 1) if settings["training"] else 0
    return (
        of_sum(abs(gamma) * rstd * (abs(dout) + sums), N + 8, dtype),
        of_sum(dgamma, N + 4, dtype),
        of_sum(dbeta, N, dtype),
    )


def codes_first(rng: np.random.Generator, shape: tuple[int, ...], sizes: Sizes) -> Numbers:
    """Draw normal numbers, and codes of an Embedding in the first column."""
    numbers = normal(rng, shape, sizes)
    numbers[:, :1] = rng.integers(shape_of("K", sizes)[0], size=(len(numbers), 1))
    return numbers


AFFINE_FORWARD = Call(
    "affine_forward", {"x": "NI", "w": "IO", "b": "O"}, affine_forward_bound, {"out": "NO"}
)
AFFINE_BACKWARD = Call(
    "affine_backward",
    {"dout": "NO", "x": "NI", "w": "IO"},
    affine_backward_bound,
    {"dx": "NI", "dw": "IO", "db": "O"},
)
DROPOUT_FORWARD = Call("dropout_forward", {"x": "NO"}, no_sum, {"out": "NO"})
DROPOUT_BACKWARD = Call("dropout_backward", {"dout": "NO"}, no_sum, {"dx": "NO"})
EMBEDDING_FORWARD = Call(
    "embedding_forward",
    {"x": "NX", "w": "KO"},
    exact,
    {"out": "NY"},
    samples={"x": codes_first},
    value_checked=("x",),
)
EMBEDDING_BACKWARD = Call(
    "embedding_backward",
    {"dout": "NY", "x": "NX", "w": "KO"},
    embedding_backward_bound,
    {"dx": "NX", "dw": "KO"},
    samples={"x": codes_first},
    value_checked=("x",),
)
SOFTMAX_FORWARD = Call("softmax_forward", {"x": "NO"}, softmax_forward_bound, {"out": "NO"})
SOFTMAX_BACKWARD = Call(
    "softmax_backward", {"dout": "NO", "out": "NO"}, softmax_backward_bound, {"dx": "NO"}
)
LAYER_NORM_FORWARD = Call(
    "layer_norm_forward",
    {"x": "NO", "gamma": "O", "beta": "O"},
    layer_norm_forward_bound,
    {"out": "NO", "mean": "N", "rstd": "N"},
)
LAYER_NORM_BACKWARD = Call(
    "layer_norm_backward",
    {"dout": "NO", "x": "NO", "gamma": "O", "mean": "N", "rstd": "N"},
    layer_norm_backward_bound,
    {"dx": "NO", "dgamma": "O", "dbeta": "O"},
)
BATCH_NORM_STATISTICS = Call(
    "batch_norm_statistics", {"x": "NO"}, batch_norm_statistics_bound, {"mean": "O", "var": "O"}
)
BATCH_NORM_UPDATE = Call(
    "batch_norm_update",
    {"running_mean": "O", "running_var": "O", "mean": "O", "var": "O"},
    batch_norm_update_bound,
    state=("running_mean", "running_var"),
)
BATCH_NORM_FORWARD = Call(
    "batch_norm_forward",
    {"x": "NO", "gamma": "O", "beta": "O", "mean": "O", "var": "O"},
    batch_norm_forward_bound,
    {"out": "NO"},
)
BATCH_NORM_BACKWARD = Call(
    "batch_norm_backward",
    {"dout": "NO", "x": "NO", "gamma": "O", "mean": "O", "var": "O"},
    batch_norm_backward_bound,
    {"dx": "NO", "dgamma": "O", "dbeta": "O"},
)

CALLS = [
    AFFINE_FORWARD,
    AFFINE_BACKWARD,
    DROPOUT_FORWARD.with_options(p=0.3, seed=20221214, step=5),
    DROPOUT_BACKWARD.with_options(p=0.3, seed=20221214, step=5),
    replace(DROPOUT_FORWARD, bound=exact).with_options(
        "exact factor", p=0.75, seed=2**63 - 1, step=2**63 - 1
    ),
    EMBEDDING_FORWARD,
    EMBEDDING_BACKWARD,
    SOFTMAX_FORWARD,
    SOFTMAX_BACKWARD,
    LAYER_NORM_FORWARD,
    LAYER_NORM_FORWARD.with_options("eps", eps=0.3),
    LAYER_NORM_BACKWARD,
    BATCH_NORM_STATISTICS,
    BATCH_NORM_UPDATE.with_options(rows=5),
    BATCH_NORM_UPDATE.with_options("momentum", rows=2, momentum=0.7),
    BATCH_NORM_FORWARD.with_options(eps=1e-3),
    BATCH_NORM_BACKWARD,
    BATCH_NORM_BACKWARD.with_options("prediction", eps=1e-3, training=False),
]


class ResidualCall(Call):
    """The call of a Residual with an Affine as its block; no function computes a Residual."""

    def call(self, arrays: Mapping[str, object], **outputs: object) -> Returned:
        """Run the brick forward, or backward after a forward with zeros."""
        given = {name: np.asarray(array) for name, array in arrays.items()}
        w = given["w"]
        layer = Residual([Affine(w, given.get("b", np.zeros(len(w), w.dtype)))])
        if self.function == "residual_forward":
            return layer.forward(given["x"])
        layer.forward(np.zeros_like(given["dout"]))
        return layer.backward(given["dout"])

    @property
    def results(self) -> list[str]:
        """The name of the only result."""
        return ["forward" if self.function == "residual_forward" else "dx"]


RESIDUAL_CALLS = [
    ResidualCall("residual_forward", {"x": "NI", "w": "II", "b": "I"}, residual_forward_bound),
    ResidualCall("residual_backward", {"dout": "NI", "w": "II"}, residual_backward_bound),
]
