"""Train an ensemble on the strength of concrete: a better prediction, and its uncertainty.

    python examples/ensemble.py --networks 16 --epochs 300

Each network has its own initial weights and trains on a bootstrap sample: n rows drawn with
replacement from the n training rows. The mean of the networks is better than most of them, and its
errors are larger where they disagree.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np

from handnn import Adam, Ensemble, MSELoss, Trainer, get_num_threads, mlp, schedules, train_many
from handnn.arrays import Array
from handnn.datasets import load_concrete

parser = argparse.ArgumentParser(description="An ensemble of networks, trained in parallel.")
parser.add_argument("--networks", type=int, default=16, help="members of the ensemble")
parser.add_argument("--epochs", type=int, default=300, help="passes over the rows of each network")
parser.add_argument("--seed", type=int, default=0, help="seed of the split and the initial weights")
parser.add_argument("--plot", metavar="FILE", help="draw errors and spread; needs matplotlib")
options = parser.parse_args()
rng = np.random.default_rng(options.seed)

# Hold out a fifth of the rows. Scale all of them by the statistics of the training rows.
data = load_concrete()
test, train = np.split(rng.permutation(len(data.y)), [len(data.y) // 5])
x = (data.x - data.x[train].mean(axis=0)) / data.x[train].std(axis=0)
y = (data.y - data.y[train].mean()) / data.y[train].std()
drawn = [rng.choice(train, len(train)) for _ in range(options.networks)]
batch_size = 32
steps = options.epochs * -(-len(train) // batch_size)


def trainers() -> list[Trainer]:
    """Return one trainer per member; trainers share no state."""
    return [
        Trainer(
            mlp([8, 64, 64, 1], rng=seed),
            MSELoss(),
            Adam(lr=0.005, schedule=schedules.Cosine(steps)),
            rng=seed,
        )
        for seed in range(options.seed, options.seed + options.networks)
    ]


start = perf_counter()
members = trainers()
train_many(members, x, y, rows=drawn, epochs=options.epochs, batch_size=batch_size)
seconds = perf_counter() - start

start = perf_counter()
alone = trainers()
for trainer, rows in zip(alone, drawn, strict=True):
    trainer.fit(x[rows], y[rows], epochs=options.epochs, batch_size=batch_size)
seconds_alone = perf_counter() - start

same = all(
    np.array_equal(array, other.network.params[name])
    for one, other in zip(members, alone, strict=True)
    for name, array in one.network.params.items()
)
print(
    f"{options.networks} networks on {get_num_threads()} threads: {seconds:.2f} s, one after "
    f"another {seconds_alone:.2f} s, {'the same' if same else 'different'} bits"
)

ensemble = Ensemble([trainer.network for trainer in members])


def r_squared(predicted: Array) -> float:
    """Return the share of the variance of the test rows that the prediction explains."""
    return float(1 - np.mean((predicted[:, 0] - y[test]) ** 2) / np.var(y[test]))


of_members = [r_squared(predicted) for predicted in ensemble.predict_all(x[test])]
mean = ensemble.predict(x[test])
print(
    f"R² on {len(test)} held-out rows: members {min(of_members):.3f} to {max(of_members):.3f}, "
    f"on average {np.mean(of_members):.3f}; their mean {r_squared(mean):.3f}"
)

error = abs(mean[:, 0] - y[test]) * data.y[train].std()
spread = ensemble.spread(x[test])[:, 0] * data.y[train].std()
print(f"rows by spread   spread / {data.target_unit}   error of the mean / {data.target_unit}")
for name, quarter in zip(
    ("least", "less", "more", "most"), np.array_split(np.argsort(spread), 4), strict=True
):
    print(f"{name:>14} {spread[quarter].mean():14.2f} {error[quarter].mean():25.2f}")

if options.plot:
    try:
        import matplotlib

        matplotlib.use("agg")
        import matplotlib.pyplot as plt
    except ImportError:
        raise SystemExit("--plot needs matplotlib: pip install matplotlib") from None
    figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    ax.scatter(spread, error, s=12, alpha=0.6)
    ax.set_xlabel(f"spread of the members / {data.target_unit}")
    ax.set_ylabel(f"error of their mean / {data.target_unit}")
    ax.set_title(f"{len(test)} held-out rows, {options.networks} networks")
    figure.savefig(options.plot, dpi=150)
    print(f"drawn: {options.plot}")
