"""Least squares: the last steps of linear networks of a regression, by conjugate gradients.

AdamW takes many steps where columns are nearly equal, such as two prices of a house: the squared
error hardly changes along their difference. Conjugate gradients need at most as many steps as there
are inputs. Each network continues from its weights, and all end at the step with the lowest squared
error on held-out rows, which may be the first. (CGLS: Hestenes and Stiefel 1952, section 10.)

A label of a category has one effect, its row of the Embedding times the weights of those columns,
so it is one param here. The networks also begin at 0 and keep the better end: few steps from 0 are
a kind of shrinkage, most of all for labels of few rows, whose gradients are sums over these rows.
(Hansen 1998, "Rank-Deficient and Discrete Ill-Posed Problems", chapter 6.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.functional import affine_backward, affine_forward
from handnn.layers import Affine
from handnn.layers.embedding import code_columns
from handnn.losses import MSELoss
from handnn.network import Network
from handnn.tables.cells import Floats
from handnn.tables.moments import Weights
from handnn.training.trainer import Trainer

MAX_STEPS, PATIENCE = 100, 10
"""The largest number of steps, and of steps without a lower error."""

MAX_NUMBERS = 2**23
"""The largest number of inputs of all rows, which take 64 MB."""

Codes = NDArray[np.intp]


class Design:
    """The inputs of linear functions: numbers (N, I), and columns of codes (N,) below K each."""

    def __init__(self, numbers: Floats, codes: Sequence[tuple[Codes, int]] = ()) -> None:
        self.numbers, self._codes = numbers, codes
        self._n = 1 + numbers.shape[1]

    def outputs(self, theta: Floats) -> Floats:
        """Return the outputs (N, O) for params: bias, weights of numbers, effects of each code."""
        out, at = affine_forward(self.numbers, theta[1 : self._n], theta[0]), self._n
        for codes, count in self._codes:
            out += theta[at : at + count][codes]
            at += count
        return np.asarray(out)

    def slopes(self, dout: Floats, theta: Floats) -> Floats:
        """Return the gradient of the params for that of the outputs (N, O)."""
        _, dw, db = affine_backward(dout, self.numbers, theta[1 : self._n])
        sums = [
            np.stack([np.bincount(codes, column, count) for column in dout.T], axis=1)
            for codes, count in self._codes
        ]
        return np.concatenate([db[None], dw, *sums])


class Descent:
    """Conjugate gradients of a linear function.

    theta: the params of the design. y (N, O): the targets. weight (N, 1): those of the rows that it
    learns from, 0 elsewhere.
    """

    def __init__(self, theta: Floats, design: Design, y: Floats, weight: Floats) -> None:
        self._design, self._weight, self.theta = design, weight, theta
        self.residual = y - design.outputs(theta)
        self._slope = self._direction = self._slopes()
        self._square = _norm(self._slope)

    def step(self) -> None:
        """Take a step; none where the gradient is 0."""
        v = self._design.outputs(self._direction)
        size = _quotient(self._square, (self._weight * v * v).sum(axis=0))
        self.theta = self.theta + size * self._direction
        self.residual = self.residual - size * v
        self._slope = self._slopes()
        square = _norm(self._slope)
        self._direction = self._slope + _quotient(square, self._square) * self._direction
        self._square = square

    def _slopes(self) -> Floats:
        return self._design.slopes(self._weight * self.residual, self.theta)


def _norm(slope: Floats) -> Floats:
    return np.asarray((slope * slope).sum(axis=0))


def _quotient(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def finish(
    trainers: Sequence[Trainer],
    x: Array,
    y: Array,
    rows: Sequence[NDArray[np.int64]],
    weight: Weights,
) -> None:
    """Continue the training of linear networks of a regression: see the module.

    x (N, I), y (N, O), weight (N,) or None: the inputs, encoded targets and weights of all rows.
    rows: those that each network learns from.
    """
    n_rows = len(x)
    learned = [np.isin(np.arange(n_rows), part) for part in rows]
    is_squared = type(trainers[0].loss) is MSELoss
    if not is_squared or x.size > MAX_NUMBERS or all(some.all() for some in learned):
        return
    networks = [_Linear(trainer.network, x.shape[1]) for trainer in trainers]
    designs = _designs(networks, x)
    if not designs:
        return
    target = y.astype(np.float64)
    every = np.ones(n_rows) if weight is None else np.asarray(weight, np.float64)
    own = [np.where(is_learned, every, 0.0)[:, None] for is_learned in learned]
    held_out = [every[:, None] - some for some in own]
    trained = [one.theta() for one in networks]
    means = [_mean_only(theta, target, some) for theta, some in zip(trained, own, strict=True)]
    ends = []
    for start in (trained, means):
        parts = zip(start, designs, own, strict=True)
        ends.append(_lowest([Descent(one, d, target, some) for one, d, some in parts], held_out))
    _, best = min(ends, key=lambda end: end[0])
    for one, theta in zip(networks, best, strict=True):
        one.write(theta)


def _mean_only(theta: Floats, y: Floats, weight: Floats) -> Floats:
    """Return params like theta that are 0, but for the mean of y as the bias."""
    out = np.zeros_like(theta)
    out[0] = _quotient((weight * y).sum(axis=0), weight.sum(axis=0))
    return out


def _lowest(descents: Sequence[Descent], held_out: Sequence[Floats]) -> tuple[float, list[Floats]]:
    """Take steps; return the params with the lowest loss on held-out rows, after this loss.

    held_out: the weights of the rows that each holds out, 0 elsewhere.
    """

    def loss() -> float:
        pairs = zip(descents, held_out, strict=True)
        return sum(float((some * one.residual**2).sum()) for one, some in pairs)

    lowest, best, waited = loss(), [one.theta for one in descents], 0
    for _ in range(MAX_STEPS):
        for one in descents:
            one.step()
        found, waited = loss(), waited + 1
        if found < lowest:
            lowest, best, waited = found, [one.theta for one in descents], 0
        if waited == PATIENCE:
            break
    return lowest, best


class _Linear:
    """The params of a linear network: bias, weights of numbers, and the effect of each label.

    Where layers other than Embeddings precede the Affine, or Embeddings have fewer columns than the
    network has outputs, the params are those of the Affine.
    """

    def __init__(self, network: Network, n_in: int) -> None:
        *self._first, last = network.layers
        assert isinstance(last, Affine)
        self._affine = last
        codes = code_columns(self._first, n_in)
        n_out = last.w.shape[1]
        is_plain = len(codes) == len(self._first)
        self.has_effects = is_plain and all(len(e.w.T) >= n_out for e in codes.values())
        self._codes = codes if self.has_effects else {}  # in the order of the Embeddings
        columns = set(range(n_in)) - set(self._codes)
        self._numbers = sorted(columns) if self.has_effects else list(range(len(last.w)))

    def design(self, x: Array) -> Design:
        """Return the inputs of the params for x (N, I)."""
        if not self.has_effects:
            return Design(Network(self._first).predict(x).astype(np.float64))
        codes = [(x[:, at].astype(np.intp), len(e.w)) for at, e in self._codes.items()]
        return Design(np.ascontiguousarray(x[:, self._numbers], np.float64), codes)

    def _parts(self) -> list[tuple[Array, Array]]:
        """Return w of each Embedding, and the rows of the Affine's w for its columns (a view)."""
        parts, place = [], len(self._numbers)
        for embedding in self._codes.values():
            end = place + embedding.w.shape[1]
            parts.append((embedding.w, self._affine.w[place:end]))
            place = end
        return parts

    def theta(self) -> Floats:
        """Return the params (1 + I + K of each column of codes, O)."""
        w, b = self._affine.w[: len(self._numbers)], self._affine.b
        zero = np.zeros(w.shape[1])
        effects = [
            affine_forward(e.astype(zero.dtype), own.astype(zero.dtype), zero)
            for e, own in self._parts()
        ]
        return np.concatenate([b[None], w, *effects]).astype(np.float64)

    def write(self, theta: Floats) -> None:
        """Give the network the params."""
        at = 1 + len(self._numbers)
        self._affine.b[...], self._affine.w[: at - 1] = theta[0], theta[1:at]
        for w, own in self._parts():
            w[:, : theta.shape[1]] = theta[at : at + len(w)]
            own[...] = np.eye(*own.shape)
            at += len(w)


def _designs(networks: Sequence[_Linear], x: Array) -> list[Design]:
    """Return the inputs of each network; [] if they take more than `MAX_NUMBERS`."""
    first = networks[0].design(x)
    if networks[0].has_effects:
        return [first] * len(networks)
    if first.numbers.size * len(networks) > MAX_NUMBERS:
        return []
    return [first, *(one.design(x) for one in networks[1:])]
