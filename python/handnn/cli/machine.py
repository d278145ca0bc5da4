"""Facts about this machine and this installation."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib import metadata

import click
import numpy as np

import handnn

REQUIRED_PACKAGES = ("tqdm", "click")
OPTIONAL_PACKAGES = ("matplotlib", "polars", "scikit-learn", "scipy", "onnx", "mpi4py", "uvicorn")


def versions() -> dict[str, str]:
    """Return the versions of handnn, Python and NumPy, and the operating system."""
    return {
        "handnn": handnn.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numpy": np.__version__,
        "os": platform.platform(),
    }


def cores() -> dict[str, int]:
    """Return the number of cores of the machine, and of those that this process may use."""
    n_cores = os.cpu_count() or 1
    n_usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else n_cores
    return {"cores": n_cores, "usable_cores": n_usable}


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
    """Return a value as text."""
    if value is None:
        return "not installed"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def show(title: str, facts: Mapping[str, object]) -> None:
    """Print a section of facts, their values aligned."""
    click.echo(title)
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        click.echo(f"  {name:{width}}  {readable(value)}")
    if not facts:
        click.echo("  none")
