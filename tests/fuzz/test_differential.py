"""Random networks have the same bits in both engines, for one row and for many, and as a C header.

HANDNN_FUZZ_NETWORKS is their number, HANDNN_FUZZ_SEED the seed.
"""

from __future__ import annotations

import copy
import functools
import os
import re
import shutil

import numpy as np
import pytest

import handnn
from handnn import Affine, BatchNorm, Dropout, Embedding, LayerNorm, Network, Residual, Trainer
from handnn.layers import ACTIVATIONS
from handnn.losses import LOSSES
from handnn.optimizers import OPTIMIZERS
from handnn.reference.examples import loss_examples, optimizer_examples
from tests.bounds import assert_same_bits
from tests.exchange.c_programs import (
    BUILDS,
    assert_same_numbers,
    compile_all,
    needs_fma,
    predict_all,
)

N_NETWORKS = int(os.environ.get("HANDNN_FUZZ_NETWORKS", "40"))
SEED = int(os.environ.get("HANDNN_FUZZ_SEED", "0"))
N_TOGETHER = 50
"""The number of networks in one C program. GCC compiles every tenth program and, if it is
installed, tcc the others: it needs a twentieth of the time."""

NOT_FINITE = re.compile(r"[{,]\s*-?\(\w+\)(?:NAN|INFINITY)")
"""Matches such a number in an array of a header."""

MAX_WIDTH, MAX_DEPTH = 70, 4


def width(rng):
    """Return a random width; small ones are as frequent as large ones."""
    return int(MAX_WIDTH ** rng.random())


def brick(rng, n, dtype, depth):
    """Return a random brick that takes and gives n columns."""
    kind = rng.integers(6 if depth < 2 else 5)
    if kind == 0:
        return LayerNorm.new(n, dtype=dtype)
    if kind == 1:
        return BatchNorm.new(n, dtype=dtype)
    if kind == 2:
        return Dropout(float(rng.uniform(0, 0.6)), rng=int(rng.integers(100)))
    if kind < 5:
        names = sorted(ACTIVATIONS)
        return ACTIVATIONS[names[rng.integers(len(names))]]()
    inner = [brick(rng, n, dtype, depth + 1) for _ in range(rng.integers(3))]
    return Residual([*inner, Affine.random(n, n, "xavier", rng, dtype)])


def layers(rng, n_in, n_out, n_codes, dtype):
    """Return random bricks from n_in to n_out columns; column 0 holds codes if there are any."""
    found, n = [], n_in
    if n_codes:
        found.append(Embedding.random(n_codes, int(rng.integers(1, 9)), rng=rng, dtype=dtype))
        n += found[0].w.shape[1] - 1
    for _ in range(rng.integers(MAX_DEPTH)):
        more = width(rng)
        found.append(Affine.random(n, more, "xavier", rng, dtype))
        n = more
        found += [brick(rng, n, dtype, 0) for _ in range(rng.integers(3))]
    return [*found, Affine.random(n, n_out, "xavier", rng, dtype)]


@functools.cache
def optimizers():
    """Return optimizers with all settings among the examples."""
    return [one for kind in OPTIMIZERS for one in optimizer_examples(kind)]


