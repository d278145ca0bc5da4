"""A short training of a bag of small networks on bins."""

from __future__ import annotations

from dataclasses import replace

from handnn.tables.fitting import fit_table
from handnn.tables.recipe import default_recipe
from handnn.training.many import train_many


def short_fit(table, y, n_bins):
    """Return the model, and the number of columns that each kind of networks learned from."""
    recipe = replace(
        default_recipe(len(y), 2, "fast"),
        epochs=2,
        hidden=(4,),
        activations=("relu",),
        dropouts=(0.0,),
        n_bins=n_bins,
    )
    widths = []

    def train(trainers, *, each, **kwargs):
        inputs = {id(own["x"]): own["x"] for own in each}
        widths.extend(x.shape[1] for x in inputs.values())
        return train_many(trainers, each=each, **kwargs)

    return fit_table(table, y, recipe, rng=0, train=train).model, widths
