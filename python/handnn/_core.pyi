from __future__ import annotations

import collections.abc
import types
import typing

import numpy
import numpy.typing

class Updates:
    def __enter__(self) -> None: ...
    def __exit__(self, error: typing.Any, value: typing.Any, traceback: typing.Any) -> None: ...
    def __init__(self) -> None: ...

class Stop:
    def __init__(self) -> None: ...
    def pause(self) -> None: ...
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
    ) -> numpy.typing.NDArray[numpy.int64]: ...
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
            list[
                tuple[
                    str,
                    collections.abc.Mapping[str, float | tuple[int, ...]],
                    collections.abc.Mapping[str, numpy.typing.NDArray[numpy.floating]],
                    collections.abc.Mapping[
                        str,
                        tuple[
                            collections.abc.Sequence[numpy.typing.NDArray[numpy.floating]],
                            float,
                            float,
                        ],
                    ],
                ]
            ],
            tuple[
                str,
                typing.SupportsFloat | typing.SupportsIndex,
                numpy.typing.NDArray[numpy.floating] | None,
                bool,
            ],
            tuple[
                str,
                dict[str, float],
                typing.SupportsFloat | typing.SupportsIndex,
                numpy.typing.NDArray[numpy.float64] | None,
            ],
            bool,
        ],
        rows: tuple[numpy.typing.NDArray[numpy.floating], ...],
        held_out: tuple[numpy.typing.NDArray[numpy.floating], ...],
        sampler: BatchSampler,
        span: TrainingSpan,
        outputs: numpy.typing.NDArray[numpy.floating] | None,
        threads: typing.SupportsInt | typing.SupportsIndex,
        sharding: tuple[
            typing.SupportsInt | typing.SupportsIndex,
            typing.SupportsInt | typing.SupportsIndex,
            typing.SupportsInt | typing.SupportsIndex,
            typing.Any,
        ],
    ) -> None: ...

