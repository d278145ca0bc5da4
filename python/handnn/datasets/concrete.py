"""The strength of concrete: a regression table that is part of the package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Dataset:
    """A regression table: N rows of I features and one target.

    Attributes:
        x: features, float64 (N, I).
        y: target, float64 (N,).
        feature_names: I names, in the order of the columns of `x`.
        target_name: the name of the target.
        units: I units, in the order of the columns of `x`.
        target_unit: the unit of `y`.

    Examples:
        >>> from handnn.datasets import load_concrete
        >>> data = load_concrete()
        >>> data.feature_names[-1], data.units[-1]
        ('Age', 'day')
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    feature_names: tuple[str, ...]
    target_name: str
    units: tuple[str, ...]
    target_unit: str

    def __repr__(self) -> str:
        """Return the size and the target as text."""
        rows, features = self.x.shape
        return (
            f"Dataset({rows} rows, {features} features → {self.target_name} in {self.target_unit})"
        )


def load_concrete() -> Dataset:
    """Return the compressive strength of 1030 concrete mixes with their ingredients and age.

    The 8 features are seven ingredients in kg/m³ and the age in days; the target is in MPa. Each
    call returns new arrays.

    Source: I-Cheng Yeh, "Modeling of strength of high-performance concrete using artificial neural
    networks", Cement and Concrete Research 28(12), 1797-1808, 1998; UCI Machine Learning
    Repository, CC BY 4.0. See `data/concrete.md`.

    Examples:
        >>> from handnn.datasets import load_concrete
        >>> data = load_concrete()
        >>> data
        Dataset(1030 rows, 8 features → Concrete compressive strength in MPa)
        >>> data.x.shape, data.y.shape
        ((1030, 8), (1030,))
    """
    lines = (resources.files("handnn") / "data" / "concrete.csv").read_text("utf-8").splitlines()
    *feature_names, target_name = lines[0].split(",")
    table = np.loadtxt(lines[1:], delimiter=",")
    return Dataset(
        x=np.ascontiguousarray(table[:, :-1]),
        y=np.ascontiguousarray(table[:, -1]),
        feature_names=tuple(feature_names),
        target_name=target_name,
        units=("kg/m³",) * 7 + ("day",),
        target_unit="MPa",
    )
