"""`handnn export`: write a saved model to run without Python."""

from __future__ import annotations

import re
from pathlib import Path

import click

from handnn.cli import output
from handnn.cli.options import PATH

SUFFIXES = {"onnx": ".onnx", "c": ".c", "header": ".h"}

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def identifier(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return a C identifier."""
    if not IDENTIFIER.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not a C identifier")
    return value


@click.command(
    short_help="Export a saved model to ONNX, a C program or a C header.",
    epilog="Examples: handnn export model.safetensors --to onnx; handnn export model.safetensors "
    "--to c --out model.c && cc -std=c99 -O2 model.c -lm -o model && ./model < rows.csv",
)
@click.argument("model", type=PATH)
@click.option(
    "--to", "form", type=click.Choice(list(SUFFIXES)), required=True, help="What to write."
)
@click.option(
    "--out", type=PATH, metavar="FILE",
    help="Where to write it. [default: MODEL with the suffix .onnx, .c or .h]",
)  # fmt: skip
@click.option(
    "--name", default="model", show_default=True, metavar="NAME", callback=identifier,
    help="Prefix of all names in C; each model in a program needs its own.",
)  # fmt: skip
@click.option(
    "--dtype", type=click.Choice(["float32", "float64"]),
    help="Precision of the computation. [default: as trained]",
)  # fmt: skip
@click.option(
    "--interval", metavar="COVERAGE", type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="For each value of a regression, also write the ends of an interval that holds the actual "
    "value with this chance, such as 0.9.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an existing file, also without --out.")
@click.option("--quiet", is_flag=True, help="Print only errors.")
def export(
    model: Path,
    form: str,
    out: Path | None,
    name: str,
    dtype: str | None,
    interval: float | None,
    force: bool,
    quiet: bool,
) -> None:
    """Write MODEL, with the preprocessing of its columns, to run without Python.

    c is a program that reads CSV rows, with the columns of the training except the target, and
    prints what predict prints, or the probabilities of the classes. header is for your own
    programs: model_predict takes a row of numbers, and model_code converts text to numbers. onnx
    takes numbers and text. A comment in the file, or the metadata of ONNX, describes inputs and
    outputs.
    """
    with output.one_line_errors():
        from handnn.files import FileModel
        from handnn.files.export import EXPORTERS, cast_model, interval_model
        from handnn.storage import replace_file

        path = model.with_suffix(SUFFIXES[form]) if out is None else out
        output.check_distinct([path], [model])
        output.check_writable(path)
        if out is None and not force:
            output.check_new(path)
        loaded = FileModel.load(model)
        if interval is not None:
            loaded = interval_model(loaded, interval)
        if dtype is not None:
            loaded = cast_model(loaded, dtype)
        data = EXPORTERS[form](loaded, name, path.name)
        replace_file(path, data)
    memory = memory_of(data.decode("ascii")) if form in ("c", "header") else ""
    output.printer(quiet)(f"{path} written, {len(data):,} bytes{memory}")


def memory_of(source: str) -> str:
    """Return a note on the memory that a model in C needs, as defined in its source."""
    found = re.findall(r"^#define \w+_(CONSTANT|SCRATCH)_BYTES (\d+)$", source, re.MULTILINE)
    sizes = {kind: int(size) for kind, size in found}
    return f"; needs {sizes['CONSTANT']:,} bytes of constants and {sizes['SCRATCH']:,} of scratch"
