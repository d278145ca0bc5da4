"""The scripts in examples/ run in seconds, and their networks learn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the folder examples is missing")


def run(folder, name, *arguments):
    """Run an example in `folder` and return its output; a warning or an error is a failure."""
    result = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return result.stdout


def number_after(words, text):
    """Return the number after `words` in the text."""
    (number,) = re.findall(re.escape(words) + r" (-?\d+\.\d+)", text)
    return float(number)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_help_lists_the_options(path, tmp_path):
    help_text = run(tmp_path, path.name, "--help")
    assert "--epochs" in help_text
    assert "--seed" in help_text


def test_article_beats_the_mean(tmp_path):
    printed = run(tmp_path, "article.py", "--epochs", "2", "--seed", "0")
    first, last = (float(loss) for loss in re.findall(r"^ +\d+ +(\d+\.\d+)$", printed, re.M))
    assert 0 < last < 0.8 * first
    mean = number_after("the mean", printed)
    network = number_after("the network", printed)
    assert -0.05 < mean <= 0  # a constant explains no variance
    assert 0.3 < network < 1


def test_own_bricks_pass_the_gradient_check_and_learn(tmp_path):
    printed = run(tmp_path, "own_brick.py", "--epochs", "2", "--seed", "0")
    assert "gradient check passed" in printed
    assert "1.slope" in printed
    assert "Softsign" in printed
    assert 0 < number_after("in the first epoch,", printed) < 0.8 * number_after("loss", printed)
    assert 0.4 < number_after("held-out rows:", printed) < 1


def test_ensemble_beats_its_members_and_its_spread_follows_the_errors(tmp_path):
    printed = run(tmp_path, "ensemble.py", "--networks", "6", "--epochs", "15", "--seed", "0")
    assert "6 networks on" in printed and "the same bits" in printed
    average = number_after("on average", printed)
    assert 0.6 < average < number_after("their mean", printed) < 1
    table = re.findall(r"^ +(?:least|less|more|most) +(\d+\.\d+) +(\d+\.\d+)$", printed, re.M)
    spreads, errors = zip(*((float(s), float(e)) for s, e in table), strict=True)
    assert len(table) == 4 and list(spreads) == sorted(spreads)
    assert errors[3] > errors[0]
    assert not list(tmp_path.iterdir())


def test_ensemble_draws_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    options = ["--networks", "2", "--epochs", "1", "--plot", "spread.png"]
    assert "drawn: spread.png" in run(tmp_path, "ensemble.py", *options)
    assert (tmp_path / "spread.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not os.environ.get("HANDNN_MNIST"), reason="HANDNN_MNIST is not set")
def test_mnist_networks_learn(tmp_path):
    options = ["--rows", "5000", "--steps", "400", "--seeds", "2", "--epochs", "2"]
    printed = run(tmp_path, "mnist.py", *options)
    assert "784-50-10, 400 steps, 2 seeds" in printed
    assert "784-50-50-10, 200 steps, 2 seeds" in printed
    mean = re.findall(r"mean accuracy (\d\.\d+)", printed)
    assert 0.75 < float(mean[0]) < 1
    assert 0.8 < number_after("2 epochs: accuracy", printed) < 1


@pytest.mark.parametrize("name", ["article.py", "own_brick.py"])
def test_result_depends_on_the_seed_alone(name, tmp_path):
    def printed(seed):
        return run(tmp_path, name, "--epochs", "1", "--seed", seed)

    assert printed("1") == printed("1") != printed("2")
    assert not list(tmp_path.iterdir())  # and no file is written
