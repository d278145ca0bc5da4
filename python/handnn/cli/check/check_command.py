"""`handnn check`: check that this installation computes correctly on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

import handnn
from handnn.cli import machine
from handnn.cli.check.everything import check_all
from handnn.cli.check.result import Result


def facts() -> Mapping[str, object]:
    """Return the versions, the machine and the instruction set being checked."""
    cpu = handnn.cpu_info()
    return {
        **machine.versions(),
        "compiler": cpu["compiler"],
        "cpu": cpu["cpu"],
        **machine.cores(),
        "threads": handnn.get_num_threads(),
        "instruction_set": cpu["isa"],
        "supported_here": cpu["supported"],
        "compiled": cpu["compiled"],
    }


def line(result: Result) -> str:
    """Return one line of the table."""
    verdict = "ok" if result.passed else "FAILED"
    return (
        f"{result.brick:19} {result.what:18} {result.dtype:8} {result.cases:6,}  "
        f"{result.error:11.1e}  {result.bound:8.1e}  {verdict} {result.note}"
    ).rstrip()


@click.command(
    short_help="Check that this installation computes correctly.",
    epilog="Examples: handnn check; HANDNN_ISA=v3 handnn check; handnn check --json",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(context: click.Context, as_json: bool) -> None:
    """Check every layer, loss, optimizer and schedule; exit with 0 if all pass, else with 1.

    Results in new and in given arrays are compared with plain NumPy, in float32 and float64, at
    lengths around the widths of vectors. Gradients are compared with finite differences of forward,
    and training by the compiled engine with the same training in Python, bit for bit.

    Each line shows the error closest to its bound. The bounds are derived: 2 eps K times
    the sum of absolute terms for a sum of K terms, 4 eps for a formula without a sum, 0 for copies
    and bits (the error counts the entries that differ), and a relative 1e-6 for a slope, beyond the
    rounding of its measurement. HANDNN_ISA chooses the instruction set to check.
    """
    where, results = facts(), check_all()
    failed = sum(not result.passed for result in results)
    if as_json:
        checks = [result.to_dict() for result in results]
        click.echo(json.dumps({"passed": not failed, "machine": where, "checks": checks}, indent=2))
    else:
        machine.show("machine", where)
        click.echo(
            "\nbrick               what               dtype     cases  worst error     bound"
        )
        for result in results:
            click.echo(line(result))
        done = f"all {len(results)} checks passed"
        click.echo("\n" + (f"{failed} of {len(results)} checks FAILED" if failed else done))
    context.exit(1 if failed else 0)
