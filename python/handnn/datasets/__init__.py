"""Real measurements: a table that comes with the package, and MNIST from its original files."""

from __future__ import annotations

from handnn.datasets.concrete import Dataset, load_concrete
from handnn.datasets.mnist import Mnist, load_mnist

__all__ = ["Dataset", "Mnist", "load_concrete", "load_mnist"]