class TrainingResult:
    def __init__(self) -> None: ...
    @property
    def held_out(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def losses(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def seconds(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def steps(self) -> int: ...
    @property
    def total(self) -> float: ...

def affine_backward(
    dout: numpy.typing.ArrayLike,
    x: numpy.typing.ArrayLike,
    w: numpy.typing.ArrayLike,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
    dw: numpy.typing.NDArray[numpy.floating] | None = None,
    db: numpy.typing.NDArray[numpy.floating] | None = None,
) -> tuple[
    numpy.typing.NDArray[numpy.floating],
    numpy.typing.NDArray[numpy.floating],
    numpy.typing.NDArray[numpy.floating],
]: ...
def affine_forward(
    x: numpy.typing.ArrayLike,
    w: numpy.typing.ArrayLike,
    b: numpy.typing.ArrayLike,
    out: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def bag_predictor(
    networks: list[
        list[
            tuple[
                str,
                collections.abc.Mapping[str, float | tuple[int, ...]],
                collections.abc.Mapping[str, numpy.typing.NDArray[numpy.floating]],
                collections.abc.Mapping[
                    str,
                    tuple[
                        collections.abc.Sequence[numpy.typing.NDArray[numpy.floating]], float, float
                    ],
                ],
            ]
        ]
    ],
    float32: bool,
) -> collections.abc.Callable[
    [numpy.typing.ArrayLike], numpy.typing.NDArray[numpy.floating] | None
]: ...
def batch_norm_backward(
    dout: numpy.typing.ArrayLike,
    x: numpy.typing.ArrayLike,
    gamma: numpy.typing.ArrayLike,
    mean: numpy.typing.ArrayLike,
    var: numpy.typing.ArrayLike,
    eps: float,
    training: bool,
    grads: tuple[
        numpy.typing.NDArray[numpy.floating] | None,
        numpy.typing.NDArray[numpy.floating] | None,
        numpy.typing.NDArray[numpy.floating] | None,
    ],
) -> tuple[
    numpy.typing.NDArray[numpy.floating],
    numpy.typing.NDArray[numpy.floating],
    numpy.typing.NDArray[numpy.floating],
]: ...
def batch_norm_dx(
    dout: numpy.typing.ArrayLike,
    x: numpy.typing.ArrayLike,
    gamma: numpy.typing.ArrayLike,
    statistics: tuple[numpy.typing.NDArray[numpy.floating], numpy.typing.NDArray[numpy.floating]],
    eps: float,
    grads: tuple[numpy.typing.NDArray[numpy.floating], numpy.typing.NDArray[numpy.floating]],
    batch_rows: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.floating]: ...
def batch_norm_forward(
    x: numpy.typing.ArrayLike,
    gamma: numpy.typing.ArrayLike,
    beta: numpy.typing.ArrayLike,
    mean: numpy.typing.ArrayLike,
    var: numpy.typing.ArrayLike,
    eps: float,
    out: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def batch_norm_merge(
    mean: numpy.typing.NDArray[numpy.floating],
    var: numpy.typing.NDArray[numpy.floating],
    more_mean: numpy.typing.ArrayLike,
    more_var: numpy.typing.ArrayLike,
    rows: typing.SupportsInt | typing.SupportsIndex,
    more_rows: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def batch_norm_statistics(
    x: numpy.typing.ArrayLike,
    mean: numpy.typing.NDArray[numpy.floating] | None = None,
    var: numpy.typing.NDArray[numpy.floating] | None = None,
) -> tuple[numpy.typing.NDArray[numpy.floating], numpy.typing.NDArray[numpy.floating]]: ...
def batch_norm_update(
    running_mean: numpy.typing.NDArray[numpy.floating],
    running_var: numpy.typing.NDArray[numpy.floating],
    mean: numpy.typing.ArrayLike,
    var: numpy.typing.ArrayLike,
    rows: typing.SupportsInt | typing.SupportsIndex,
    momentum: float,
) -> None: ...
def bce_with_logits_backward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    dout: float = 1.0,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def bce_with_logits_forward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
) -> float: ...
def check_targets(
    function: str,
    loss: str,
    setting: typing.SupportsFloat | typing.SupportsIndex,
    numbers: numpy.typing.ArrayLike | None,
    y: numpy.typing.ArrayLike,
    outputs: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def clip_scale(
    clip_norm: typing.SupportsFloat | typing.SupportsIndex,
    sum_of_squares: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def cpu_info() -> dict[str, str | bool | list[str]]: ...
def dropout_backward(
    dout: numpy.typing.ArrayLike,
    p: float,
    seed: typing.SupportsInt | typing.SupportsIndex,
    step: typing.SupportsInt | typing.SupportsIndex,
    first: typing.SupportsInt | typing.SupportsIndex,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def dropout_forward(
    x: numpy.typing.ArrayLike,
    p: float,
    seed: typing.SupportsInt | typing.SupportsIndex,
    step: typing.SupportsInt | typing.SupportsIndex,
    first: typing.SupportsInt | typing.SupportsIndex,
    out: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def elu_backward(
    dout: numpy.typing.ArrayLike,
    out: numpy.typing.ArrayLike,
    alpha: float,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def elu_forward(
    x: numpy.typing.ArrayLike, alpha: float, out: numpy.typing.NDArray[numpy.floating] | None = None
) -> numpy.typing.NDArray[numpy.floating]: ...
def embedding_backward(
    dout: numpy.typing.ArrayLike,
    x: numpy.typing.ArrayLike,
    w: numpy.typing.ArrayLike,
    column: typing.SupportsInt | typing.SupportsIndex,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
    dw: numpy.typing.NDArray[numpy.floating] | None = None,
) -> tuple[numpy.typing.NDArray[numpy.floating], numpy.typing.NDArray[numpy.floating]]: ...
def embedding_forward(
    x: numpy.typing.ArrayLike,
    w: numpy.typing.ArrayLike,
    column: typing.SupportsInt | typing.SupportsIndex,
    out: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def gaussian_nll_backward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    dout: float = 1.0,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def gaussian_nll_forward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
) -> float: ...
def gelu_backward(
    dout: numpy.typing.ArrayLike,
    x: numpy.typing.ArrayLike,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def gelu_forward(
    x: numpy.typing.ArrayLike, out: numpy.typing.NDArray[numpy.floating] | None = None
) -> numpy.typing.NDArray[numpy.floating]: ...
def gelu_tanh_backward(
    dout: numpy.typing.ArrayLike,
    x: numpy.typing.ArrayLike,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def gelu_tanh_forward(
    x: numpy.typing.ArrayLike, out: numpy.typing.NDArray[numpy.floating] | None = None
) -> numpy.typing.NDArray[numpy.floating]: ...
def get_num_threads() -> int: ...
def huber_backward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    dout: float = 1.0,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def huber_forward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
) -> float: ...
def largest_columns(pre: numpy.typing.ArrayLike) -> numpy.typing.NDArray[numpy.int64]: ...
def layer_norm_backward(
    dout: numpy.typing.ArrayLike,
    x: numpy.typing.ArrayLike,
    gamma: numpy.typing.ArrayLike,
    mean: numpy.typing.ArrayLike,
    rstd: numpy.typing.ArrayLike,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
    dgamma: numpy.typing.NDArray[numpy.floating] | None = None,
    dbeta: numpy.typing.NDArray[numpy.floating] | None = None,
) -> tuple[
    numpy.typing.NDArray[numpy.floating],
    numpy.typing.NDArray[numpy.floating],
    numpy.typing.NDArray[numpy.floating],
]: ...
def layer_norm_forward(
    x: numpy.typing.ArrayLike,
    gamma: numpy.typing.ArrayLike,
    beta: numpy.typing.ArrayLike,
    eps: float,
    out: numpy.typing.NDArray[numpy.floating] | None = None,
    mean: numpy.typing.NDArray[numpy.floating] | None = None,
    rstd: numpy.typing.NDArray[numpy.floating] | None = None,
) -> tuple[
    numpy.typing.NDArray[numpy.floating],
    numpy.typing.NDArray[numpy.floating],
    numpy.typing.NDArray[numpy.floating],
]: ...
def leaky_relu_backward(
    dout: numpy.typing.ArrayLike,
    x: numpy.typing.ArrayLike,
    slope: float,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def leaky_relu_forward(
    x: numpy.typing.ArrayLike, slope: float, out: numpy.typing.NDArray[numpy.floating] | None = None
) -> numpy.typing.NDArray[numpy.floating]: ...
def mae_backward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    dout: float = 1.0,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def mae_forward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
) -> float: ...
def measure_fma_peak(
    seconds: typing.SupportsFloat | typing.SupportsIndex, float32: bool = True
) -> float: ...
def measure_product(
    form: str,
    N: typing.SupportsInt | typing.SupportsIndex,
    I: typing.SupportsInt | typing.SupportsIndex,
    O: typing.SupportsInt | typing.SupportsIndex,
    float32: bool,
    seconds: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple[float, float]: ...
def mse_loss_backward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    dout: float = 1.0,
    sample_weight: numpy.typing.ArrayLike | None = None,
    gradient: str = "exact",
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def mse_loss_forward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    sample_weight: numpy.typing.ArrayLike | None = None,
) -> float: ...
def optimizer_update(
    kind: str,
    param: numpy.typing.NDArray[numpy.floating],
    grad: numpy.typing.ArrayLike,
    state_0: numpy.typing.NDArray[numpy.floating] | None,
    state_1: numpy.typing.NDArray[numpy.floating] | None,
    settings: dict[str, float],
) -> None: ...
def poisson_nll_backward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    dout: float = 1.0,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def poisson_nll_forward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
) -> float: ...
def predictor(
    bricks: list[
        tuple[
            str,
            collections.abc.Mapping[str, float | tuple[int, ...]],
            collections.abc.Mapping[str, numpy.typing.NDArray[numpy.floating]],
            collections.abc.Mapping[
                str,
                tuple[collections.abc.Sequence[numpy.typing.NDArray[numpy.floating]], float, float],
            ],
        ]
    ],
    float32: bool,
) -> collections.abc.Callable[
    [numpy.typing.ArrayLike, numpy.typing.NDArray[numpy.floating] | None],
    numpy.typing.NDArray[numpy.floating] | None,
]: ...
def quantile_backward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    dout: float = 1.0,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def quantile_forward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
) -> float: ...
def relu_backward(
    dout: numpy.typing.ArrayLike,
    x: numpy.typing.ArrayLike,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def relu_forward(
    x: numpy.typing.ArrayLike, out: numpy.typing.NDArray[numpy.floating] | None = None
) -> numpy.typing.NDArray[numpy.floating]: ...
def row_order(
    count: typing.SupportsInt | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
    epoch: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.int64]: ...
def set_num_threads(n: typing.SupportsInt | typing.SupportsIndex) -> None: ...
def sigmoid_backward(
    dout: numpy.typing.ArrayLike,
    out: numpy.typing.ArrayLike,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def sigmoid_forward(
    x: numpy.typing.ArrayLike, out: numpy.typing.NDArray[numpy.floating] | None = None
) -> numpy.typing.NDArray[numpy.floating]: ...
def signal_handlers() -> dict[
    int, collections.abc.Callable[[int, types.FrameType | None], typing.Any]
]: ...
def silu_backward(
    dout: numpy.typing.ArrayLike,
    x: numpy.typing.ArrayLike,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def silu_forward(
    x: numpy.typing.ArrayLike, out: numpy.typing.NDArray[numpy.floating] | None = None
) -> numpy.typing.NDArray[numpy.floating]: ...
def softmax_backward(
    dout: numpy.typing.ArrayLike,
    out: numpy.typing.ArrayLike,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def softmax_cross_entropy_backward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    dout: float = 1.0,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def softmax_cross_entropy_forward(
    pre: numpy.typing.ArrayLike,
    y_true: numpy.typing.ArrayLike,
    sample_weight: numpy.typing.ArrayLike | None = None,
    setting: float = 0.0,
    numbers: numpy.typing.ArrayLike | None = None,
) -> float: ...
def softmax_forward(
    x: numpy.typing.ArrayLike, out: numpy.typing.NDArray[numpy.floating] | None = None
) -> numpy.typing.NDArray[numpy.floating]: ...
def softplus_backward(
    dout: numpy.typing.ArrayLike,
    x: numpy.typing.ArrayLike,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def softplus_forward(
    x: numpy.typing.ArrayLike, out: numpy.typing.NDArray[numpy.floating] | None = None
) -> numpy.typing.NDArray[numpy.floating]: ...
def sum_of_squares(x: numpy.typing.ArrayLike) -> float: ...
def tanh_backward(
    dout: numpy.typing.ArrayLike,
    out: numpy.typing.ArrayLike,
    dx: numpy.typing.NDArray[numpy.floating] | None = None,
) -> numpy.typing.NDArray[numpy.floating]: ...
def tanh_forward(
    x: numpy.typing.ArrayLike, out: numpy.typing.NDArray[numpy.floating] | None = None
) -> numpy.typing.NDArray[numpy.floating]: ...
def train(request: TrainingRequest, result: TrainingResult, stop: Stop) -> None: ...
def with_handler(
    numbers: list[int],
    handler: collections.abc.Callable[[int, types.FrameType | None], typing.Any],
    waiting: dict[int, None],
    function: collections.abc.Callable[[], typing.Any],
) -> typing.Any: ...
