from __future__ import annotations

import collections.abc
import typing

import numpy
import numpy.typing

def affine_backward(
    dout: typing.Any,
    x: typing.Any,
    w: typing.Any,
    dx: typing.Any = None,
    dw: typing.Any = None,
    db: typing.Any = None,
) -> tuple[
    numpy.typing.NDArray[typing.Any],
    numpy.typing.NDArray[typing.Any],
    numpy.typing.NDArray[typing.Any],
]: ...
def affine_forward(
    x: typing.Any, w: typing.Any, b: typing.Any, out: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def cpu_info() -> dict[str, typing.Any]: ...
def get_num_threads() -> int: ...
def measure_fma_peak(seconds: typing.SupportsFloat | typing.SupportsIndex) -> float: ...
def measure_product(
    form: str,
    N: typing.SupportsInt | typing.SupportsIndex,
    I: typing.SupportsInt | typing.SupportsIndex,
    O: typing.SupportsInt | typing.SupportsIndex,
    float32: bool,
    seconds: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple[typing.Any, ...]: ...
def mse_loss_backward(
    pre: typing.Any,
    y_true: typing.Any,
    dout: typing.Any = 1.0,
    sample_weight: typing.Any = None,
    gradient: typing.Any = "exact",
    dx: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def mse_loss_forward(
    pre: typing.Any, y_true: typing.Any, sample_weight: typing.Any = None
) -> float: ...
def predictor(
    bricks: list[typing.Any], float32: bool
) -> collections.abc.Callable[[typing.Any, typing.Any], numpy.typing.NDArray[typing.Any]]: ...
def relu_backward(
    dout: typing.Any, x: typing.Any, dx: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def relu_forward(x: typing.Any, out: typing.Any = None) -> numpy.typing.NDArray[typing.Any]: ...
def row_order(
    count: typing.SupportsInt | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
    epoch: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[typing.Any]: ...
def set_num_threads(n: typing.SupportsInt | typing.SupportsIndex) -> None: ...
def sgd_update(
    param: typing.Any,
    grad: typing.Any,
    velocity: typing.Any,
    lr: typing.Any,
    momentum: typing.Any,
    nesterov: typing.Any,
    weight_decay: typing.Any,
) -> None: ...
def sigmoid_backward(
    dout: typing.Any, out: typing.Any, dx: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def sigmoid_forward(x: typing.Any, out: typing.Any = None) -> numpy.typing.NDArray[typing.Any]: ...
def train(
    bricks: list[typing.Any],
    exact_gradient: bool,
    lr: typing.SupportsFloat | typing.SupportsIndex,
    momentum: typing.SupportsFloat | typing.SupportsIndex,
    nesterov: bool,
    weight_decay: typing.SupportsFloat | typing.SupportsIndex,
    x: typing.Any,
    y: typing.Any,
    sample_weight: typing.Any,
    epochs: typing.SupportsInt | typing.SupportsIndex,
    batch_size: typing.SupportsInt | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex | None,
    first_epoch: typing.SupportsInt | typing.SupportsIndex,
    float32: bool,
    losses: list[typing.Any],
) -> None: ...
