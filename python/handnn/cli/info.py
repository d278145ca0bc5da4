"""`handnn info`: versions, machine and settings, for a bug report."""

from __future__ import annotations

import json

import click

import handnn
from handnn.cli import machine


def collect() -> dict[str, dict[str, object]]:
    """Return all sections of the report, ready for JSON."""
    return {
        "versions": {**machine.versions()},
        "machine": {
            **handnn.cpu_info(),
            **machine.cores(),
            "threads": handnn.get_num_threads(),
        },
        "environment": {**machine.environment()},
        "required": {name: machine.installed(name) for name in machine.REQUIRED_PACKAGES},
        "optional": {name: machine.installed(name) for name in machine.OPTIONAL_PACKAGES},
    }


@click.command(
    short_help="Show versions, CPU and settings, for bug reports.",
    epilog="Example: handnn info --json > info.json",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def info(as_json: bool) -> None:
    """Show what a bug report needs: versions, operating system, compiler, CPU, the instruction
    set in use, HANDNN_* environment variables and installed packages."""
    sections = collect()
    if as_json:
        click.echo(json.dumps(sections, indent=2))
        return
    for title, facts in sections.items():
        machine.show(title, facts)
