from __future__ import annotations

from typing import NamedTuple

import pytest

from handnn.cli import main


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def handnn_command(capsys):
    """Runs `handnn` with some arguments in this process, and returns its output."""

    def run(*args):
        return Result(main([str(arg) for arg in args]), *capsys.readouterr())

    return run
