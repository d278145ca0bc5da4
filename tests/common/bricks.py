"""The one list of bricks: a row for each functional call, from which every common check is made.

What a row says: `tests.common.call`. A new brick adds its rows here, a loss in
`tests.common.calls_of_losses`, and is tested the same day.
"""

from __future__ import annotations

from tests.common.call import DTYPES, SIZES, Call, between_minus_1_and_1, codes_first, shape_of
from tests.common.calls_of_losses import CALLS_OF_LOSSES
from tests.common.tolerances import (
    adagrad_tolerance,
    adam_tolerance,
    affine_backward_tolerance,
    affine_forward_tolerance,
    elu_backward_tolerance,
    embedding_backward_tolerance,
    exact,
    gelu_backward_tolerance,
    gelu_forward_tolerance,
    gelu_tanh_backward_tolerance,
    gelu_tanh_forward_tolerance,
    no_sum,
    rmsprop_tolerance,
    sgd_tolerance,
    silu_backward_tolerance,
    silu_forward_tolerance,
    sum_of_squares_tolerance,
)

__all__ = ["CALLS", "DTYPES", "SIZES", "Call", "call_of", "shape_of"]

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
    *CALLS_OF_LOSSES,
    Call(
        "dropout_forward",
        {"x": "NO"},
        no_sum,
        {"out": "NO"},
        options={"p": 0.3, "seed": 20221214, "step": 5},
    ),
    Call(
        "dropout_backward",
        {"dout": "NO"},
        no_sum,
        {"dx": "NO"},
        options={"p": 0.3, "seed": 20221214, "step": 5},
    ),
    Call(
        "dropout_forward",
        {"x": "NO"},
        exact,
        {"out": "NO"},
        options={"p": 0.75, "seed": 2**63 - 1, "step": 2**63 - 1},
        variant="exact factor",
    ),
    Call(
        "embedding_forward",
        {"x": "NX", "w": "KO"},
        exact,
        {"out": "NY"},
        ranges={"x": codes_first},
        value_checked=("x",),
    ),
    Call(
        "embedding_backward",
        {"dout": "NY", "x": "NX", "w": "KO"},
        embedding_backward_tolerance,
        {"dx": "NX", "dw": "KO"},
        ranges={"x": codes_first},
        value_checked=("x",),
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
