"""The list of bricks is whole: every public function is in it, with the arguments it really has."""

from __future__ import annotations

import inspect

import pytest

from handnn import functional, reference
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


COMPOSED = {"residual_forward", "residual_backward"}  # of other bricks: they have no kernel


def test_every_public_function_has_its_reference():
    assert public_functions(functional) == public_functions(reference) - COMPOSED


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_the_row_names_the_arguments_the_function_has(call):
    parameters = inspect.signature(getattr(functional, call.function)).parameters
    named = [*call.axes, *call.outputs, *call.options]
    assert set(named) <= set(parameters)
    for name in call.outputs:
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[name].default is None


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_the_function_is_documented(call):
    function = getattr(functional, call.function)
    assert function.__doc__ and len(function.__doc__.strip()) > 40
    missing = [name for name in call.axes if name not in function.__doc__]
    assert not missing, f"the docstring of {call.function} does not speak of {missing}"
