"""Functions of `handnn.functional` against the same formulas in NumPy, in one pinned process."""

from __future__ import annotations

import multiprocessing
import timeit
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks import report
from benchmarks.machine import pin, usable_cpus
from benchmarks.problems import Array
from benchmarks.timing import Effort, Timed, interleave
from benchmarks.worker import environment, settings
from handnn import functional

PAIRWISE_DEPTH = 64  # an upper limit of the additions per term in NumPy's pairwise sums


@dataclass(frozen=True)
class Case:
    """One function on arrays of one size, as a statement of handnn and one of NumPy.

    Each sum has `terms` terms, and `magnitude` is the sum of their absolute values. The two results
    may differ by 4·eps·terms·magnitude, because the error of each is at most half of that.
    """

    ours: str
    numpy: str
    magnitude: str
    terms: int = 1
    shape: tuple[int, ...] = (32, 64)
    target: float | None = None


@dataclass(frozen=True)
class Row:
    """Seconds per call."""

    function: str
    numpy_formula: str
    shape: str
    dtype: str
    handnn: float
    numpy: float
    target: float | None

    @property
    def ratio(self) -> float:
        """NumPy's time divided by handnn's."""
        return self.numpy / self.handnn


def elementwise(shape: tuple[int, ...], target: float | None = None) -> list[Case]:
    """Return the cases of element-wise functions."""
    sigmoid, mean = "1 / (1 + np.exp(-x))", "np.mean((x - y) ** 2)"
    difference, sgd = "2 / x.size * (abs(x) + abs(y))", "np.subtract(q, 0.01 * dout, out=q)"
    return [
        Case("relu_forward(x)", "np.maximum(x, 0)", "abs(x)", 1, shape, target),
        Case("relu_backward(dout, x)", "dout * (x >= 0)", "abs(dout)", 1, shape),
        Case("sigmoid_forward(x)", sigmoid, sigmoid, 2, shape),
        Case("sigmoid_backward(dout, y)", "dout * (1 - y) * y", "abs(dout)", 2, shape),
        Case("mse_loss_forward(x, y)", mean, mean, PAIRWISE_DEPTH, shape),
        Case("mse_loss_backward(x, y)", "2 / x.size * (x - y)", difference, 2, shape),
        Case("sgd_update(p, dout, lr=0.01)", sgd, "abs(q) + abs(dout)", 2, shape),
    ]


def affine(N: int, I: int, O: int, target: float | None = None) -> list[Case]:
    """Return the cases of Affine, forward and backward."""
    forward = Case(
        "affine_forward(x, w, b)", "x @ w + b", "abs(x) @ abs(w) + abs(b)", I + 1, (N, I, O), target
    )
    backward = Case(
        "affine_backward(d, x, w)",
        "(d @ w.T, x.T @ d, d.sum(axis=0))",
        "(abs(d) @ abs(w.T), abs(x.T) @ abs(d), abs(d).sum(axis=0))",
        max(N, O),
        (N, I, O),
    )
    return [forward, backward]


CASES = [
    *elementwise((1, 64), target=1 / 1.5),
    *affine(32, 64, 64, target=1.3),
    *elementwise((32, 64)),
    *affine(128, 784, 256),
    *elementwise((256, 1024)),
]


def arrays(case: Case, dtype: str) -> dict[str, object]:
    """Return the names that the statements of a case use."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(dtype)

    names: dict[str, object] = {"np": np, "functional": functional}
    if case.ours.startswith("affine"):
        N, I, O = case.shape
        return names | {"x": draw(N, I), "w": draw(I, O), "b": draw(O), "d": draw(N, O)}
    p = draw(*case.shape)
    y = rng.uniform(0, 1, case.shape).astype(dtype)
    return names | {
        "x": draw(*case.shape),
        "dout": draw(*case.shape),
        "y": y,
        "p": p,
        "q": p.copy(),
    }


def verify(case: Case, names: dict[str, object], dtype: str) -> None:
    """Raise ArithmeticError if handnn and NumPy disagree."""
    ours, numpy, magnitude = (
        result if isinstance(result, tuple) else (result,)
        for result in (
            eval(f"functional.{case.ours}", names),
            eval(case.numpy, names),
            eval(case.magnitude, names),
        )
    )
    if ours[0] is None:  # updated in place
        ours = (names["p"],)
    for a, b, m in zip(ours, numpy, magnitude, strict=True):
        if not np.all(abs(a - b) <= 4 * np.finfo(dtype).eps * case.terms * m):
            raise ArithmeticError(f"{case.ours} is not {case.numpy}")


def timed(statement: str, names: dict[str, object]) -> Timed:
    """Return a function that times n executions of a statement."""
    return timeit.Timer(statement, globals=names).timeit


def compare(case: Case, dtype: str, effort: Effort) -> Row:
    """Verify and time one case."""
    names = arrays(case, dtype)
    verify(case, names, dtype)
    function, _, arguments = case.ours.partition("(")
    names[function] = getattr(functional, function)
    seconds = interleave(
        {"handnn": timed(case.ours, names), "numpy": timed(case.numpy, names)}, effort
    )
    shape = "×".join(map(str, case.shape))
    return Row(
        f"{function}({arguments}",
        case.numpy,
        shape,
        dtype,
        seconds["handnn"],
        seconds["numpy"],
        case.target if dtype == "float32" else None,
    )


def compare_all(effort: Effort) -> list[Row]:
    """Verify and time all cases on one CPU."""
    pin(usable_cpus()[-1])
    return [compare(case, dtype, effort) for dtype in ("float32", "float64") for case in CASES]


def measure(effort: Effort) -> list[Row]:
    """Run `compare_all` in a process in which every library has one thread."""
    report.progress("kernels")
    context = multiprocessing.get_context("spawn")
    with environment(settings(1)), ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(compare_all, effort).result()


def show(rows: list[Row]) -> None:
    """Print the table."""
    report.table(
        "Kernels: µs per call, one pinned thread; ratio is NumPy's time divided by handnn's",
        ["function", "NumPy", "shape", "dtype", "handnn", "NumPy", "ratio", "target"],
        [
            [
                row.function,
                row.numpy_formula,
                row.shape,
                row.dtype,
                report.micro(row.handnn),
                report.micro(row.numpy),
                report.times(row.ratio),
                verdict(row),
            ]
            for row in rows
        ],
    )


def verdict(row: Row) -> str:
    """Return the target and whether it is met, or "" without a target."""
    if row.target is None:
        return ""
    return f"≥ {row.target:.2f} {'met' if row.ratio >= row.target else 'MISSED'}"


def as_json(rows: list[Row]) -> list[dict[str, object]]:
    """Return the rows as JSON values."""
    return [asdict(row) | {"ratio": row.ratio} for row in rows]
