"""`handnn export`: a saved model for where there is no Python."""

from __future__ import annotations

from pathlib import Path

import click

from handnn.cli import tables
from handnn.storage import replace_file

ENDINGS = {"onnx": ".onnx", "c": ".c", "header": ".h"}


@click.command(
    short_help="Write a saved model as ONNX, as a C program or a C header.",
    epilog="Examples: handnn export model.safetensors --to onnx; handnn export model.safetensors "
    "--to c --out model.c && cc -std=c99 -O2 model.c -lm -o model",
)
@click.argument("model", type=tables.EXISTING)
@click.option("--to", "form", type=click.Choice(list(ENDINGS)), required=True, help="The form.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE",
    help="Where it goes; by default beside MODEL, with another ending.",
)  # fmt: skip
@click.option("--quiet", is_flag=True, help="No words on stderr but errors.")
def export(model: Path, form: str, out: Path | None, quiet: bool) -> None:
    """Write MODEL with all that is done before and after its networks.

    It takes a row of numbers: first the columns of numbers, NaN where one is missing, then a code
    for each category. Which code is which is told in the file: in a comment, or ONNX's metadata.
    A header has one function, model_predict; a C program reads rows from stdin.
    """
    with tables.told_in_words():
        from handnn.files import export as exports
        from handnn.files.model import load_model

        loaded, notes = load_model(model)
        path = model.with_suffix(ENDINGS[form]) if out is None else out
        tables.check_apart([path], [model])
        if form == "onnx":
            data = exports.to_onnx(loaded, notes).SerializeToString()
        else:
            text = exports.to_header if form == "header" else exports.to_program
            data = text(loaded, notes).encode("ascii")
        replace_file(path, data)
    tables.speaker(quiet)(f"written to {path}, {len(data):,} bytes")
