"""to_c: the compiled header has the bits of predict, for every brick and every compiler."""

from __future__ import annotations

import numpy as np
import pytest

import handnn
from handnn import GELU, Affine, Dropout, LeakyReLU, Network, Residual, SiLU, Tanh, mlp
from tests.exchange import networks
from tests.exchange.c_programs import (
    BUILDS,
    assert_same_numbers,
    compile_all,
    needs_fma,
    predict,
)
from tests.exchange.networks import network_of, rows_of

REALS = {"float32": "float", "float64": "double"}


def one_column(name):
    """Return a function that builds the brick after an Affine that preserves inf and -0."""

    def build(dtype):
        brick = networks.BRICKS[name](np.random.default_rng(0), dtype)
        return Network([Affine(np.ones((1, 1), dtype), np.array([-0.0], dtype)), brick])

    return build


def nested(dtype):
    """Return nested Residuals, narrow and wide rows, an empty block, and products before sums."""
    rng = np.random.default_rng(1)
    widened = [networks.affine(7, 40, rng, dtype), GELU(), networks.affine(40, 7, rng, dtype)]
    inner = Residual([networks.affine(7, 7, rng, dtype), Tanh()])
    outer = Residual([*widened, inner])
    layers = [
        networks.affine(9, 7, rng, dtype),
        Residual(
            [Dropout(0.5), Residual([networks.layer_norm(7, rng, dtype), outer, Dropout(0.1)])]
        ),
        Residual([Dropout(0.5)]),
        Residual([SiLU()]),
        LeakyReLU(0.1),
        Residual([LeakyReLU(0.3)]),
        Dropout(0.2),
    ]
    return Network(layers)


ONE_COLUMN = [
    "ELU", "ELU, settings", "GELU", "GELU, tanh", "LeakyReLU", "LeakyReLU, settings", "ReLU",
    "Sigmoid", "SiLU", "Softplus", "Tanh",
]  # fmt: skip
EVERY = {
    **{name: lambda dtype, name=name: network_of(name, dtype) for name in networks.BRICKS},
    **{name: one_column(name) for name in ONE_COLUMN},
    "tabular": networks.tabular,
    "13-64-64-1": lambda dtype: mlp([13, 64, 64, 1], rng=0, dtype=dtype),
    "nested": nested,
}
FEW = ["GELU", "GELU, tanh", "Softplus", "Tanh", "tabular", "13-64-64-1", "nested"]
"""The functions with the longest chains of roundings, for builds that should be quick."""


def names_for(build):
    return list(EVERY if build.is_thorough else FEW)


CASES = [(key, name) for key, build in BUILDS.items() for name in names_for(build)]


@pytest.fixture(scope="module", params=REALS)
def dtype(request):
    return request.param


@pytest.fixture(scope="module")
def programs(dtype, tmp_path_factory):
    """Compile all networks of a build into one program; this checks that names differ."""
    compiled = {}

    def program(key):
        if key not in compiled:
            headers = {}
            for index, name in enumerate(names_for(BUILDS[key])):
                x = rows_of(8, dtype) if name.startswith("Embedding") else None
                network = EVERY[name](dtype)
                headers[f"net_{index}"] = handnn.to_c(network, name=f"net_{index}", x=x)
            folder = tmp_path_factory.mktemp("c")
            compiled[key] = compile_all(BUILDS[key], headers, REALS[dtype], folder)
        return compiled[key]

    return program


def specials(dtype):
    """Return numbers at which formulas fail: NaN, the largest, denormals, 0, the limits of exp."""
    info = np.finfo(dtype)
    sizes = [0, info.smallest_subnormal, 3 * info.smallest_subnormal, info.tiny, info.max, np.inf]
    sizes += [87.3, 88.8, 103.3, 104.5, 708.4, 709.9, 744.5, 746.5, 13.3, 14.5, 37.6, 38.7]
    sizes = np.array(sizes, dtype)
    return np.concatenate([[np.nan], sizes, -sizes]).astype(dtype)


def rows_for(name, network, dtype):
    columns = network.sizes["in"]
    if columns == 1:  # all special numbers, repeated
        info = np.finfo(dtype)
        sizes = np.concatenate(
            [
                np.linspace(0, 800 if dtype == "float64" else 110, 4000),
                np.geomspace(1e-30, 50, 2000),
            ]
        )
        denormal = np.geomspace(info.smallest_subnormal, info.tiny, 20, dtype="float64")
        x = np.concatenate([sizes, -sizes, denormal, -denormal, specials(dtype)])
        return x.astype(dtype)[:, None]
    if columns != networks.COLUMNS:
        return np.random.default_rng(2).normal(size=(200, columns)).astype(dtype)
    x = np.concatenate([rows_of(200, dtype), rows_of(100, dtype, scale=1e-5)])
    if name.startswith("Embedding"):  # the Affine before it would turn the codes into NaN
        return x
    numbers = [column for column in range(columns) if column not in (2, 8)]
    for row, value in enumerate(specials(dtype)):
        x[row, numbers[row % len(numbers)]] = value
    return x


@needs_fma
@pytest.mark.parametrize(("key", "name"), CASES)
def test_the_header_has_the_bits_of_predict(key, name, dtype, programs):
    network = EVERY[name](dtype)
    x = rows_for(name, network, dtype)
    expected = network.predict(x)
    index = names_for(BUILDS[key]).index(name)
    actual = predict(BUILDS[key], programs(key), index, x, expected.shape[1])
    assert_same_numbers(actual, expected)


def test_the_list_has_every_brick():
    from handnn.exchange.c.bricks import BRICKS
    from handnn.layers.sequence import walk

    every = [make("float32") for make in EVERY.values()]
    bricks = {type(layer).__name__ for network in every for _, layer in walk(network.layers)}
    assert bricks == set(BRICKS) == set(handnn.layers.BRICKS)
