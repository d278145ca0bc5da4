"""What there is to know about this machine and this installation."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib import metadata

import click
import numpy as np

import handnn

OPTIONAL_PACKAGES = ("matplotlib", "polars", "scikit-learn", "scipy", "onnx", "mpi4py")


def versions() -> dict[str, str]:
    """Return the versions of handnn and of what it stands on."""
    return {
        "handnn": handnn.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numpy": np.__version__,
        "os": platform.platform(),
    }


def cores() -> dict[str, int]:
    """Return how many cores the machine has, and on how many of them this process may run."""
    there = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    return {"cores": there, "usable_cores": usable}


def installed(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def environment() -> dict[str, str]:
    """Return the environment variables that handnn reads."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith("HANDNN_")}


def readable(value: object) -> str:
    """Return a value as a person writes it."""
    if value is None:
        return "not installed"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def show(title: str, facts: Mapping[str, object]) -> None:
    """Print one section of facts, their values in a column."""
    click.echo(title)
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        click.echo(f"  {name:{width}}  {readable(value)}")
    if not facts:
        click.echo("  none")
