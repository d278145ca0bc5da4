"""Two data sets: a table that is part of the package, and MNIST, read from its original files."""

from __future__ import annotations

from handnn.datasets.concrete import Dataset, load_concrete
from handnn.datasets.mnist import Mnist, load_mnist

__all__ = ["Dataset", "Mnist", "load_concrete", "load_mnist"]
