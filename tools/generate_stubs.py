"""Write python/handnn/_core.pyi from the installed extension, or check that it is up to date.

    python tools/generate_stubs.py [--check]

pybind11-stubgen reads the signatures; this script adds the type arguments that strict mypy needs.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MODULE = "handnn._core"
STUB = Path(__file__).parents[1] / "python/handnn/_core.pyi"
COMPLETE = {
    r"\bnumpy\.ndarray\b(?!\[)": "numpy.typing.NDArray[typing.Any]",
    r"\bdict\b(?!\[)": "dict[str, typing.Any]",
    r"\blist\b(?!\[)": "list[typing.Any]",
    r"\btuple\b(?!\[)": "tuple[typing.Any, ...]",
}


def is_docstring_or_all(node: ast.stmt) -> bool:
    """Return whether a statement is a docstring or `__all__`."""
    return isinstance(node, ast.Expr) or (
        isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "__all__"
    )


def complete(stub: str) -> str:
    """Remove docstrings and add missing type arguments."""
    module = ast.parse(stub.replace("import numpy\n", "import numpy\nimport numpy.typing\n"))
    module.body = [node for node in module.body if not is_docstring_or_all(node)]
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            node.body = [ast.Expr(ast.Constant(...))]
    text = ast.unparse(module)
    for pattern, replacement in COMPLETE.items():
        text = re.sub(pattern, replacement, text)
    return text


def formatted(stub: str) -> str:
    """Return the stub as ruff formats it."""
    for command in (["check", "--quiet", "--fix", "--select=I,F401"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, f"--stdin-filename={STUB}", "-"]
        stub = subprocess.run(ruff, check=True, input=stub, capture_output=True, text=True).stdout
    return stub


def generate() -> str:
    """Return the stub of the installed extension."""
    stubgen = [sys.executable, "-m", "pybind11_stubgen", MODULE, "--exit-code", "--output-dir"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*stubgen, folder], check=True)
        stub = Path(folder, *MODULE.split(".")).with_suffix(".pyi").read_text(encoding="utf-8")
    return formatted(complete(stub))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="compare without writing; fail on a difference"
    )
    check = parser.parse_args().check

    new = generate()
    if not check:
        STUB.write_text(new, encoding="utf-8")
        return 0
    old = STUB.read_text(encoding="utf-8")
    difference = difflib.unified_diff(
        old.splitlines(), new.splitlines(), "committed", "generated", lineterm=""
    )
    print(*difference, sep="\n", end="")
    return int(old != new)


if __name__ == "__main__":
    sys.exit(main())
