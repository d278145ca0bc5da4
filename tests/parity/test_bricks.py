"""Layers and optimizers agree with PyTorch in float64, to a relative error of 1e-10."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, AdaGrad, Adam, AdamW, ReLU, RMSProp, Sigmoid
from handnn.layers import (
    ELU,
    GELU,
    Affine,
    BatchNorm,
    Dropout,
    Embedding,
    LayerNorm,
    LeakyReLU,
    Residual,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed: no parity to measure")


def assert_close(actual, expected):
    """Compare entry by entry. Below 1e-4, PyTorch's own 1 + erf and 1 + tanh cancel."""
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=1e-10, atol=1e-14)


# PyTorch's Softplus becomes x above its threshold; a large one keeps the formula.
ACTIVATIONS = {
    "relu": (ReLU(), torch.nn.ReLU()),
    "leaky_relu": (LeakyReLU(), torch.nn.LeakyReLU()),
    "leaky_relu with a slope": (LeakyReLU(0.3), torch.nn.LeakyReLU(0.3)),
    "sigmoid": (Sigmoid(), torch.nn.Sigmoid()),
    "tanh": (Tanh(), torch.nn.Tanh()),
    "elu": (ELU(), torch.nn.ELU()),
    "elu with an alpha": (ELU(0.7), torch.nn.ELU(0.7)),
    "gelu": (GELU(), torch.nn.GELU()),
    "gelu, tanh form": (GELU("tanh"), torch.nn.GELU("tanh")),
    "silu": (SiLU(), torch.nn.SiLU()),
    "softplus": (Softplus(), torch.nn.Softplus(threshold=700)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_gradients(name):
    ours, theirs = ACTIVATIONS[name]
    rng = np.random.default_rng(0)
    x, dout = rng.normal(0, 2, (50, 40)), rng.normal(size=(50, 40))
    their_x = torch.tensor(x, requires_grad=True)
    their_out = theirs(their_x)
    their_out.backward(torch.tensor(dout))
    assert_close(ours.forward(x), their_out)
    assert_close(ours.backward(dout), their_x.grad)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_at_zero(name):
    """At a kink, handnn takes the slope of the right side and PyTorch that of the left."""
    ours, theirs = ACTIVATIONS[name]
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    out = theirs(x)
    out.backward()
    assert_close(ours.forward(np.zeros(1)), out)
    left = {"relu": 0, "leaky_relu": 0.01, "leaky_relu with a slope": 0.3, "elu with an alpha": 0.7}
    if name in left:
        assert ours.backward(np.ones(1)) == 1
        assert x.grad == left[name]
    else:
        assert_close(ours.backward(np.ones(1)), x.grad)


SHAPES = [(50, 40), (2, 1), (7, 130), (300, 3)]


def assert_the_same_forward_and_backward(ours, theirs, x, dout, norms=True):
    their_x = torch.tensor(x, requires_grad=True)
    theirs.zero_grad()
    their_out = theirs(their_x)
    their_out.backward(torch.tensor(dout))
    scale = abs(their_x.grad.numpy()).max()
    assert_close(ours.forward(x), their_out)
    # dx and dgamma may cancel to 0, so the tolerance is relative to the largest entry.
    np.testing.assert_allclose(
        ours.backward(dout), their_x.grad.numpy(), rtol=1e-10, atol=1e-10 * max(scale, 1e-3)
    )
    if norms:
        np.testing.assert_allclose(ours.dgamma, theirs.weight.grad.numpy(), rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(ours.dbeta, theirs.bias.grad.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_and_its_gradient(shape):
    rng = np.random.default_rng(4)
    x, dout = rng.normal(0, 5, shape), rng.normal(size=shape)
    theirs = torch.nn.Softmax(dim=1)
    assert_the_same_forward_and_backward(Softmax(), theirs, x, dout, norms=False)


def learned_by(theirs, rng):
    """Give a PyTorch norm random float64 weights, and return them as NumPy arrays."""
    theirs.double()
    arrays = rng.normal(size=(2, len(theirs.weight)))
    with torch.no_grad():
        theirs.weight[:], theirs.bias[:] = map(torch.tensor, arrays)
    return arrays.copy()


@pytest.mark.parametrize("eps", [1e-5, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm_and_its_gradients(shape, eps):
    rng = np.random.default_rng(5)
    theirs = torch.nn.LayerNorm(shape[1], eps=eps)
    ours = LayerNorm(*learned_by(theirs, rng), eps=eps)
    for _ in range(3):
        x, dout = rng.normal(1, 3, shape), rng.normal(size=shape)
        assert_the_same_forward_and_backward(ours, theirs, x, dout)


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.3, "eps": 0.01}])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_its_gradients_and_its_running_statistics(shape, settings):
    """Over several batches of different sizes, then in prediction, then in training again."""
    rng = np.random.default_rng(6)
    theirs = torch.nn.BatchNorm1d(shape[1], **settings)
    ours = BatchNorm(*learned_by(theirs, rng), **settings)
    for step, training in enumerate([True, True, True, False, False, True]):
        ours.training = training
        theirs.train(training)
        rows = (shape[0] + step, shape[1])
        x, dout = rng.normal(2, 3, rows), rng.normal(size=rows)
        assert_the_same_forward_and_backward(ours, theirs, x, dout)
        assert_close(ours.running_mean, theirs.running_mean)
        assert_close(ours.running_var, theirs.running_var)


def test_embedding_and_its_gradients():
    """7 codes in column 2; for PyTorch, the vectors are appended to the other columns by hand."""
    rng = np.random.default_rng(4)
    x, w, dout = rng.normal(size=(50, 5)), rng.normal(size=(7, 3)), rng.normal(size=(50, 7))
    x[:, 2] = rng.integers(7, size=50)
    their_x, their_w = (torch.tensor(array, requires_grad=True) for array in (x, w))
    vectors = torch.nn.functional.embedding(torch.tensor(x[:, 2].astype(int)), their_w)
    their_out = torch.cat([their_x[:, :2], their_x[:, 3:], vectors], dim=1)
    their_out.backward(torch.tensor(dout))
    ours = Embedding(w, column=2)
    assert_close(ours.forward(x), their_out)
    assert_close(ours.backward(dout), their_x.grad)
    assert_close(ours.dw, their_w.grad)


def test_residual_and_its_gradients():
    rng = np.random.default_rng(5)
    x, dout = rng.normal(size=(2, 30, 6))
    w, b, v, c = (rng.normal(size=shape) for shape in [(6, 9), 9, (9, 6), 6])
    theirs = [torch.tensor(array, requires_grad=True) for array in (x, w, b, v, c)]
    their_x, their_w, their_b, their_v, their_c = theirs
    their_out = their_x + torch.tanh(their_x @ their_w + their_b) @ their_v + their_c
    their_out.backward(torch.tensor(dout))
    ours = Residual([Affine(w, b), Tanh(), Affine(v, c)])
    assert_close(ours.forward(x), their_out)
    assert_close(ours.backward(dout), their_x.grad)
    for grad, their in zip(ours.grads.values(), theirs[1:], strict=True):
        assert_close(grad, their.grad)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_dropout_scales_the_kept_entries(p):
    """The masks differ, but kept entries have the same scale, forward and backward."""
    rng = np.random.default_rng(6)
    x, dout = rng.normal(size=(2, 200, 50))
    their_x = torch.tensor(x, requires_grad=True)
    torch.manual_seed(0)
    their_out = torch.nn.Dropout(p)(their_x)
    their_out.backward(torch.tensor(dout))
    ours = Dropout(p, rng=0)
    out, dx = ours.forward(x), ours.backward(dout)
    both = ~ours.mask & (their_out.detach().numpy() != 0)
    assert both.mean() > 0.8 * (1 - p) ** 2
    assert_close(out[both], their_out[both])
    assert_close(dx[both], their_x.grad[both])


# Ours, theirs, and the settings of both; Adam's betas are a pair there.
OPTIMIZERS = {
    "sgd": (SGD, torch.optim.SGD, {"lr": 0.05}),
    "sgd with momentum": (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "nesterov": (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    "adagrad": (AdaGrad, torch.optim.Adagrad, {"lr": 0.05}),
    "rmsprop": (RMSProp, torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9}),
    "rmsprop with momentum": (RMSProp, torch.optim.RMSprop, {"lr": 0.003, "momentum": 0.9}),
    "adam": (Adam, torch.optim.Adam, {"lr": 0.01}),
    "adam with betas": (Adam, torch.optim.Adam, {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3}),
    "adamw": (AdamW, torch.optim.AdamW, {"lr": 0.01}),
}
CLIPS = {
    "": {},
    "clip_norm": {"clip_norm": 8.0},
    "clip_value": {"clip_value": 0.5},
    "both": {"clip_norm": 8.0, "clip_value": 0.5},
}


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("weight_decay", [None, 0.0, 0.01])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_steps_of_every_optimizer(name, weight_decay, clip):
    """Each step has new random gradients with a norm of about 25; None is the default decay."""
    ours, theirs, settings = OPTIMIZERS[name]
    if weight_decay is not None:
        settings = {**settings, "weight_decay": weight_decay}
    rng = np.random.default_rng(2)
    params = {"0.w": rng.normal(size=(20, 30)), "0.b": rng.normal(size=30)}
    their_params = [torch.tensor(param.copy(), requires_grad=True) for param in params.values()]
    their_optimizer = theirs(their_params, **settings)
    if "betas" in settings:
        settings = {**settings, "beta1": settings["betas"][0], "beta2": settings["betas"][1]}
        del settings["betas"]
    our_optimizer = ours(**settings, **CLIPS[clip], decay_all=True)
    for _ in range(100):
        grads = {key: rng.normal(size=param.shape) for key, param in params.items()}
        for param, grad in zip(their_params, grads.values(), strict=True):
            param.grad = torch.tensor(grad)
        if "clip_norm" in CLIPS[clip]:
            torch.nn.utils.clip_grad_norm_(their_params, CLIPS[clip]["clip_norm"])
        if "clip_value" in CLIPS[clip]:
            torch.nn.utils.clip_grad_value_(their_params, CLIPS[clip]["clip_value"])
        their_optimizer.step()
        our_optimizer.step(params, grads)
    for param, expected in zip(params.values(), their_params, strict=True):
        assert_close(param, expected)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if "betas" not in name])
def test_lr_scales_equal_pytorchs_param_groups(name):
    ours, theirs, settings = OPTIMIZERS[name]
    rng = np.random.default_rng(3)
    params = {"0.w": rng.normal(size=40), "2.w": rng.normal(size=40)}
    first, last = (torch.tensor(param.copy(), requires_grad=True) for param in params.values())
    groups = [{"params": [first]}, {"params": [last], "lr": settings["lr"] / 4}]
    their_optimizer = theirs(groups, **settings)
    our_optimizer = ours(**settings, lr_scales={"2": 0.25})
    for _ in range(100):
        grads = {key: rng.normal(size=40) for key in params}
        first.grad, last.grad = (torch.tensor(grad) for grad in grads.values())
        their_optimizer.step()
        our_optimizer.step(params, grads)
    assert_close(params["0.w"], first)
    assert_close(params["2.w"], last)
