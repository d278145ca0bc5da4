"""`handnn check`: proof that this installation computes correctly on this machine."""

from __future__ import annotations

import json
from typing import Any

import click

import handnn
from handnn.cli import machine
from handnn.cli.verdict import Row, check_all


def facts() -> dict[str, Any]:
    """Return where the check runs, and with what."""
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


def line(row: Row) -> str:
    """Return one row of the table."""
    verdict = "ok" if row.passed else "FAILED"
    return (
        f"{row.brick:9} {row.what:14} {row.dtype:8} {row.cases:6,}  {row.error:11.1e}  "
        f"{row.bound:8.1e}  {verdict} {row.note}"
    ).rstrip()


@click.command(
    short_help="Prove that this installation computes correctly.",
    epilog="Examples: handnn check; HANDNN_ISA=v3 handnn check; handnn check --json",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(context: click.Context, as_json: bool) -> None:
    """Compare every brick with plain NumPy, in float32 and float64 and at sizes around the edges of
    vectors, and every gradient with a measured slope; exit with 0 if all agree, else with 1.

    Each line shows the error that came nearest to its bound. The bounds are derived: 2 eps K times
    the sum of absolute terms for a sum of K terms, 4 eps for a formula without a sum, 0 for a copy,
    and a relative 1e-6 for a slope, beyond the rounding that measuring it costs. HANDNN_ISA chooses
    the instruction set that is checked.
    """
    where, rows = facts(), check_all()
    failed = sum(not row.passed for row in rows)
    if as_json:
        checks = [row.to_dict() for row in rows]
        click.echo(json.dumps({"passed": not failed, "machine": where, "checks": checks}, indent=2))
    else:
        machine.show("machine", where)
        click.echo("\nbrick     what           dtype     cases  worst error     bound")
        for row in rows:
            click.echo(line(row))
        done = f"all {len(rows)} checks passed"
        click.echo("\n" + (f"{failed} of {len(rows)} checks FAILED" if failed else done))
    context.exit(1 if failed else 0)
