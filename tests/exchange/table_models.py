"""Table models to export, and a table with hostile names and labels."""

from __future__ import annotations

import numpy as np

from handnn import Columns, Network, TableModel, Target
from handnn.tables.log_scale import LogScale
from tests.exchange import networks

KINDS_OF_TEXT = [
    "plain", 'q"uo,te', "back\\slash", "*/ int x; /*", "??/", "Größe 日本", "new\nline", "%s %n",
    "int", "plainer",
]  # fmt: skip

NAMES = [
    "size", "age */ #error /*", "real\n@ R(1) C(fabs) $x <comment>", "größe ??/", "kind \\", "zip",
    "open",
]  # fmt: skip


def table(count=200, seed=0):
    """Return numbers, two columns with gaps; text with gaps; numeric labels; and bools."""
    rng = np.random.default_rng(seed)
    numbers = [
        rng.normal(-122, 2, count),
        rng.gamma(2, 500, count),
        rng.normal(0, 1e-3, count),
        rng.integers(0, 9, count).astype(float),
    ]
    for column in numbers[1:3]:
        column[rng.random(count) < 0.1] = np.nan
    text = np.array(KINDS_OF_TEXT, object)[rng.integers(0, len(KINDS_OF_TEXT), count)]
    text[rng.random(count) < 0.1] = None
    codes = rng.choice([10115.0, 53111.0, 0.5], count)
    codes[rng.random(count) < 0.1] = np.nan
    columns = [*numbers, list(text), codes, rng.random(count) < 0.5]
    return dict(zip(NAMES, columns, strict=True))


def mixed(count=300):
    """Return such a table with gaps in every column, and unseen labels."""
    found = table(count, seed=1)
    rng = np.random.default_rng(2)
    for name in NAMES[:4]:
        found[name] = np.where(rng.random(count) < 0.1, np.nan, found[name])
    found[NAMES[4]] = [("new", "plai")[k % 2] if k % 7 == 0 else t
                       for k, t in enumerate(found[NAMES[4]])]  # fmt: skip
    found["zip"][::5] = 3.25
    found["open"] = [None if gap else bool(o) for gap, o in zip(rng.random(count) < 0.1,
                     found["open"], strict=True)]  # fmt: skip
    return found


def targets(task, count=200):
    rng = np.random.default_rng(3)
    if task == "logarithms":
        return np.exp(rng.normal(5, 1, count))
    return {
        "regression": rng.normal(1e5, 3e4, count),
        "outputs": rng.normal([1, -50], [0.1, 7], (count, 2)),
        "binary": rng.choice(["no", "yes"], count),
        "multiclass": rng.choice(["a", "b", "c"], count),
        "multilabel": rng.integers(0, 2, (count, 3)).astype(bool),
    }[task]


def table_model(task, dtype, categories="embedding", scale=True, count=2, seed=4):
    """Return a model with random weights; only the columns and the target are fitted."""
    rng = np.random.default_rng(seed)
    columns = Columns.learn(table(), categories=categories, scale=scale, kinds={"zip": "category"})
    target = Target.learn(targets(task))
    if task == "logarithms":
        target = LogScale.of(targets(task)[:, None]).target(1.25)
    found = []
    for _ in range(count):
        layers = [
            *columns.first_layers(rng, dtype),
            networks.affine(columns.n_after, 12, rng, dtype),
            networks.batch_norm(12, rng, dtype),
            networks.residual(12, rng, dtype),
            networks.affine(12, target.n_out, rng, dtype),
        ]
        found.append(Network(layers))
    return TableModel(found, columns, target)


def answers(model, rows):
    """Return the expected predictions of an export for a table, (N, O)."""
    is_regression = model.target.task == "regression"
    found = model.predict(rows) if is_regression else model.predict_proba(rows)
    return found.reshape(len(found), -1)


def c_rows(model, rows):
    """Return a table as rows of the header: numbers, then categories, text as codes."""
    dtype = model.dtype
    numbers = [np.asarray(rows[name], float) for name in NAMES[:4]]
    text, kinds = rows[NAMES[4]], sorted(KINDS_OF_TEXT)
    codes = [
        np.nan if t is None else kinds.index(t) if t in kinds else len(kinds) + 1 for t in text
    ]
    is_open = [np.nan if o is None else float(o) for o in rows["open"]]
    return np.column_stack([*numbers, codes, rows["zip"], is_open]).astype(dtype)


CASES = {
    "regression": ("regression", {}),
    "one network": ("regression", {"count": 1}),
    "outputs": ("outputs", {}),
    "binary": ("binary", {"count": 3}),
    "multiclass": ("multiclass", {}),
    "multilabel": ("multilabel", {}),
    "one-hot": ("regression", {"categories": "one-hot"}),
    "quantile": ("regression", {"scale": "quantile"}),
    "logarithms": ("logarithms", {}),
    "not scaled": ("regression", {"scale": False}),
    "all": ("binary", {"categories": "one-hot", "scale": "quantile"}),
}


def of_case(name, dtype):
    task, settings = CASES[name]
    return table_model(task, dtype, **settings)
