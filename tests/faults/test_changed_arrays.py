"""Arrays whose size, shape or dtype is changed in place, also during a call."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

import handnn
from handnn import functional

CHANGES = {
    "dtype": lambda x: setattr(x, "dtype", np.float32),
    "strides": lambda x: setattr(x, "strides", (0, 8)),
    "resize": lambda x: x.resize((1, 4), refcheck=False),
    "setstate": lambda x: x.__setstate__((1, (1, 4), np.dtype("f8"), False, bytes(32))),
}


@pytest.fixture
def evil():
    """Return a class of arrays; creating one calls and removes the function in its list."""

    class Evil(np.ndarray):
        pending: ClassVar[list[object]] = []

        def __array_finalize__(self, _):
            if self.pending:
                self.pending.pop()()

    return Evil


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("how", CHANGES)
def test_a_conversion_that_changes_another_input(evil, how):
    n = 4096
    x = np.ones((n, 4))
    w = np.ones((4, 8))[:, ::2].view(evil)
    evil.pending.append(lambda: CHANGES[how](x))
    try:
        out = functional.affine_forward(x, w, np.zeros(4))
    except ValueError:
        return
    assert out.shape == (len(x), 4)
    assert (out == 4).all() or not x.all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_dtype_changed_during_a_conversion_is_an_error(evil):
    dout = np.ones((4096, 4))
    out = np.asfortranarray(np.ones((4096, 8))).view(evil)
    evil.pending.append(lambda: setattr(dout, "dtype", np.float32))
    with pytest.raises(ValueError, match="dout was changed in place while"):
        functional.softmax_backward(dout, out)


def network():
    affine = handnn.Affine(np.ones((64, 64), np.float32), np.zeros(64, np.float32))
    return handnn.Network([affine]), affine, np.ones((3, 64), np.float32)


@pytest.mark.parametrize("refcheck", [True, False])
def test_a_compiled_network_locks_its_arrays(refcheck):
    made, affine, x = network()
    expected = made.predict(x)
    with pytest.raises(ValueError, match="cannot resize"):
        affine.w.resize((1, 1), refcheck=refcheck)
    assert (made.predict(x) == expected).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "change",
    [
        lambda w: setattr(w, "shape", (32, 128)),
        lambda w: setattr(w, "dtype", np.float64),
        lambda w: w.__setstate__((1, (1, 1), np.dtype("f4"), False, bytes(4))),
    ],
    ids=["shape", "dtype", "setstate"],
)
def test_a_param_changed_in_place_is_read_again(change):
    made, affine, x = network()
    made.predict(x)
    change(affine.w)
    with pytest.raises((ValueError, TypeError)):
        made.predict(x)
    with pytest.raises((ValueError, TypeError)):
        handnn.Trainer(made, handnn.MSELoss(), handnn.SGD(0.1)).fit(x, x, 1, 3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("brick", ["Affine", "Embedding"])
@pytest.mark.parametrize("shape", [(-1,), (1, -1, 1)])
def test_a_param_that_is_no_longer_a_matrix_is_named(brick, shape):
    x = np.ones((3, 4), np.float32)
    w = np.ones((4, 4), np.float32)
    layer = handnn.Affine(w, w[0]) if brick == "Affine" else handnn.Embedding(w[:, :1], column=0)
    made = handnn.Network([layer])
    trainer = handnn.Trainer(made, handnn.MSELoss(), handnn.SGD(0.1))
    made.predict(x)
    layer.w.shape = shape
    for call in (
        lambda: made.predict(x),
        lambda: made.forward(x),
        lambda: trainer.fit(x, x, 1, 3),
        lambda: trainer.train_step(x, x),
        lambda: made.summary(),
        lambda: made.astype("float64"),
        lambda: handnn.trace(made, x),
        lambda: handnn.layer_statistics(made, x),
        lambda: repr(layer),
    ):
        with pytest.raises(ValueError, match="w must have 2 dimensions"):
            call()
