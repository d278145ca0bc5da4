"""The command line: help, version, errors and exit codes."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

import handnn
from handnn.cli import main

COMMANDS = ["demo", "play", "train", "predict", "evaluate", "inspect", "export", "check", "info"]


@pytest.mark.parametrize("args", [[], *([command] for command in COMMANDS)])
def test_help_shows_an_example(handnn_command, args):
    result = handnn_command(*args, "--help")
    assert result.code == 0
    assert "Example" in result.out
    assert "handnn " in result.out.split("Example")[1]


def test_without_arguments_it_shows_the_help(handnn_command):
    assert handnn_command() == handnn_command("--help")


def test_version(handnn_command):
    assert handnn_command("--version") == (0, f"handnn {handnn.__version__}\n", "")


def test_python_m_handnn():
    command = [sys.executable, "-m", "handnn", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"handnn {handnn.__version__}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["dmo"], "handnn: No such command 'dmo'"),
        (["demo", "--epochs", "0"], "handnn demo: Invalid value for '--epochs'"),
        (["demo", "--seed", "-1"], "handnn demo: Invalid value for '--seed'"),
        (["check", "--jsno"], "handnn check: No such option"),
        (["info", "extra"], "handnn info: Got unexpected extra argument"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(handnn_command, args, message):
    code, out, err = handnn_command(*args)
    assert code == 2
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert "--help" in err


def test_prints_on_terminals_without_some_characters(monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(["demo", "--help"]) == 0
    assert main(["info"]) == 0
    print("R²")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_unwritable_output_is_a_one_line_error():
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "handnn", "info"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert result.returncode == 1
    assert result.stderr.startswith("handnn: cannot write the output")
    assert result.stderr.count("\n") == 1


def test_an_interrupt_while_the_command_is_imported_ends_in_one_line(monkeypatch, capsys):
    class Interrupts:
        def find_spec(self, name, *_):
            if name == "handnn.cli.command":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "handnn.cli.command")
    monkeypatch.setattr(sys, "meta_path", [Interrupts(), *sys.meta_path])
    assert main(["info"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


@pytest.mark.parametrize("name", ["HANDNN_NUM_THREADS", "HANDNN_ISA"])
def test_wrong_environment_variables_are_one_line(name):
    command = [sys.executable, "-m", "handnn", "info"]
    done = subprocess.run(command, env={**os.environ, name: "x"}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"handnn: {name} ") and done.stderr.count("\n") == 1
