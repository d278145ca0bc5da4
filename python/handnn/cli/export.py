"""`handnn export`: a saved model for where there is no Python."""

from __future__ import annotations

import re
from pathlib import Path

import click

from handnn.cli import shared as tables
from handnn.storage import replace_file

ENDINGS = {"onnx": ".onnx", "c": ".c", "header": ".h"}


NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def identifier(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return a word of C."""
    if not NAME.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no identifier of C")
    return value


@click.command(
    short_help="Write a saved model as ONNX, as a C program or a C header.",
    epilog="Examples: handnn export model.safetensors --to onnx; handnn export model.safetensors "
    "--to c --out model.c && cc -std=c99 -O2 model.c -lm -o model && ./model < rows.csv",
)
@click.argument("model", type=tables.EXISTING)
@click.option("--to", "form", type=click.Choice(list(ENDINGS)), required=True, help="The form.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE",
    help="Where it goes; by default beside MODEL, with another ending.",
)  # fmt: skip
@click.option(
    "--name", default="model", show_default=True, metavar="WORD", callback=identifier,
    help="What all that is in C begins with: one for each model in a program.",
)  # fmt: skip
@click.option(
    "--dtype", type=click.Choice(["float32", "float64"]),
    help="What the networks compute in. [default: as trained]",
)  # fmt: skip
@click.option("--quiet", is_flag=True, help="No words on stderr but errors.")
def export(
    model: Path, form: str, out: Path | None, name: str, dtype: str | None, quiet: bool
) -> None:
    """Write MODEL with all that is done before and after its networks.

    c is a program that reads rows of CSV, the columns as in training without the target, and prints
    what predict says, or probabilities of the classes. header is for programs of your own: one
    function model_predict that takes a row of numbers, and model_code for text. onnx takes numbers
    and text. What is what in a row is told in the file: in a comment, or ONNX's metadata.
    """
    with tables.told_in_words():
        from handnn.files.export import EXPORTERS
        from handnn.files.model import load_model
        from handnn.tables import TableModel

        loaded, notes = load_model(model)
        if dtype is not None:
            networks = [network.astype(dtype) for network in loaded.networks]
            loaded = TableModel(networks, loaded.columns, loaded.target)
        path = model.with_suffix(ENDINGS[form]) if out is None else out
        tables.check_apart([path], [model])
        data = EXPORTERS[form](loaded, notes, name)
        replace_file(path, data)
    sizes = sizes_of(data.decode("ascii")) if form in ("c", "header") else ""
    tables.speaker(quiet)(f"written to {path}, {len(data):,} bytes{sizes}")


def sizes_of(source: str) -> str:
    """Say what a model in C needs, which stands in it; cycles are what its main prints."""
    found = re.findall(r"^#define \w+_(CONSTANT|SCRATCH)_BYTES (\d+)$", source, re.MULTILINE)
    sizes = {kind: int(size) for kind, size in found}
    return f"; {sizes['CONSTANT']:,} of constants and {sizes['SCRATCH']:,} of scratch in memory"
