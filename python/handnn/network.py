"""Network: a sequence of bricks, run forward and backward."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Never, SupportsIndex, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn import engine
from handnn.arrays import Array, as_float, check_output, elements, float_dtype, whole_number
from handnn.initializers import RandomSource, generator
from handnn.jacobian import jacobian
from handnn.layers import ACTIVATIONS, Affine, Brick, sequence
from handnn.layers.layer import Layer, params_of
from handnn.suggestions import ELSEWHERE, Elsewhere


class Network:
    """A sequence of bricks: each takes the output of the one before it.

    layers: handnn's own bricks, or any objects with `forward` and `backward`: see `layers.Brick`.

    x (N, I) and dout (N, O) are converted to the dtype of the params once, on entry.

    Raises:
        TypeError: If an element is not a brick, or float32 and float64 params are mixed.
        ValueError: If `layers` is empty or contains one brick twice, or if widths of neighbors
            differ.

    Examples:
        >>> from handnn import Affine, Network, ReLU
        >>> network = Network([Affine.random(2, 3, rng=0), ReLU(), Affine.random(3, 1, rng=1)])
        >>> network
        Network(Affine 2→3, ReLU, Affine 3→1; 13 parameters, float32)
        >>> network.predict([[1.0, 2.0]]).shape
        (1, 1)
    """

    def __init__(self, layers: Iterable[Brick], *more: Never) -> None:
        if more:
            raise TypeError("Network: put the bricks in a list: Network([brick, brick, ...])")
        if not hasattr(layers, "__iter__"):
            raise TypeError(
                f"Network: layers must be a list of bricks, such as [{layers!r}], but is {layers!r}"
            )
        self.layers: list[Brick] = elements(layers, "Network: layers")
        sequence.check_bricks("Network", self.layers)
        sequence.check_dtypes("Network", {**self.params, **self.buffers})
        sequence.output_widths("Network", self.layers)
        self._compiled: engine.Forward | None = None

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self.layers)

    def __iter__(self) -> Iterator[Brick]:
        """Iterate over the layers."""
        return iter(self.layers)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Brick: ...
    @overload
    def __getitem__(self, index: slice) -> list[Brick]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Brick | list[Brick]:
        """Return a layer, or a list of layers for a slice."""
        return self.layers[index]

    def __dir__(self) -> list[str]:
        """Return the names of the attributes."""
        return [name for name in super().__dir__() if name not in ELSEWHERE]

    def __call__(self, x: ArrayLike) -> Array:
        """Return `forward(x)`."""
        return self.forward(x)

    def forward(self, x: ArrayLike) -> Array:
        """Return the output of the last layer for x (N, I)."""
        out = as_float(x, self.dtype, "Network.forward: x")
        for index, layer in enumerate(self.layers):
            out = sequence.result(layer.forward(out), "Network.forward", index, layer)
        return out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx (N, I) for the x of the last `forward`; each layer keeps its own gradients."""
        dx = as_float(dout, self.dtype, "Network.backward: dout")
        for index in range(len(self.layers) - 1, 0, -1):
            layer = self.layers[index]
            dx = sequence.result(layer.backward(dx), "Network.backward", index, layer)
        return self.layers[0].backward(dx)

    def predict(self, x: ArrayLike, out: Array | None = None) -> Array:
        """Return the output (N, O) for x (N, I), in `out` if it is given.

        The result has the same bits as that of `forward` in prediction mode, for one row as for
        many. It is compiled, keeps nothing for `backward`, and may be called from several threads.
        If the network has user-defined bricks, it runs `forward` instead.

        Raises:
            TypeError: If `out` does not have the dtype of the params.
            ValueError: If `out` has another shape, is not C-contiguous and writable, or overlaps x
                or a param.
        """
        compiled = self._compiled
        if compiled is None or not compiled.is_of(self.layers):
            if engine.obstacle(self.layers):
                return self._predict_brick_by_brick(x, out)
            compiled = self._compiled = engine.Forward(self.layers)
        answer = compiled.predict(x, out)
        if answer is None:  # an array was resized or reshaped in place
            self._compiled = None
            return self.predict(x, out)
        return answer

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
        """Return the derivative of every output by every input, (N, O, I) for x (N, I).

        Entry (n, o, i) is d out_o / d x_i at row n of x, in prediction mode. The derivative by a
        column of codes of an Embedding is 0. The network, and the arrays that its bricks keep for
        `backward`, do not change.

        Raises:
            ValueError: If x or the output does not have two dimensions.

        Examples:
            >>> layer = handnn.Affine(w=[[1.0, 2.0], [3.0, 4.0]], b=[0.0, 0.0])
            >>> handnn.Network([layer]).jacobian([[5.0, 6.0]])
            array([[[1., 3.],
                    [2., 4.]]])
        """
        where = "Network.jacobian"
        return jacobian(self.layers, as_float(x, self.dtype, f"{where}: x"), where)

    def train(self, training: bool = True) -> Network:
        """Put the network in training mode, or with False in prediction mode, and return it.

        In training mode, Dropout drops entries, and BatchNorm normalizes by the batch; most other
        bricks behave the same in both modes. A new network is in training mode. A `Trainer` trains
        and `predict` predicts in either mode.

        Sets the attribute `training` of every layer that has one, including those within a
        Residual.
        """
        sequence.train(self.layers, bool(training))
        return self

    def eval(self) -> Network:
        """Put the network in prediction mode, and return it."""
        return self.train(False)

    @contextmanager
    def in_mode(self, *, training: bool) -> Iterator[None]:
        """Set the mode within a `with` block; afterwards each layer has its previous mode again."""
        before = [(layer, layer.training) for layer in sequence.with_mode(self.layers)]
        self.train(training)
        try:
            yield
        finally:
            for layer, mode in before:
                layer.training = mode

    @property
    def params(self) -> dict[str, Array]:
        """The params of all layers, named "0.w", "0.b", "2.w", ...; not copies."""
        return sequence.params(self.layers)

    @property
    def grads(self) -> dict[str, Array | None]:
        """The gradients of the last `backward`, by the names of `params`; None before it."""
        return sequence.grads(self.layers)

    @property
    def buffers(self) -> dict[str, Array]:
        """The buffers of all layers, named "1.running_mean", ...; not copies."""
        return sequence.buffers(self.layers)

    @property
    def sizes(self) -> dict[str, int]:
        """The input and output widths, "in" and "out", where the layers fix them."""
        return sequence.sizes("Network", self.layers)

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The dtype of the params, float32 or float64; float64 without params."""
        return sequence.dtype(self.layers) or np.dtype(np.float64)

    def astype(self, dtype: DTypeLike) -> Network:
        """Return a new network with copies of all arrays in `dtype`, float32 or float64.

        A user-defined brick without params is copied; a brick with params needs a method
        ``astype(dtype)`` that returns a converted copy.

        Raises:
            TypeError: If `dtype` is another one, or a brick with params has no `astype`.
        """
        dtype = float_dtype(dtype, "Network.astype: dtype")
        return Network(sequence.astype("Network", layer, dtype) for layer in self.layers)

    def save(self, path: str | os.PathLike[str], names: str = "handnn") -> None:
        """Write the network to the safetensors file `path`, which `handnn.load` reads.

        The write is atomic: a reader finds the old file or the new one, and after an error the old
        file remains. Weights keep their bits, NaN and Inf included.

        names: "handnn" names and shapes the arrays as in `params` and `buffers`; "torch" as in the
            `state_dict` of the `torch.nn.Sequential` of the same bricks. `handnn.load` reads both.

        Raises:
            TypeError: If a layer is not one of handnn's bricks, or `path` is not a path.
            ValueError: If `names` is unknown, or an array was replaced by one of another shape.
            OSError: If the file cannot be written.

        Examples:
            >>> import os, tempfile
            >>> path = os.path.join(tempfile.mkdtemp(), "network.safetensors")
            >>> handnn.mlp([2, 3, 1], rng=0).save(path)
            >>> handnn.load(path)
            Network(Affine 2→3, ReLU, Affine 3→1; 13 parameters, float32)
        """
        from handnn import storage

        storage.save(self.layers, path, names, "Network.save")

    def summary(self) -> str:
        """Return a table with the name, the output width and the number of params of each layer.

        Examples:
            >>> print(handnn.mlp([8, 64, 1], rng=0).summary())
               brick        output  parameters
            0  Affine 8→64      64         576
            1  ReLU             64           0
            2  Affine 64→1       1          65
            641 parameters, float32
        """
        rows = [("", "brick", "output", "parameters")]
        widths = sequence.output_widths("Network", self.layers)
        for index, (layer, width) in enumerate(zip(self.layers, widths, strict=True)):
            shown = "?" if width is None else str(width)
            rows.append((str(index), sequence.name(layer), shown, f"{_n_params(layer):,}"))
        columns = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            f"{index:>{columns[0]}}  {name:<{columns[1]}}  {width:>{columns[2]}}  "
            f"{count:>{columns[3]}}"
            for index, name, width, count in rows
        ]
        return "\n".join([*lines, self._size()])

    def __repr__(self) -> str:
        """Return the layers and the size: `Network(Affine 2→1, Sigmoid; 3 parameters, float32)`."""
        return f"Network({', '.join(map(sequence.name, self.layers))}; {self._size()})"

    def _repr_html_(self) -> str:
        """Return the bricks as a row of boxes with widths and numbers of params, for notebooks.

        The colors are those of the surrounding text.
        """
        from html import escape  # takes 2.9 ms

        width = self.sizes.get("in")
        parts = [_label("?" if width is None else str(width))]
        for layer, width in zip(
            self.layers, sequence.output_widths("Network", self.layers), strict=True
        ):
            parts += [_box(layer), _label("?" if width is None else str(width))]
        caption = escape(self._size())
        return (
            f'<figure role="img" aria-label="{escape(repr(self))}" style="margin:0.5em 0">'
            f'<div style="{_ROW}">{_ARROW.join(parts)}</div>'
            f'<figcaption style="opacity:0.7">{caption}</figcaption></figure>'
        )

    def _size(self) -> str:
        return f"{sum(array.size for array in self.params.values()):,} parameters, {self.dtype}"


for _name, _advice in ELSEWHERE.items():
    setattr(Network, _name, Elsewhere(_name, _advice))


def load(path: str | os.PathLike[str]) -> Network:
    """Return the network that `Network.save` wrote to `path`.

    Nothing in the file is executed, and memory is bounded by the size of the file.

    Raises:
        FormatError: If the file does not hold a network; a ValueError.
        OSError: If the file cannot be read.

    Examples:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "network.safetensors")
        >>> handnn.mlp([2, 1], rng=0).save(path)
        >>> handnn.load(path)
        Network(Affine 2→1; 3 parameters, float32)
    """
    from handnn import storage

    return storage.read(
        path, lambda file: Network(storage.read_bricks(file)), "a network", "handnn.load"
    )


_ROW = "display:flex;flex-wrap:wrap;align-items:center;gap:0.4em"
_BOX = "border:1px solid currentColor;border-radius:0.4em;padding:0.2em 0.6em;text-align:center"
_ARROW = "<span>→</span>"


def _n_params(layer: Brick) -> int:
    return sum(array.size for array in params_of(layer).values())


def _label(text: str) -> str:
    return f'<span style="opacity:0.7">{text}</span>'


def _box(layer: Brick) -> str:
    """Return a brick as an HTML box: its name, its inner bricks, and its number of params."""
    from html import escape

    lines = [escape(sequence.name(layer))]
    if isinstance(layer, Layer) and layer.block:
        inner = _ARROW.join(map(_box, layer.block))
        lines = [escape(type(layer).__name__), f'<div style="{_ROW}">{inner}</div>']
    n_params = _n_params(layer)
    if n_params:
        lines.append(f'<small style="opacity:0.7">{n_params:,} parameters</small>')
    return f'<div style="{_BOX}">{"".join(f"<div>{line}</div>" for line in lines)}</div>'


def mlp(
    sizes: Iterable[SupportsIndex],
    activation: str = "relu",
    rng: RandomSource = None,
    dtype: DTypeLike = "float32",
) -> Network:
    """Return a multilayer perceptron: Affine bricks with activations between them.

    sizes: the width of the input, of each hidden layer, and of the output. The output has no
        activation.
    activation: relu, leaky_relu, elu, gelu, silu, softplus, sigmoid or tanh.
    rng: an int, a Generator or None, for the weights. They are drawn with `Activation.init`:
        "xavier" for sigmoid and tanh, "he" for the others; see `initializers.initial_weights`.
        Biases are 0.

    Raises:
        TypeError: If `sizes` is not a list of ints or `dtype` is not float32 or float64.
        ValueError: If there are fewer than two sizes, one is below 1, or `activation` is unknown.

    Examples:
        >>> handnn.mlp([8, 64, 1], activation="tanh", rng=0)
        Network(Affine 8→64, Tanh, Affine 64→1; 641 parameters, float32)
    """
    if not hasattr(sizes, "__iter__"):
        raise TypeError(f"mlp: sizes must be a list of ints such as [2, 8, 1], but is {sizes!r}")
    widths = [whole_number(size, "mlp: a size") for size in sizes]
    if len(widths) < 2:
        raise ValueError(f"mlp: sizes must have two or more elements, but is {widths}")
    if activation not in list(ACTIVATIONS):
        raise ValueError(
            f"mlp: activation must be one of {', '.join(ACTIVATIONS)}, but is {activation!r}"
        )
    chosen = ACTIVATIONS[activation]
    rng = generator(rng, "mlp: rng")
    layers: list[Brick] = []
    for n_in, n_out in pairwise(widths):
        layers += [Affine.random(n_in, n_out, chosen.init, rng, dtype), chosen()]
    return Network(layers[:-1])
