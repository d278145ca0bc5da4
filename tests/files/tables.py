"""Small tables for the tests of files."""

from __future__ import annotations

import numpy as np


def flats(count=120, seed=0):
    """Return rows about flats as a dict of columns: numbers with gaps, a category and a price."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(20, 150, count).round(1)
    floor = rng.integers(0, 9, count)
    town = rng.choice(["Ulm", "Bonn", "Köln"], count)
    price = (area * 12 + floor * 20 + (town == "Köln") * 300 + rng.normal(0, 20, count)).round(2)
    floors = [None if rng.random() < 0.1 else int(value) for value in floor]
    return {
        "area": area.tolist(),
        "floor": floors,
        "town": town.tolist(),
        "price": price.tolist(),
    }


def as_csv(columns, delimiter=",", end="\n", decimal="."):
    """Return columns as the text of a CSV file."""

    def cell(value):
        if value is None:
            return ""
        text = str(value)
        return text.replace(".", decimal) if isinstance(value, float) else text

    lines = [delimiter.join(columns)]
    lines += [delimiter.join(map(cell, row)) for row in zip(*columns.values(), strict=True)]
    return end.join(lines) + end
