"""`handnn info`: what a bug report needs."""

from __future__ import annotations

import json
from typing import Any

import click

import handnn
from handnn.cli import machine


def collect() -> dict[str, Any]:
    """Return everything `handnn info` reports, ready for JSON."""
    return {
        "versions": machine.versions(),
        "machine": {
            **handnn.cpu_info(),
            **machine.cores(),
            "threads": handnn.get_num_threads(),
        },
        "environment": machine.environment(),
        "required": {name: machine.installed(name) for name in ("safetensors", "tqdm", "click")},
        "optional": {name: machine.installed(name) for name in machine.OPTIONAL_PACKAGES},
    }


@click.command(
    short_help="Show versions, CPU and settings, for bug reports.",
    epilog="Example: handnn info --json > info.json",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(as_json: bool) -> None:
    """Show what a bug report needs: versions, operating system, compiler, CPU, the instruction
    set in use, HANDNN_* environment variables and optional packages."""
    facts = collect()
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for title, section in facts.items():
        machine.show(title, section)
