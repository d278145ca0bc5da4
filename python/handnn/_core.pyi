from __future__ import annotations

import collections.abc
import typing

import numpy
import numpy.typing

class Stop:
    def __init__(self) -> None: ...
    def set(self) -> None: ...
    @property
    def is_set(self) -> bool: ...

class BatchSampler:
    def __init__(
        self,
        batch_size: typing.SupportsInt | typing.SupportsIndex,
        rows_per_epoch: typing.SupportsInt | typing.SupportsIndex,
        seed: typing.SupportsInt | typing.SupportsIndex | None,
        replacement: bool,
    ) -> None: ...
    def order(
        self,
        n_rows: typing.SupportsInt | typing.SupportsIndex,
        epoch: typing.SupportsInt | typing.SupportsIndex,
    ) -> numpy.typing.NDArray[typing.Any]: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def replacement(self) -> bool: ...
    @property
    def rows_per_epoch(self) -> int: ...
    @property
    def seed(self) -> int | None: ...
    @property
    def steps(self) -> int: ...

class TrainingSpan:
    def __init__(
        self,
        epochs: typing.SupportsInt | typing.SupportsIndex,
        first_epoch: typing.SupportsInt | typing.SupportsIndex,
        first_step: typing.SupportsInt | typing.SupportsIndex = 0,
        total: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    ) -> None: ...
    @property
    def epochs(self) -> int: ...
    @property
    def first_step(self) -> int: ...

