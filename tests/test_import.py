"""Importing handnn: public names, import time, and lazy imports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import handnn
from handnn import layers, losses, optimizers

PUBLIC = {
    *layers.BRICKS, *(loss.__name__ for loss in losses.LOSSES),
    *(optimizer.__name__ for optimizer in optimizers.OPTIMIZERS), "LBFGS",
    "Network", "mlp", "schedules", "Trainer",
    "DivergenceError", "EarlyStopping", "metrics", "layer_statistics", "trace",
    "History", "gradient_check", "load", "cpu_info", "get_num_threads", "set_num_threads",
    "functional", "article", "FormatError", "__version__",
    "from_torch", "load_weights", "to_onnx", "to_c", "to_torch", "Ensemble", "train_many",
    "Columns", "TableModel", "Target", "train_file",
}  # fmt: skip
LAZY = ["safetensors", "handnn.tables", "pandas", "polars", "tqdm", "click", "matplotlib", "scipy"]
LAZY += ["torch", "onnx", "sklearn", "handnn.tables.recipe", "handnn.reference"]
IMPORT_SECONDS = 0.015


def run(script, *arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_ctrl_c_while_numpy_is_imported_is_a_keyboard_interrupt(tmp_path):
    (tmp_path / "numpy.py").write_text("raise KeyboardInterrupt")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ended = run("import handnn", PYTHONPATH=path)
    assert ended.returncode != 0 and ended.stderr.rstrip().endswith("KeyboardInterrupt")
    assert "ImportError" not in ended.stderr


def test_the_public_names():
    assert set(handnn.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(handnn, name) is not None


def test_everything_public_is_documented():
    for name in PUBLIC - {"__version__"}:
        assert getattr(handnn, name).__doc__, name


def test_the_version_is_that_of_the_installed_package():
    assert handnn.__version__ == metadata.version("handnn")


def test_cpu_info_names_the_active_instruction_set():
    info = handnn.cpu_info()
    expected = {"isa", "supported", "compiled", "cpu", "architecture", "compiler", "fma"}
    assert expected <= set(info)
    assert info["isa"] in info["supported"] and set(info["supported"]) <= set(info["compiled"])
    assert isinstance(info["fma"], bool) and info["fma"] is (info["isa"] != "v2")


def test_optional_modules_are_imported_lazily():
    script = f"import sys, handnn; print([m for m in {LAZY} if m in sys.modules])"
    result = run(script)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_import_prints_nothing_and_does_not_warn():
    result = run("import handnn", "-W", "error")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer is being loaded too")
def test_the_import_takes_under_15_ms_on_top_of_numpys(tmp_path):
    """CPU time, the best of forty runs: other work on the machine can only make an import slower.

    The first run compiles the bytecode, as an installation does.
    """
    cached = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    script = (
        "import numpy, time; start = time.process_time(); import handnn; "
        "print(time.process_time() - start)"
    )
    run(script, **cached)
    seconds = float("inf")
    for _ in range(40):
        seconds = min(seconds, float(run(script, **cached).stdout))
        if seconds < IMPORT_SECONDS:
            break
    assert seconds < IMPORT_SECONDS, f"{1000 * seconds:.1f} ms"


def test_missing_extension_raises_a_helpful_error(tmp_path):
    """A source tree: the Python files without the compiled module."""
    compiled = shutil.ignore_patterns("*.so", "*.pyd", "*.dylib", "__pycache__")
    shutil.copytree(Path(handnn.__file__).parent, tmp_path / "handnn", ignore=compiled)
    numpy_folder = Path(np.__file__).parents[1]
    script = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(numpy_folder)!r}]; import handnn"
    result = run(script, "-S", PYTHONPATH="")
    assert result.returncode != 0
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ") and "pip install ." in last


def test_a_training_without_a_bar_does_without_tqdm():
    """A hidden bar also takes tqdm's lock, which a killed fork may hold forever."""
    result = run(
        "import sys, numpy as np\n"
        "from handnn import MSELoss, SGD, Trainer, mlp, train_many\n"
        "trainers = [Trainer(mlp([1, 2, 1], rng=0), MSELoss(), SGD(0.1), rng=0) for _ in 'ab']\n"
        "x = np.ones((3, 1))\n"
        "trainers[0].fit(x, x, epochs=1, batch_size=3)\n"
        "train_many(trainers, x, x, epochs=1, batch_size=3)\n"
        "print('tqdm' in sys.modules)"
    )
    assert result.stdout == "False\n", result.stderr
