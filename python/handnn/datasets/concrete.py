"""The strength of concrete: a table for regression that comes with the package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Dataset:
    """A table for regression: N rows of I features and one measured target.

    Attributes:
        x: features, float64 (N, I).
        y: target, float64 (N,).
        feature_names: I names, in the order of the columns of `x`.
        target_name: what `y` is.
        units: I units, in the order of the columns of `x`.
        target_unit: the unit of `y`.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    feature_names: tuple[str, ...]
    target_name: str
    units: tuple[str, ...]
    target_unit: str

    def __repr__(self) -> str:
        """Tell the size and the target."""
        rows, features = self.x.shape
        return (
            f"Dataset({rows} rows, {features} features → {self.target_name} in {self.target_unit})"
        )


def load_concrete() -> Dataset:
    """Return the compressive strength of 1030 concrete mixes, by ingredients and age.

    Seven ingredients in kg/m³ and the age in days; the strength is in MPa. Every call reads the
    file anew, so the arrays are the caller's own.

    Source: I-Cheng Yeh, "Modeling of strength of high-performance concrete using artificial neural
    networks", Cement and Concrete Research 28(12), 1797-1808, 1998; UCI Machine Learning
    Repository, CC BY 4.0. More in `data/concrete.md`.
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
