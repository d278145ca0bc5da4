"""`handnn inspect`: describe a saved model."""

from __future__ import annotations

from pathlib import Path

import click

from handnn.cli import output
from handnn.cli.options import PATH, output_options


@click.command(
    short_help="Show the columns, networks and scores of a saved model.",
    epilog="Example: handnn inspect model.safetensors",
)
@click.argument("model", type=PATH)
@output_options
def inspect(model: Path, as_json: bool, quiet: bool) -> None:
    """Show the input columns of MODEL, its target, its networks, and how it was trained."""
    with output.one_line_errors():
        from handnn.files import FileModel
        from handnn.files.reading.columns import listed

        loaded = FileModel.load(model)
        kinds = loaded.kinds
    notes, target = loaded.notes, loaded.target
    if as_json:
        output.print_json(
            {
                "target": output.one_or_list(notes.target_names),
                "task": target.task,
                "classes": None if target.classes is None else target.classes.tolist(),
                "columns": kinds,
                "networks": [repr(network) for network in loaded.networks],
                "decimal": notes.decimal,
                "gaps": list(notes.gaps),
                **notes.story,
            }
        )
        return
    _echo(f"predicts {listed(notes.target_names)}\n\n{loaded.summary()}")
    if quiet:
        return
    click.echo("")
    for name, value in notes.story.items():
        _echo(f"{name:<10}{described(value)}")


def _echo(text: str) -> None:
    """Print lines, whose names and labels may have control characters, for a terminal."""
    from handnn.storage.messages import one_line

    for line in text.split("\n"):
        click.echo(one_line(line))


def described(value: object) -> str:
    """Return a value of the story as text: the entries of an object, separated by commas."""
    if not isinstance(value, dict):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    parts = (
        f"{name} ({described(inner)})" if isinstance(inner, dict) else f"{name} {described(inner)}"
        for name, inner in value.items()
    )
    return ", ".join(parts)
