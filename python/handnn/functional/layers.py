"""The kernels of the layers other than activations: see `handnn.functional`."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import _core
from handnn.arrays import Array, whole_number

__all__ = [
    "affine_backward",
    "affine_forward",
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_statistics",
    "batch_norm_update",
    "dropout_backward",
    "dropout_forward",
    "embedding_backward",
    "embedding_forward",
    "layer_norm_backward",
    "layer_norm_forward",
    "softmax_backward",
    "softmax_forward",
]

MAX_INT64 = 2**63 - 1
"""The largest seed, step or column."""


def affine_forward(x: ArrayLike, w: ArrayLike, b: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = x·w + b, shape (N, O).

    x (N, I), w (I, O), b (O,). Each entry is b plus one chain of fused multiply-adds over
    ascending i, or several chains if O = 1 and I >= 32, so the result of a row does not depend on
    the other rows.

    Examples:
        >>> handnn.functional.affine_forward([[1, 2]], [[1, 0], [2, 1]], [0.5, 0])
        array([[5.5, 2. ]])
    """
    return _core.affine_forward(x, w, b, out)


def affine_backward(
    dout: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    *,
    dx: Array | None = None,
    dw: Array | None = None,
    db: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `affine_forward`: dx = dout·wᵀ, dw = xᵀ·dout, db = Σ_n dout.

    dout (N, O), x (N, I), w (I, O) -> dx (N, I), dw (I, O), db (O,).

    Examples:
        >>> dx, dw, db = handnn.functional.affine_backward([[1, 0]], [[1, 2]], [[1, 0], [2, 1]])
        >>> dw
        array([[1., 0.],
               [2., 0.]])
    """
    return _core.affine_backward(dout, x, w, dx, dw, db)


def softmax_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = exp(x) / Σ_o exp(x) for each row of x (N, O): positive, with sum 1.

    The row's largest entry is subtracted first, so nothing overflows. A row with NaN or +inf
    becomes NaN. The sum is computed as 16 partial sums; column o belongs to partial sum o mod 16
    (see `softmax.hpp`).

    Examples:
        >>> handnn.functional.softmax_forward([[0, 0], [1000, 0]])
        array([[0.5, 0.5],
               [1. , 0. ]])
    """
    return _core.softmax_forward(x, out)


def softmax_backward(dout: ArrayLike, out: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = out·(dout - Σ_o dout·out), where `out` (N, O) is the result of `softmax_forward`.

    Examples:
        >>> handnn.functional.softmax_backward([[1, 0]], [[0.5, 0.5]])
        array([[ 0.25, -0.25]])
    """
    return _core.softmax_backward(dout, out, dx)


def layer_norm_forward(
    x: ArrayLike,
    gamma: ArrayLike,
    beta: ArrayLike,
    *,
    eps: float = 1e-5,
    out: Array | None = None,
    mean: Array | None = None,
    rstd: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return out = (x - mean)·rstd·gamma + beta, and the mean and rstd of each row of x.

    x (N, O), gamma (O,), beta (O,) -> out (N, O), mean (N,), rstd (N,). rstd is 1 / sqrt(variance +
    eps) with the biased variance, divided by O. (Ba, Kiros and Hinton 2016, eq. 4.)

    Examples:
        >>> out, mean, rstd = handnn.functional.layer_norm_forward([[1, 3]], [1, 1], [0, 0], eps=0)
        >>> out
        array([[-1.,  1.]])
    """
    return _core.layer_norm_forward(x, gamma, beta, eps, out, mean, rstd)


def layer_norm_backward(
    dout: ArrayLike,
    x: ArrayLike,
    gamma: ArrayLike,
    mean: ArrayLike,
    rstd: ArrayLike,
    *,
    dx: Array | None = None,
    dgamma: Array | None = None,
    dbeta: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `layer_norm_forward`, dx (N, O), dgamma (O,) and dbeta (O,).

    With x_hat = (x - mean)·rstd and g = dout·gamma, and the means taken over o,

        dx = rstd·(g - mean(g) - x_hat·mean(g·x_hat))

    dgamma = Σ_n dout·x_hat, dbeta = Σ_n dout. mean and rstd (N,) are those returned by forward.

    Examples:
        >>> dx, dgamma, dbeta = handnn.functional.layer_norm_backward(
        ...     [[1, 2]], [[1, 3]], [1, 1], [2], [1]
        ... )
        >>> dgamma
        array([-1.,  2.])
    """
    return _core.layer_norm_backward(dout, x, gamma, mean, rstd, dx, dgamma, dbeta)


def batch_norm_statistics(
    x: ArrayLike, *, mean: Array | None = None, var: Array | None = None
) -> tuple[Array, Array]:
    """Return the mean and the biased variance (divided by N) of each column of x (N, O).

    Examples:
        >>> handnn.functional.batch_norm_statistics([[1], [3]])
        (array([2.]), array([1.]))
    """
    return _core.batch_norm_statistics(x, mean, var)


def batch_norm_update(
    running_mean: Array,
    running_var: Array,
    mean: ArrayLike,
    var: ArrayLike,
    *,
    rows: int,
    momentum: float = 0.1,
) -> None:
    """Move the running statistics towards those of `rows` rows: they are updated in place.

        running_mean = (1 - momentum) · running_mean + momentum · mean
        running_var = (1 - momentum) · running_var + momentum · var · rows / (rows - 1)

    running_mean, running_var, mean and var are (O,); var is the biased variance. ValueError for
    fewer than two rows, for which the unbiased variance is undefined. The running statistics have
    the requirements of ``out=``.

    Examples:
        >>> mean, var = np.zeros(1), np.ones(1)
        >>> handnn.functional.batch_norm_update(mean, var, [2], [1], rows=2, momentum=0.5)
        >>> mean, var
        (array([1.]), array([1.5]))
    """
    rows = whole_number(rows, "batch_norm_update: rows", minimum=2)
    _core.batch_norm_update(running_mean, running_var, mean, var, rows, momentum)


def batch_norm_forward(
    x: ArrayLike,
    gamma: ArrayLike,
    beta: ArrayLike,
    mean: ArrayLike,
    var: ArrayLike,
    *,
    eps: float = 1e-5,
    out: Array | None = None,
) -> Array:
    """Return out = (x - mean) / sqrt(var + eps)·gamma + beta, shape (N, O).

    x (N, O); gamma, beta, mean and var (O,), one for each column. In training, mean and var are
    those of `batch_norm_statistics`. (Ioffe and Szegedy 2015, algorithm 1.)

    Examples:
        >>> handnn.functional.batch_norm_forward([[1], [3]], [1], [0], [2], [1], eps=0)
        array([[-1.],
               [ 1.]])
    """
    return _core.batch_norm_forward(x, gamma, beta, mean, var, eps, out)


def batch_norm_backward(
    dout: ArrayLike,
    x: ArrayLike,
    gamma: ArrayLike,
    mean: ArrayLike,
    var: ArrayLike,
    *,
    eps: float = 1e-5,
    training: bool = True,
    dx: Array | None = None,
    dgamma: Array | None = None,
    dbeta: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `batch_norm_forward`, dx (N, O), dgamma (O,) and dbeta (O,).

    With rstd = 1 / sqrt(var + eps) and x_hat = (x - mean)·rstd, dgamma = Σ_n dout·x_hat and
    dbeta = Σ_n dout. In training, where mean and var are those of x,

        dx = gamma·rstd·(dout - dbeta / N - x_hat·dgamma / N)

    Otherwise they are constants, and dx = gamma·rstd·dout.

    Examples:
        >>> dx, dgamma, dbeta = handnn.functional.batch_norm_backward(
        ...     [[1], [2]], [[1], [3]], [1], [2], [1]
        ... )
        >>> dbeta
        array([3.])
    """
    return _core.batch_norm_backward(dout, x, gamma, mean, var, eps, training, (dx, dgamma, dbeta))


def dropout_forward(
    x: ArrayLike, p: float, seed: int, step: int, *, first: int = 0, out: Array | None = None
) -> Array:
    """Return out = 0 with probability p and x / (1 - p) otherwise, entry by entry.

    x of any shape. The mask depends only on seed, step (0 to 2⁶³ - 1) and the index of an entry in
    its batch; the first entry of x has the index `first`. Entry i is kept if a 32-bit hash of these
    three numbers is at least p·2³², rounded. The mask repeats after 2³² entries. The factor of
    kept entries is rounded to the dtype. ValueError unless 0 <= p < 1.

    Examples:
        >>> handnn.functional.dropout_forward(np.ones(6), 0.5, seed=1, step=0)
        array([2., 2., 2., 0., 0., 2.])
    """
    seed = whole_number(seed, "dropout_forward: seed", 0, MAX_INT64)
    step = whole_number(step, "dropout_forward: step", 0, MAX_INT64)
    return _core.dropout_forward(x, p, seed, step, _first("dropout_forward", first), out)


def dropout_backward(
    dout: ArrayLike, p: float, seed: int, step: int, *, first: int = 0, dx: Array | None = None
) -> Array:
    """Return dx = 0 where `dropout_forward` with this p, seed and step dropped, else dout/(1-p).

    The mask is recomputed. dout has the shape of x.

    Examples:
        >>> handnn.functional.dropout_backward(np.ones(6), 0.5, seed=1, step=0)
        array([2., 2., 2., 0., 0., 2.])
    """
    seed = whole_number(seed, "dropout_backward: seed", 0, MAX_INT64)
    step = whole_number(step, "dropout_backward: step", 0, MAX_INT64)
    return _core.dropout_backward(dout, p, seed, step, _first("dropout_backward", first), dx)


def _first(where: str, first: int) -> int:
    return whole_number(first, f"{where}: first", 0, MAX_INT64)


def embedding_forward(
    x: ArrayLike, w: ArrayLike, column: int = 0, *, out: Array | None = None
) -> Array:
    """Return the columns of x except `column`, in their order, followed by w[code].

    x (N, I) has codes in that column, integers from 0 to K - 1 (else ValueError); w (K, D),
    out (N, I - 1 + D).

    Examples:
        >>> handnn.functional.embedding_forward([[1, 7]], [[0.0, 0.1], [0.2, 0.3]])
        array([[7. , 0.2, 0.3]])
    """
    column = whole_number(column, "embedding_forward: column", 0, MAX_INT64)
    return _core.embedding_forward(x, w, column, out)


def embedding_backward(
    dout: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    column: int = 0,
    *,
    dx: Array | None = None,
    dw: Array | None = None,
) -> tuple[Array, Array]:
    """Return the gradients of `embedding_forward`: dx, which is 0 for the codes, and dw.

    dout (N, I - 1 + D), x (N, I), w (K, D) -> dx (N, I), dw (K, D). A row of dw is the sum of the
    last D columns of dout over the rows with its code, in ascending order.

    Examples:
        >>> dx, dw = handnn.functional.embedding_backward(
        ...     [[7, 1, 2]], [[1, 7]], [[0.0, 0.1], [0.2, 0.3]]
        ... )
        >>> dw
        array([[0., 0.],
               [1., 2.]])
    """
    column = whole_number(column, "embedding_backward: column", 0, MAX_INT64)
    return _core.embedding_backward(dout, x, w, column, dx, dw)
