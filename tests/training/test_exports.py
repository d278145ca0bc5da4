"""handnn.training exports the public names of training, and imports them on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import handnn
from handnn import training


def test_exports_are_those_of_handnn():
    for name in ("DivergenceError", "EarlyStopping", "History", "Trainer", "train_many"):
        assert name in training.__all__
        assert getattr(training, name) is getattr(handnn, name)


def test_rejects_unknown_names():
    with pytest.raises(AttributeError, match=r"module 'handnn.training' has no attribute 'Fit'"):
        _ = training.Fit


def test_import_is_lazy():
    code = "import sys, handnn.training; print('handnn.training.trainer' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "False\n", result.stderr
