"""Target: the inferred task, encoded targets, and decoded outputs."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from handnn import FormatError, MSELoss, Target

YES = np.array(["yes", "no", "yes"])

TASKS = {
    "floats": ([1.5, 2.0, 2.5], "regression"),
    "whole floats": ([1.0, 0.0, 1.0, 0.0], "regression"),
    "many ints": (np.arange(42) // 2, "regression"),
    "ints that differ": ([3, 5, 9, 12], "regression"),
    "few ints": ([0, 1, 2, 0, 1, 2], "multiclass"),
    "twenty ints": (np.arange(40) // 2, "multiclass"),
    "two ints": ([3, 5, 5, 3], "binary"),
    "text": (["a", "b", "c"], "multiclass"),
    "text of NumPy": (YES, "binary"),
    "bools": ([True, False], "binary"),
    "columns of floats": ([[1.5, 2], [3, 4]], "regression"),
    "columns of ints": ([[1, 2], [3, 4]], "regression"),
    "columns of 0 and 1": ([[1, 0], [1, 1]], "multilabel"),
    "columns of bools": (np.eye(3, dtype=bool), "multilabel"),
}


@pytest.mark.parametrize("name", TASKS)
def test_infers_the_task(name):
    y, task = TASKS[name]
    assert Target.learn(y).task == task


def test_a_regression_by_hand():
    target = Target.learn([1.0, 3, 5])
    scale = math.sqrt(8 / 3)
    assert (target.mean.tolist(), target.n_out) == ([3], 1)
    assert target.encode([1, 3, 7]).tolist() == [[-2 / scale], [0], [4 / scale]]
    assert target.decode(np.array([[0.0], [1.0]])).tolist() == [3, 3 + scale]
    assert type(target.loss()) is MSELoss


def test_scales_each_output_by_itself():
    y = np.array([[1.0, 100.0, 7.0], [3.0, 300.0, 7.0]])
    target = Target.learn(y)
    assert (target.mean.tolist(), target.scale.tolist()) == ([2, 200, 7], [1, 100, 1])
    assert target.encode(y).tolist() == [[-1, -1, 0], [1, 1, 0]]
    assert np.array_equal(target.decode(target.encode(y)), y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_decodes_in_float64_and_keeps_the_dtype_of_probabilities(dtype):
    assert Target.learn([1.0, 3, 5]).decode(np.zeros((2, 1), dtype)).dtype == np.float64
    assert Target.learn(YES).probabilities(np.zeros((2, 1), dtype)).dtype == dtype


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
@pytest.mark.parametrize("y", [[1.5, 2.0, 4.0], ["a", "b", "a"], [True, False, True]])
def test_predictions_have_the_shape_of_y(y, shape):
    y = np.reshape(y, shape)
    target = Target.learn(y)
    again = target.decode(10 * target.encode(y) - 5 * (target.task == "binary"))
    assert again.shape == shape and again.dtype.kind == y.dtype.kind


LABELS = [
    (["b", "a", "c", "a"], ["a", "b", "c"], str),
    ([5, 3, 7, 3] * 2, [3, 5, 7], int),
    ([2.5, 0.5, 1.0], [0.5, 1, 2.5], float),
    ([True, False], [False, True], bool),
    (np.array(["b", "a"], object), ["a", "b"], str),
]


@pytest.mark.parametrize(("y", "classes", "kind"), LABELS)
def test_labels_keep_their_type(y, classes, kind):
    task = "multiclass" if len(classes) > 2 else "binary"
    target = Target.learn(y, task)
    assert target.classes.tolist() == classes
    assert all(type(label) is kind for label in target.classes.tolist())
    places = [classes.index(label) for label in y]
    assert target.encode(y).tolist() == [[place] for place in places]
    pre = np.eye(len(classes))[places] if len(classes) > 2 else np.array(places)[:, None] * 2 - 1.0
    assert target.decode(pre).tolist() == list(y)
    again = Target.from_dict(json.loads(json.dumps(target.to_dict())))
    assert again.decode(pre).tolist() == list(y) and again.classes.dtype == target.classes.dtype


def test_probabilities_of_two_classes():
    target = Target.learn(YES)
    assert (target.n_out, target.classes.tolist()) == (1, ["no", "yes"])
    found = target.probabilities([[0.0], [math.log(3)], [-800.0], [800.0]])
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.25, 0.75], [1, 0], [0, 1]], rtol=1e-15)
    assert target.decode([[0.0], [0.1]]).tolist() == ["no", "yes"]


def test_probabilities_of_several_classes():
    target = Target.learn(["a", "b", "c"])
    found = target.probabilities(np.log([[1.0, 2.0, 5.0]]))
    np.testing.assert_allclose(found, [[0.125, 0.25, 0.625]], rtol=1e-15)
    assert target.decode([[1.0, 1.0, 0.0]]).tolist() == ["a"]


def test_multilabel():
    target = Target.learn([[1, 0, 1], [0, 0, 1]])
    assert (target.n_out, target.encode([[True, False, True]]).tolist()) == (3, [[1, 0, 1]])
    np.testing.assert_allclose(
        target.probabilities([[0.0, math.log(3), -math.log(3)]]), [[0.5, 0.75, 0.25]], rtol=1e-15
    )
    assert target.decode([[0.0, 1.0, -1.0]]).tolist() == [[0, 1, 0]]


BAD = {
    "nothing": (([],), "y has no rows"),
    "a gap": (([1.0, None, 2.0],), "y has no value in row 1"),
    "NaN": ((np.array([1.0, np.nan]),), "y has no value in row 1"),
    "an infinity": (([1.0, 2.0, np.inf],), "row 2: inf is not finite"),
    "beyond float64": (([1e308, -1e308],), "too large to be scaled"),
    "text among numbers": ((["a", 1, 2],), "y, row 0: 'a' is not a number"),
    "dates": ((np.zeros(3, "M8[D]"),), "y holds dates, such as 1970-01-01; predict a number of"),
    "texts of dates": ((["2024-05-01", "2024-05-02"],), "y holds dates"),
    "durations": ((np.zeros(3, "m8[D]"),), "y holds timedelta64"),
    "percentages": ((["15%", "3%"],), "y holds percentages.*write 15 or 0.15"),
    "amounts of money": (
        (["$5", "$6", "7"],),
        "y holds amounts of money, such as .*the number al",
    ),
    "a gap word": ((["NA", "A", "B"],), "y has 'NA' in row 0, which means a missing value"),
    "one class": ((["a", "a"],), "y has 1 class, .*'a'"),
    "text for a regression": ((["a", "b"], "regression"), "y, row 0: 'a' is not a number"),
    "three classes for binary": (([1, 2, 3], "binary"), "y has 3 classes"),
    "2 in multilabel": (([[0, 1], [2, 1]], "multilabel"), "column 0, row 1: 2 is neither"),
    "columns of classes": (([["a", "b"], ["c", "d"]],), "must be [(]N,[)] to have classes"),
    "another task": (([1.0], "ranking"), "task must be one of auto, regression"),
    "three dimensions": ((np.ones((2, 2, 2)),), "y must have shape"),
    "a single number": ((np.array(5.0),), "y must have shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_rejects_bad_targets(name):
    arguments, message = BAD[name]
    with pytest.raises(ValueError, match=f"^Target.learn: .*{message}"):
        Target.learn(*arguments)


def test_encode_rejects_targets_unlike_those_learned():
    with pytest.raises(ValueError, match=r"^Target.encode: y, row 1: 'c' is a label absent from"):
        Target.learn(["a", "b"]).encode(["a", "c"])
    with pytest.raises(ValueError, match="y, row 0: 'a' is not a number"):
        Target.learn([1.0, 2.0]).encode(["a"])
    with pytest.raises(ValueError, match="y must have 1 columns, but has 2"):
        Target.learn([1.0, 2.0]).encode([[1.0, 2.0]])
    with pytest.raises(ValueError, match="y must have 2 columns, but has 1"):
        Target.learn([[1.0, 2.0]]).encode([1.0])
    with pytest.raises(ValueError, match=r"^Target.decode: pre must have shape \(N, 1\)"):
        Target.learn([1.0, 2.0]).decode([[1.0, 2.0]])
    with pytest.raises(ValueError, match="a regression has no probabilities"):
        Target.learn([1.0, 2.0]).probabilities([[1.0]])


def test_rejects_non_targets():
    with pytest.raises(TypeError, match=r"^Target\.learn: "):
        Target.learn(5)


DESCRIPTIONS = {
    "regression": Target.learn([[1.0, 2.0], [3.0, 5.0]]),
    "binary": Target.learn(YES),
    "multiclass": Target.learn([1, 2, 3] * 2),
    "multilabel": Target.learn([[0, 1], [1, 1]]),
}


@pytest.mark.parametrize("task", DESCRIPTIONS)
def test_json_round_trip(task):
    target = DESCRIPTIONS[task]
    again = Target.from_dict(json.loads(json.dumps(target.to_dict())))
    assert again.to_dict() == target.to_dict() and repr(again) == repr(target)
    assert task in repr(target)


BROKEN = {
    "no task": ("binary", {"task": None}),
    "another task": ("binary", {"task": "multiclass"}),
    "a task of a list": ("binary", {"task": ["binary"]}),
    "n_out of text": ("binary", {"n_out": "1"}),
    "n_out 0": ("multilabel", {"n_out": 0}),
    "n_out 2": ("binary", {"n_out": 2}),
    "n_out of true": ("binary", {"n_out": True}),
    "too few outputs": ("multiclass", {"n_out": 2}),
    "one class": ("binary", {"classes": ["yes"]}),
    "no classes": ("multiclass", {"classes": None}),
    "classes of a regression": ("regression", {"classes": ["a", "b"]}),
    "classes unsorted": ("binary", {"classes": ["yes", "no"]}),
    "classes mixed": ("binary", {"classes": [1, 2.5]}),
    "classes beyond 64 bits": ("binary", {"classes": [1, 2**70]}),
    "a mean of classes": ("binary", {"mean": [1.0]}),
    "no mean": ("regression", {"mean": None}),
    "a mean too few": ("regression", {"mean": [1.0]}),
    "a mean of NaN": ("regression", {"mean": [1.0, math.nan]}),
    "scale 0": ("regression", {"scale": [1.0, 0.0]}),
    "flat with two outputs": ("regression", {"is_flat": True}),
    "flat of null": ("binary", {"is_flat": None}),
    "a word more": ("binary", {"more": 1}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_rejects_invalid_descriptions(name):
    task, changes = BROKEN[name]
    with pytest.raises(FormatError, match=r"^Target\.from_dict: "):
        Target.from_dict({**DESCRIPTIONS[task].to_dict(), **changes})


@pytest.mark.parametrize("method", ["values", "unstandardize", "standardize", "decode", "choose"])
@pytest.mark.parametrize("given", ["x", b"x", ["a"], [None], 1j])
def test_rejects_what_is_not_numbers_in_its_own_words(method, given):
    target = Target.learn([1.0, 2.0, 4.0])
    with pytest.raises(TypeError, match=rf"^Target\.{method}: .* must hold real numbers"):
        getattr(target, method)(given)