class TrainingRequest:
    def __init__(
        self,
        program: tuple[
            list[typing.Any],
            tuple[str, typing.SupportsFloat | typing.SupportsIndex, typing.Any, bool],
            tuple[
                str, dict[str, typing.Any], typing.SupportsFloat | typing.SupportsIndex, typing.Any
            ],
            bool,
        ],
        rows: tuple[typing.Any, ...],
        sampler: BatchSampler,
        span: TrainingSpan,
        outputs: typing.Any,
        threads: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...

class TrainingResult:
    def __init__(self) -> None: ...
    @property
    def epochs(self) -> list[tuple[float, float]]: ...
    @property
    def steps(self) -> int: ...
    @property
    def total(self) -> float: ...

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
def batch_norm_backward(
    dout: typing.Any,
    x: typing.Any,
    gamma: typing.Any,
    mean: typing.Any,
    var: typing.Any,
    eps: typing.Any,
    training: typing.Any,
    dx: typing.Any = None,
    dgamma: typing.Any = None,
    dbeta: typing.Any = None,
) -> tuple[
    numpy.typing.NDArray[typing.Any],
    numpy.typing.NDArray[typing.Any],
    numpy.typing.NDArray[typing.Any],
]: ...
def batch_norm_forward(
    x: typing.Any,
    gamma: typing.Any,
    beta: typing.Any,
    mean: typing.Any,
    var: typing.Any,
    eps: typing.Any,
    out: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def batch_norm_statistics(
    x: typing.Any, mean: typing.Any = None, var: typing.Any = None
) -> tuple[numpy.typing.NDArray[typing.Any], numpy.typing.NDArray[typing.Any]]: ...
def batch_norm_update(
    running_mean: typing.Any,
    running_var: typing.Any,
    mean: typing.Any,
    var: typing.Any,
    rows: typing.SupportsInt | typing.SupportsIndex,
    momentum: typing.Any,
) -> None: ...
def bce_with_logits_backward(
    pre: typing.Any,
    y_true: typing.Any,
    dout: typing.Any = 1.0,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
    dx: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def bce_with_logits_forward(
    pre: typing.Any,
    y_true: typing.Any,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
) -> float: ...
def check_targets(
    function: str,
    loss: str,
    setting: typing.SupportsFloat | typing.SupportsIndex,
    numbers: typing.Any,
    y: typing.Any,
    outputs: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def clip_scale(
    clip_norm: typing.SupportsFloat | typing.SupportsIndex,
    sum_of_squares: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def cpu_info() -> dict[str, typing.Any]: ...
def dropout_backward(
    dout: typing.Any,
    p: typing.Any,
    seed: typing.SupportsInt | typing.SupportsIndex,
    step: typing.SupportsInt | typing.SupportsIndex,
    dx: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def dropout_forward(
    x: typing.Any,
    p: typing.Any,
    seed: typing.SupportsInt | typing.SupportsIndex,
    step: typing.SupportsInt | typing.SupportsIndex,
    out: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def elu_backward(
    dout: typing.Any, out: typing.Any, alpha: typing.Any, dx: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def elu_forward(
    x: typing.Any, alpha: typing.Any, out: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def embedding_backward(
    dout: typing.Any,
    x: typing.Any,
    w: typing.Any,
    column: typing.SupportsInt | typing.SupportsIndex,
    dx: typing.Any = None,
    dw: typing.Any = None,
) -> tuple[numpy.typing.NDArray[typing.Any], numpy.typing.NDArray[typing.Any]]: ...
def embedding_forward(
    x: typing.Any,
    w: typing.Any,
    column: typing.SupportsInt | typing.SupportsIndex,
    out: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def gaussian_nll_backward(
    pre: typing.Any,
    y_true: typing.Any,
    dout: typing.Any = 1.0,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
    dx: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def gaussian_nll_forward(
    pre: typing.Any,
    y_true: typing.Any,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
) -> float: ...
def gelu_backward(
    dout: typing.Any, x: typing.Any, dx: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def gelu_forward(x: typing.Any, out: typing.Any = None) -> numpy.typing.NDArray[typing.Any]: ...
def gelu_tanh_backward(
    dout: typing.Any, x: typing.Any, dx: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def gelu_tanh_forward(
    x: typing.Any, out: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def get_num_threads() -> int: ...
def huber_backward(
    pre: typing.Any,
    y_true: typing.Any,
    dout: typing.Any = 1.0,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
    dx: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def huber_forward(
    pre: typing.Any,
    y_true: typing.Any,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
) -> float: ...
def largest_columns(pre: typing.Any) -> numpy.typing.NDArray[typing.Any]: ...
def layer_norm_backward(
    dout: typing.Any,
    x: typing.Any,
    gamma: typing.Any,
    mean: typing.Any,
    rstd: typing.Any,
    dx: typing.Any = None,
    dgamma: typing.Any = None,
    dbeta: typing.Any = None,
) -> tuple[
    numpy.typing.NDArray[typing.Any],
    numpy.typing.NDArray[typing.Any],
    numpy.typing.NDArray[typing.Any],
]: ...
def layer_norm_forward(
    x: typing.Any,
    gamma: typing.Any,
    beta: typing.Any,
    eps: typing.Any,
    out: typing.Any = None,
    mean: typing.Any = None,
    rstd: typing.Any = None,
) -> tuple[
    numpy.typing.NDArray[typing.Any],
    numpy.typing.NDArray[typing.Any],
    numpy.typing.NDArray[typing.Any],
]: ...
def leaky_relu_backward(
    dout: typing.Any, x: typing.Any, slope: typing.Any, dx: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def leaky_relu_forward(
    x: typing.Any, slope: typing.Any, out: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def mae_backward(
    pre: typing.Any,
    y_true: typing.Any,
    dout: typing.Any = 1.0,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
    dx: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def mae_forward(
    pre: typing.Any,
    y_true: typing.Any,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
) -> float: ...
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
def optimizer_update(
    kind: str,
    param: typing.Any,
    grad: typing.Any,
    state_0: typing.Any,
    state_1: typing.Any,
    settings: dict[str, typing.Any],
) -> None: ...
def poisson_nll_backward(
    pre: typing.Any,
    y_true: typing.Any,
    dout: typing.Any = 1.0,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
    dx: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def poisson_nll_forward(
    pre: typing.Any,
    y_true: typing.Any,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
) -> float: ...
def predictor(
    bricks: list[typing.Any], float32: bool
) -> collections.abc.Callable[[typing.Any, typing.Any], numpy.typing.NDArray[typing.Any]]: ...
def quantile_backward(
    pre: typing.Any,
    y_true: typing.Any,
    dout: typing.Any = 1.0,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
    dx: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def quantile_forward(
    pre: typing.Any,
    y_true: typing.Any,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
) -> float: ...
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
def sigmoid_backward(
    dout: typing.Any, out: typing.Any, dx: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def sigmoid_forward(x: typing.Any, out: typing.Any = None) -> numpy.typing.NDArray[typing.Any]: ...
def silu_backward(
    dout: typing.Any, x: typing.Any, dx: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def silu_forward(x: typing.Any, out: typing.Any = None) -> numpy.typing.NDArray[typing.Any]: ...
def softmax_backward(
    dout: typing.Any, out: typing.Any, dx: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def softmax_cross_entropy_backward(
    pre: typing.Any,
    y_true: typing.Any,
    dout: typing.Any = 1.0,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
    dx: typing.Any = None,
) -> numpy.typing.NDArray[typing.Any]: ...
def softmax_cross_entropy_forward(
    pre: typing.Any,
    y_true: typing.Any,
    sample_weight: typing.Any = None,
    setting: typing.Any = 0.0,
    numbers: typing.Any = None,
) -> float: ...
def softmax_forward(x: typing.Any, out: typing.Any = None) -> numpy.typing.NDArray[typing.Any]: ...
def softplus_backward(
    dout: typing.Any, x: typing.Any, dx: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def softplus_forward(x: typing.Any, out: typing.Any = None) -> numpy.typing.NDArray[typing.Any]: ...
def sum_of_squares(x: typing.Any) -> float: ...
def tanh_backward(
    dout: typing.Any, out: typing.Any, dx: typing.Any = None
) -> numpy.typing.NDArray[typing.Any]: ...
def tanh_forward(x: typing.Any, out: typing.Any = None) -> numpy.typing.NDArray[typing.Any]: ...
def train(request: TrainingRequest, result: TrainingResult, stop: Stop) -> None: ...
