"""The list of calls is complete, and agrees with the functions and the reference."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

from handnn import functional, layers, losses, optimizers, reference, schedules
from handnn.layers.sequence import Container
from handnn.reference.calls import CALLS


def public_functions(module):
    return {
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and not name.startswith("_")
        and value.__module__.startswith(module.__name__)  # the reference is a package
    }


OF_NUMBERS_ALONE = {"clip_scale"}  # no array comes in: see tests/optimizers/test_common.py


def test_every_public_function_is_listed():
    assert {call.function for call in CALLS} == public_functions(functional) - OF_NUMBERS_ALONE


COMPOSED = {"residual_forward", "residual_backward"}  # composed of other bricks, without a kernel


def test_every_public_function_has_its_reference():
    assert public_functions(functional) == public_functions(reference) - COMPOSED


@pytest.mark.parametrize("name", sorted(public_functions(functional)))
def test_the_reference_has_the_arguments_and_defaults_of_the_function(name):
    """The reference has no arguments for outputs."""
    outputs = {output for call in CALLS if call.function == name for output in call.outputs}
    ours = inspect.signature(getattr(functional, name)).parameters.values()
    theirs = inspect.signature(getattr(reference, name)).parameters.values()
    assert [(p.name, p.default) for p in theirs] == [
        (p.name, p.default) for p in ours if p.name not in outputs
    ]


def bricks_of(package, base):
    """Return every class of a package that derives from `base`, without the bases."""
    modules = [importlib.import_module(package.__name__)]
    modules += [
        importlib.import_module(f"{package.__name__}.{module.name}")
        for module in pkgutil.iter_modules(getattr(package, "__path__", ()))
    ]
    values = [value for module in modules for value in vars(module).values()]
    found = {value for value in values if inspect.isclass(value) and issubclass(value, base)}
    bases = {layers.Layer, layers.Activation, Container, losses.KernelLoss, base}
    return found - bases


def test_every_brick_is_in_the_list_of_its_kind():
    """A brick that is missing from its list would be neither checked nor compiled."""
    assert bricks_of(layers, layers.Layer) == set(layers.COMPILED.values())
    assert bricks_of(losses, losses.KernelLoss) == set(losses.LOSSES)
    assert bricks_of(optimizers, optimizers.GradientOptimizer) == set(optimizers.OPTIMIZERS)
    assert bricks_of(schedules, schedules.Schedule) == set(schedules.SCHEDULES)


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_calls_name_arguments_of_the_function(call):
    parameters = inspect.signature(getattr(functional, call.function)).parameters
    named = [*call.axes, *call.outputs, *call.options]
    assert set(named) <= set(parameters)
    for name in call.outputs:
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[name].default is None


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_docstrings_mention_every_array(call):
    function = getattr(functional, call.function)
    assert function.__doc__ and len(function.__doc__.strip()) > 40
    missing = [name for name in call.axes if name not in function.__doc__]
    assert not missing, f"the docstring of {call.function} does not mention {missing}"