class Case:
    """A random network with rows, a loss, an optimizer and the arguments of a fit."""

    def __init__(self, number):
        self.seed = (SEED, number)
        rng = np.random.default_rng(self.seed)
        self.dtype = ("float32", "float64")[rng.integers(2)]
        n_rows = int(rng.integers(2, 90))
        examples = list(loss_examples(LOSSES[rng.integers(len(LOSSES))], n_rows, self.dtype))
        self.example = examples[rng.integers(len(examples))]
        self.n_codes = int(rng.integers(2, 9)) if rng.random() < 0.2 else 0
        self.x = rng.normal(size=(n_rows, width(rng))).astype(self.dtype)
        if self.n_codes:
            self.x[:, 0] = rng.integers(self.n_codes, size=n_rows)
        self.options = {
            "epochs": 2,
            # No batch is a single row: BatchNorm needs two.
            "batch_size": int(rng.integers(2, 40)) if n_rows > 3 else n_rows,
            "sample_weight": self.example.sample_weight if rng.random() < 0.5 else None,
        }
        if n_rows % self.options["batch_size"] == 1:
            self.options["batch_size"] = n_rows
        self.optimizer = optimizers()[rng.integers(len(optimizers()))]

    def trainer(self, engine):
        """Return a new trainer; those of a case differ only in the engine."""
        rng = np.random.default_rng(self.seed)
        bricks = layers(rng, self.x.shape[1], self.example.pre.shape[1], self.n_codes, self.dtype)
        optimizer, loss = copy.deepcopy((self.optimizer, self.example.loss))
        optimizer.lr = 1e-3
        return Trainer(Network(bricks), loss, optimizer, engine=engine, rng=1)

    def fit(self, engine):
        """Return a trained trainer, and the message if its loss diverged."""
        trainer = self.trainer(engine)
        try:
            trainer.fit(self.x, self.example.y_true, **self.options)
        except handnn.DivergenceError as error:
            return trainer, str(error)
        return trainer, ""


@needs_fma
@pytest.mark.filterwarnings("ignore")
def test_networks_have_the_same_bits_everywhere(tmp_path):
    before = handnn.get_num_threads()
    try:
        for first in range(0, N_NETWORKS, N_TOGETHER):
            numbers = range(first, min(first + N_TOGETHER, N_NETWORKS))
            checked = {number: check_engines(number) for number in numbers}
            check_headers(checked, tmp_path)
    finally:
        handnn.set_num_threads(before)
    print(f"{N_NETWORKS} random networks: the same bits in both engines, by rows and in C")


def check_engines(number):
    """Compare the engines and predictions; return a network, its rows and what it predicts."""
    case = Case(number)
    handnn.set_num_threads(1 + number % 3)
    (compiled, message), (bricks, other) = case.fit("compiled"), case.fit("bricks")
    what = f"network {number}: {compiled!r}"
    assert message == other, what
    losses = [np.array(one.history.train_loss) for one in (compiled, bricks)]
    assert_same_bits(*losses, what)
    arrays = {**bricks.network.params, **bricks.network.buffers}
    for name, array in {**compiled.network.params, **compiled.network.buffers}.items():
        assert_same_bits(array, arrays[name], f"{what}, {name}")
    out = compiled.network.predict(case.x)
    one_by_one = [compiled.network.predict(case.x[n : n + 1]) for n in range(len(case.x))]
    # The bits of a NaN are not guaranteed (docs/numerics.md): of two NaNs, the CPU selects one.
    assert_same_bits(
        *(np.where(np.isnan(a), np.nan, a) for a in (out, np.concatenate(one_by_one))), what
    )
    return compiled.network, case.x, out


def check_headers(checked, folder):
    """Compile the headers of some networks, and compare their predictions."""
    is_for_gcc = min(checked) // N_TOGETHER % 10 == 0 or not shutil.which("tcc")
    for real, dtype in (("float", "float32"), ("double", "float64")):
        own = {n: one for n, one in checked.items() if one[0].dtype == dtype}
        if not own:
            continue
        names = {f"net{n % N_TOGETHER}": one[0] for n, one in own.items()}
        headers = {name: handnn.to_c(network, name=name) for name, network in names.items()}
        # tcc does not accept NAN and INFINITY in an initializer.
        has_others = any(map(NOT_FINITE.search, headers.values()))
        build = BUILDS["gcc -O0" if is_for_gcc or has_others else "tcc"]
        program = compile_all(build, headers, real, folder)
        _, rows, outs = zip(*own.values(), strict=True)
        found = predict_all(program, rows, [out.shape[1] for out in outs])
        for number, one, expected in zip(own, found, outs, strict=True):
            assert_same_numbers(one, expected, f"network {number}")
