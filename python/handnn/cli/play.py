"""`handnn play`: the laboratory in the browser."""

from __future__ import annotations

import sys
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path

import click

from handnn.cli import output
from handnn.cli.options import PATH

SWITCH_INTERVAL = 0.001
"""The interval in seconds after which the drawing thread yields to the training thread."""


@click.command(
    short_help="Watch a network learn, in the browser.",
    epilog="Example: handnn play houses.csv --target price",
)
@click.argument("data", type=PATH, required=False)
@click.option("--target", metavar="COLUMN", help="The column of DATA to predict.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The port. [default: a free one]"
)
@click.option("--no-browser", is_flag=True, help="Print the address without opening a browser.")
@click.option(
    "--export", type=PATH, metavar="FOLDER", help="Write a recorded run to an HTML page, and exit."
)
@click.option(
    "--epochs", type=click.IntRange(1, 10_000), default=100, show_default=True,
    help="The length of the recorded run.",
)  # fmt: skip
@click.option("--lesson", metavar="NAME", default="", help="Open a lesson, such as neuron.")
def play(
    data: Path | None,
    target: str | None,
    port: int,
    no_browser: bool,
    export: Path | None,
    epochs: int,
    lesson: str,
) -> None:
    """Open a page on which a network learns before your eyes: on points in the plane, on
    measurements, or on the table DATA.

    The page is served to this machine only, at the printed address. Ctrl-C stops it."""
    if (data is None) != (target is None):
        raise click.UsageError("DATA and --target must be given together")
    if export is not None:
        with output.one_line_errors():
            from handnn.play.recording import record

            page, *_ = record(export, data, target or "", epochs=epochs)
        click.echo(f"The recorded run is written to {page}")
        return
    with output.one_line_errors():
        try:
            from handnn.play.parts import lesson_names
            from handnn.play.server import Server
        except ImportError as error:
            if (error.name or "").split(".")[0] not in ("starlette", "uvicorn"):
                raise
            raise ImportError(
                "the page needs starlette and uvicorn: pip install starlette uvicorn"
            ) from None
        if lesson and lesson not in lesson_names():
            raise click.BadParameter(
                f"{lesson!r} is not one of {', '.join(lesson_names())}", param_hint="--lesson"
            )
        server = Server(data, target or "", port, lesson)
    click.echo(f"The laboratory is at {server.url}\nCtrl-C ends it.")
    sys.stdout.flush()
    sys.setswitchinterval(SWITCH_INTERVAL)
    if not no_browser:
        threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
    with suppress(KeyboardInterrupt):
        server.run()
    click.echo("The laboratory has ended.")
