"""The code that reads saved networks contains no call that could execute data."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import handnn

PACKAGE = Path(handnn.__file__).parent
FORBIDDEN_MODULES = {
    "pickle", "cPickle", "dill", "marshal", "shelve", "importlib", "pkgutil", "runpy", "imp",
    "subprocess", "ctypes", "code", "codeop",
}  # fmt: skip
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "globals"}
ROOMS = [
    "arrays.py", "initializers.py", "metrics.py", "network.py", "schedules.py", "engine",
    "exchange/torch", "exchange/weights.py", "functional", "layers", "losses", "optimizers",
    "storage", "tables", "training",
]  # fmt: skip
STARTS_A_PROCESS = "training/distributed/watch.py"
"""It runs a script of handnn, and reads no file."""


def load_path():
    found = []
    for room in ROOMS:
        files = sorted((PACKAGE / room).rglob("*.py")) or [PACKAGE / room]
        found += files
    return found


def executes_what_it_reads(source):
    """Return all uses of names that can execute data."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module] * (node.module.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.Name) and node.id in FORBIDDEN_CALLS:
            found.append(node.id)
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found.append("allow_pickle")
        elif isinstance(node, ast.Attribute) and node.attr in ("import_module", "system", "popen"):
            found.append(node.attr)
    return found


@pytest.mark.parametrize("file", load_path(), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_the_load_path_cannot_execute_data(file):
    is_known = file.relative_to(PACKAGE).as_posix() == STARTS_A_PROCESS
    expected = ["subprocess"] if is_known else []
    assert executes_what_it_reads(file.read_text(encoding="utf-8")) == expected


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from pickle import loads", "eval('1')", "import importlib.util",
     "__import__('os')", "f = exec", "np.load(p, allow_pickle=True)", "os.system('ls')"],
)  # fmt: skip
def test_the_check_detects_unsafe_code(source):
    assert executes_what_it_reads(source)
