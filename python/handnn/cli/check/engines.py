"""The compiled engine against the loop over bricks: the same bits after a few epochs."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np

from handnn.arrays import Array
from handnn.cli.check.result import Case, n_different
from handnn.layers import Affine
from handnn.losses import KernelLoss, MSELoss
from handnn.network import Network, mlp
from handnn.optimizers import SGD, GradientOptimizer
from handnn.reference import examples
from handnn.reference.calls.schedules import schedule_calls
from handnn.schedules import Schedule
from handnn.training.trainer import Trainer

N_ROWS, BATCH_SIZE, EPOCHS = 22, 8, 2


def same_bits(
    network: Network,
    loss: KernelLoss,
    optimizer: GradientOptimizer,
    x: Array,
    y: Array,
    sample_weight: Array | None = None,
) -> Iterator[Case]:
    """Yield, for each array, the number of entries that differ between fits by the two engines."""
    fits = []
    for engine in ("compiled", "bricks"):
        trainer = Trainer(*copy.deepcopy((network, loss, optimizer)), engine=engine, rng=0)
        history = trainer.fit(
            x, y, epochs=EPOCHS, batch_size=BATCH_SIZE, sample_weight=sample_weight
        )
        fits.append([*arrays_of(trainer), history.train_loss])
    for compiled, bricks in zip(*fits, strict=True):
        yield Case("engines", n_different(compiled, bricks), 0, 0)


def of_layer(name: str, dtype: str) -> Iterator[Case]:
    """Compare both engines on a network that contains a layer."""
    x, y = examples.data(name, N_ROWS, dtype)
    yield from same_bits(examples.network(name, dtype), MSELoss(), SGD(0.01, 0.9), x, y)


def of_loss(loss: type[KernelLoss], dtype: str) -> Iterator[Case]:
    """Compare both engines on a loss, with and without sample weights."""
    for example in examples.loss_examples(loss, N_ROWS, dtype):
        n_outputs = example.pre.shape[1]
        network = Network([Affine.random(examples.N_IN, n_outputs, rng=0, dtype=dtype)])
        x = np.random.default_rng(0).normal(size=(N_ROWS, examples.N_IN)).astype(dtype)
        for weight in (None, example.sample_weight):
            yield from same_bits(network, example.loss, SGD(0.01), x, example.y_true, weight)


def of_optimizer(optimizer: type[GradientOptimizer], dtype: str) -> Iterator[Case]:
    """Compare both engines on an optimizer with each of its settings."""
    for example in examples.optimizer_examples(optimizer):
        yield from on_a_network(example, dtype)


def of_schedule(schedule: type[Schedule], dtype: str) -> Iterator[Case]:
    """Compare both engines on a schedule with each of its settings."""
    for call in schedule_calls():
        if type(call.schedule) is schedule:
            yield from on_a_network(SGD(0.01, 0.9, schedule=call.schedule), dtype)


def on_a_network(optimizer: GradientOptimizer, dtype: str) -> Iterator[Case]:
    """Compare both engines on a small network that an optimizer trains."""
    network = mlp([examples.N_IN, 9, examples.N_OUT], rng=0, dtype=dtype)
    x, y = examples.data("ReLU", N_ROWS, dtype)
    yield from same_bits(network, MSELoss(), optimizer, x, y)


def arrays_of(trainer: Trainer) -> list[Array]:
    """Return the params and buffers of the network, and the state of the optimizer."""
    arrays = [*trainer.network.params.values(), *trainer.network.buffers.values()]
    if isinstance(trainer.optimizer, GradientOptimizer):
        for kept in trainer.optimizer.state.values():
            arrays += kept.values()
    return arrays
