"""Every public name has a docstring with an example, and the examples give the output they show."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
from importlib import import_module

import numpy as np
import pytest

import handnn

MODULES = [
    "handnn", "handnn.article", "handnn.datasets", "handnn.exchange", "handnn.files",
    "handnn.functional", "handnn.initializers", "handnn.inside", "handnn.metrics",
    "handnn.schedules", "handnn.sklearn", "handnn.tables", "handnn.play.notebook",
    "handnn.play.rows",
]  # fmt: skip
NEEDS = {
    "handnn.sklearn": "sklearn", "handnn.play.notebook": "uvicorn", "handnn.play.rows": "polars",
}  # fmt: skip
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public_things():
    """Return the public classes and functions, each once, by full name."""
    things = {}
    for module_name in MODULES:
        needed = NEEDS.get(module_name)
        if needed and not importlib.util.find_spec(needed):
            continue
        module = import_module(module_name)
        for name in sorted(module.__all__):
            thing = getattr(module, name)
            if callable(thing) and all(thing is not other for other in things.values()):
                things[f"{module_name}.{name}"] = thing
    return things


THINGS = public_things()


def examples_of(thing, name):
    """Return the doctests of a public thing and of the public methods of a class."""
    finder = doctest.DocTestFinder(recurse=False, exclude_empty=True)
    names = {"np": np, "handnn": handnn}
    tests = finder.find(thing, name, module=False, globs=names)
    if inspect.isclass(thing):
        for method_name, method in vars(thing).items():
            function = getattr(method, "__func__", getattr(method, "fget", method))
            if not method_name.startswith("_") and callable(function):
                tests += finder.find(function, f"{name}.{method_name}", module=False, globs=names)
    return [test for test in tests if test.examples]


@pytest.mark.parametrize("name", THINGS)
def test_has_an_example(name):
    assert inspect.getdoc(THINGS[name]), name
    assert any(test.name == name for test in examples_of(THINGS[name], name)), name


@pytest.mark.parametrize("name", [name for name in THINGS if examples_of(THINGS[name], name)])
def test_examples_give_the_output_they_show(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    report = []
    for test in examples_of(THINGS[name], name):
        runner.run(test, out=report.append, clear_globs=False)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
