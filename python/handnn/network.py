"""Network: bricks in a row, forward through all of them and backward again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn import engine, storage
from handnn.arrays import Array, as_float, check_output, float_dtype, whole_number
from handnn.initializers import RandomSource
from handnn.layers import ACTIVATIONS, Affine, Brick, sequence
from handnn.layers.layer import params_of


class Network:
    """Bricks in a row: each takes what the one before it gives.

    `layers` are handnn's own bricks or any objects with `forward` and `backward` (see
    `layers.Brick`). x and dout are cast to the network's dtype, once, on entering.

    Raises TypeError when a layer is no brick or when float32 and float64 params are mixed, and
    ValueError when there is no layer, one stands in two places, or neighbours do not fit.
    """

    def __init__(self, layers: Iterable[Brick]) -> None:
        if not hasattr(layers, "__iter__"):
            raise TypeError(f"Network: layers must be a list of bricks, but is {layers!r}")
        self.layers: list[Brick] = list(layers)
        sequence.check_bricks("Network", self.layers)
        sequence.check_dtypes("Network", {**self.params, **self.buffers})
        sequence.output_widths("Network", self.layers)
        self._compiled: engine.Forward | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return the output of the last layer for the rows of x."""
        out = as_float(x, self.dtype, "Network.forward: x")
        for layer in self.layers:
            out = layer.forward(out)
        return out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx for the x of the last `forward`; every layer keeps its own gradients."""
        dx = as_float(dout, self.dtype, "Network.backward: dout")
        for layer in reversed(self.layers):
            dx = layer.backward(dx)
        return dx

    def predict(self, x: ArrayLike, out: Array | None = None) -> Array:
        """Return the network's output for the rows of x, written to `out` if that is given.

        Has the bits of `forward`, for many rows as for one, but is compiled and leaves no trace: it
        keeps nothing for `backward`, and several threads may call it at once. (Not so with a brick
        of your own: then it is a `forward`.)

        Raises TypeError when `out` has not the dtype of the output, ValueError when not its shape,
        and also when it is not C-contiguous and writable or overlaps x or a param.
        """
        compiled = self._compiled
        if compiled is None or not compiled.is_of(self.layers):
            if engine.obstacle(self.layers):
                return self._predict_brick_by_brick(x, out)
            compiled = self._compiled = engine.Forward(self.layers)
        return compiled.predict(x, out)

    def _predict_brick_by_brick(self, x: ArrayLike, out: Array | None) -> Array:
        x = as_float(x, self.dtype, "Network.predict: x")
        with self.in_mode(training=False):
            pre = self.forward(x)
        if out is None:
            return pre
        check_output(out, pre, {"x": x, **self.params, **self.buffers}, "Network.predict: out")
        out[...] = pre
        return out

    def jacobian(self, x: ArrayLike) -> Array:
        """Return how every output changes with every input: (N, O, I) for x (N, I).

        Entry (n, o, i) is d out_o / d x_i at row n of x, in prediction: BatchNorm takes its running
        statistics, Dropout drops nothing. Columns of codes for an Embedding have the derivative 0.
        Leaves the network, and what its bricks keep for `backward`, as they are. Raises ValueError
        when x or the output has not two dimensions.
        """
        from handnn.jacobian import jacobian

        where = "Network.jacobian"
        return jacobian(self.layers, as_float(x, self.dtype, f"{where}: x"), where)

    def train(self, training: bool = True) -> Network:
        """Let `forward` train: Dropout drops, BatchNorm takes the statistics of the batch.

        A new network is in this mode; most bricks do the same in both. A `Trainer` trains in this
        mode whatever the network is in, and `predict` predicts. Sets the attribute `training` of
        every layer that has one, also of those in a Residual, and returns the network.
        """
        sequence.train(self.layers, bool(training))
        return self

    def eval(self) -> Network:
        """Let `forward` predict, as `predict` does in either mode; return the network."""
        return self.train(False)

    @contextmanager
    def in_mode(self, *, training: bool) -> Iterator[None]:
        """Train or predict for a while: every layer's mode is then what it was before."""
        before = [(a, a.training) for _, a in sequence.walk(self.layers) if hasattr(a, "training")]
        self.train(training)
        try:
            yield
        finally:
            for layer, mode in before:
                layer.training = mode

    @property
    def params(self) -> dict[str, Array]:
        """The params of all layers, named "0.w", "0.b", "2.w", ...: the arrays themselves."""
        return sequence.params(self.layers)

    @property
    def grads(self) -> dict[str, Array | None]:
        """The gradients of the last `backward`, by the names of `params`; None before it."""
        return sequence.grads(self.layers)

    @property
    def buffers(self) -> dict[str, Array]:
        """What layers keep besides params, such as "1.running_mean": the arrays themselves."""
        return sequence.buffers(self.layers)

    @property
    def sizes(self) -> dict[str, int]:
        """The number of columns the network takes and gives, "in" and "out", as far as known."""
        return sequence.sizes("Network", self.layers)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the params: float32 or float64 (which it also is when there are none)."""
        return sequence.dtype(self.layers) or np.dtype(np.float64)

    def astype(self, dtype: DTypeLike) -> Network:
        """Return a new network with copies of all arrays in `dtype`: float32 or float64.

        A brick of your own is copied if it has no params; else it needs a method `astype` that
        does the same for it (TypeError without).
        """
        dtype = float_dtype(dtype, "Network.astype: dtype")
        return Network(sequence.astype("Network", layer, dtype) for layer in self.layers)

    def save(self, path: str | os.PathLike[str], names: str = "handnn") -> None:
        """Write the network to the safetensors file `path`, which `handnn.load` reads.

        The write is atomic: a reader finds the old file or the new one, and after an error the old
        file remains. Weights keep their bits, NaN and Inf included.

        names: "handnn" names and shapes the arrays as in `params` and `buffers`; "torch" as in the
            `state_dict` of the `torch.nn.Sequential` of the same bricks. `handnn.load` reads both.

        Raises TypeError when a layer is not one of handnn's bricks or `path` is not a path,
        ValueError for other `names` or when an array has been replaced by one that does not fit,
        OSError when the file cannot be written.

        Examples:
            >>> import os, tempfile
            >>> path = os.path.join(tempfile.mkdtemp(), "network.safetensors")
            >>> handnn.mlp([2, 3, 1], rng=0).save(path)
            >>> handnn.load(path)
            Network(Affine 2→3, ReLU, Affine 3→1; 13 parameters, float32)
        """
        storage.save(self.layers, path, names, "Network.save")

    def summary(self) -> str:
        """Return a table of the layers: their names, how many columns they give, their params."""
        rows = [("", "brick", "output", "parameters")]
        widths = sequence.output_widths("Network", self.layers)
        for index, (layer, width) in enumerate(zip(self.layers, widths, strict=True)):
            count = sum(array.size for array in params_of(layer).values())
            shown = "?" if width is None else str(width)
            rows.append((str(index), sequence.name(layer), shown, f"{count:,}"))
        columns = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            f"{index:>{columns[0]}}  {name:<{columns[1]}}  {width:>{columns[2]}}  "
            f"{count:>{columns[3]}}"
            for index, name, width, count in rows
        ]
        return "\n".join([*lines, self._size()])

    def __repr__(self) -> str:
        """Name the layers and the size: `Network(Affine 2→1, Sigmoid; 3 parameters, float32)`."""
        return f"Network({', '.join(map(sequence.name, self.layers))}; {self._size()})"

    def _size(self) -> str:
        return f"{sum(array.size for array in self.params.values()):,} parameters, {self.dtype}"


def load(path: str | os.PathLike[str]) -> Network:
    """Read the network that `Network.save` wrote to `path`.

    Nothing in the file is executed, and memory is bounded by the size of the file. Raises
    FormatError (a ValueError) when the file does not hold a network, OSError when it cannot be
    read. See `Network.save` for an example.
    """
    return storage.read(path, _from_file, "a network", "handnn.load")


def _from_file(file: storage.TensorFile) -> Network:
    return Network(storage.read_bricks(file))


def mlp(
    sizes: Iterable[SupportsIndex],
    activation: str = "relu",
    rng: RandomSource = None,
    dtype: DTypeLike = "float32",
) -> Network:
    """Return a multilayer perceptron: Affine bricks with an activation between each two.

    ``mlp([8, 64, 1])`` is Affine 8→64, ReLU, Affine 64→1: the output is left as it comes.
    The weights are drawn from "xavier" for sigmoid and tanh, from "he" for relu, leaky_relu, elu,
    gelu, silu and softplus (see `initializers`); biases are 0. Raises ValueError for fewer than two
    sizes, a size below 1 or another activation.
    """
    if not hasattr(sizes, "__iter__"):
        raise TypeError(f"mlp: sizes must be a list of ints, but is {sizes!r}")
    widths = [whole_number(size, "mlp: a size") for size in sizes]
    if len(widths) < 2:
        raise ValueError(f"mlp: sizes must be two or more, but is {widths}")
    if activation not in list(ACTIVATIONS):
        raise ValueError(
            f"mlp: activation must be one of {', '.join(ACTIVATIONS)}, but is {activation!r}"
        )
    chosen = ACTIVATIONS[activation]
    rng = np.random.default_rng(rng)
    layers: list[Brick] = []
    for n_in, n_out in pairwise(widths):
        layers += [Affine.random(n_in, n_out, chosen.init, rng, dtype), chosen()]
    return Network(layers[:-1])
