"""The code that `handnn demo` runs and prints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import handnn
from handnn.datasets import load_concrete


def train_on_concrete(
    seed: int, epochs: int, progress: bool = False
) -> tuple[handnn.Network, handnn.History, NDArray[np.intp]]:
    """Return the trained model, its history, and the rows held out of training."""
    data = load_concrete()
    rng = np.random.default_rng(seed)
    held_out, train = np.split(rng.permutation(len(data.y)), [len(data.y) // 5])

    # Standardize by the training rows alone, so that nothing leaks from the others.
    x_mean, x_std = data.x[train].mean(axis=0), data.x[train].std(axis=0)
    y_mean, y_std = data.y[train].mean(), data.y[train].std()
    x, y = (data.x - x_mean) / x_std, (data.y - y_mean) / y_std

    network = handnn.mlp([8, 128, 128, 1], rng=rng, dtype="float64")
    optimizer = handnn.SGD(lr=0.02, momentum=0.9, weight_decay=0.002)

    def decay(trainer: handnn.Trainer) -> None:  # to 1/50 of the initial learning rate
        optimizer.lr *= 0.02 ** (1 / epochs)

    trainer = handnn.Trainer(
        network, handnn.MSELoss(), optimizer, rng=rng, callbacks=[decay], progress=progress
    )
    # The held-out rows are only for the picture; no decision depends on them.
    history = trainer.fit(
        x[train], y[train], epochs=epochs, batch_size=32, validation=(x[held_out], y[held_out])
    )

    # Two more layers convert units: the model takes kg/m³ and days, and returns MPa.
    standardize = handnn.Affine(np.diag(1 / x_std), -x_mean / x_std)
    restore = handnn.Affine(np.array([[y_std]]), np.array([y_mean]))
    return handnn.Network([standardize, *network.layers, restore]), history, held_out
