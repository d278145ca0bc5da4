"""from_torch: the supported modules, and errors that name unsupported modules."""

from __future__ import annotations

import re
from collections import OrderedDict

import numpy as np
import pytest

import handnn
from handnn.layers.sequence import walk
from tests.bounds import assert_same_bits
from tests.exchange.networks import RELATIVE, error

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to take from")
nn = torch.nn


def assert_the_same(module, columns=6, dtype="float32"):
    network = handnn.from_torch(module)
    x = np.random.default_rng(0).normal(size=(40, columns)).astype(dtype)
    module.eval()
    with torch.no_grad():
        expected = module(torch.tensor(x)).numpy()
    assert error(network.predict(x), expected) <= RELATIVE[dtype]
    return network


def with_statistics(norm, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.normal_()
        norm.running_var.uniform_(0.5, 2)
    return norm


TAKEN = {
    "Linear": lambda: nn.Linear(6, 4),
    "Linear without bias": lambda: nn.Linear(6, 4, bias=False),
    "BatchNorm1d": lambda: with_statistics(nn.BatchNorm1d(6, eps=0.01, momentum=0.4)),
    "LayerNorm": lambda: nn.LayerNorm(6, eps=0.01),
    "LayerNorm of a list": lambda: nn.LayerNorm([6]),
    "Dropout": lambda: nn.Dropout(0.3),
    "Dropout in place": lambda: nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.3, inplace=True)),
    "ReLU in place": lambda: nn.Sequential(nn.Linear(6, 6), nn.ReLU(inplace=True)),
    "LeakyReLU": lambda: nn.LeakyReLU(0.2),
    "ELU": lambda: nn.ELU(0.6),
    "GELU": nn.GELU,
    "GELU tanh": lambda: nn.GELU(approximate="tanh"),
    "SiLU": nn.SiLU,
    "Sigmoid": nn.Sigmoid,
    "Tanh": nn.Tanh,
    "Softplus": nn.Softplus,
    "Softmax of 1": lambda: nn.Softmax(dim=1),
    "Softmax of the last": lambda: nn.Softmax(dim=-1),
}


@pytest.mark.parametrize("name", TAKEN)
def test_predicts_like_the_module(name):
    """Each module follows an identity Linear, which determines the dtype."""
    torch.manual_seed(1)
    ones = nn.Linear(6, 6)
    with torch.no_grad():
        ones.weight.copy_(torch.eye(6))
        ones.bias.zero_()
    assert_the_same(nn.Sequential(ones, TAKEN[name]()))
    network = handnn.from_torch(TAKEN[name]())
    assert network.dtype == (np.float32 if network.params else np.float64)


def test_copies_settings():
    norm = handnn.from_torch(TAKEN["BatchNorm1d"]()).layers[0]
    assert (norm.eps, norm.momentum) == (0.01, 0.4)
    assert handnn.from_torch(nn.GELU("tanh")).layers[0].form == "tanh"
    assert handnn.from_torch(nn.Dropout(0.3)).layers[0].p == 0.3


def test_a_typical_sequential():
    torch.manual_seed(0)
    hidden = nn.Sequential(OrderedDict(fc=nn.Linear(8, 8), bn=with_statistics(nn.BatchNorm1d(8))))
    parts = [nn.Flatten(), nn.Linear(6, 8), hidden, nn.Identity(), nn.GELU(), nn.Linear(8, 2)]
    network = assert_the_same(nn.Sequential(*parts).double(), dtype="float64")
    kinds = ["Affine", "Affine", "BatchNorm", "GELU", "Affine"]
    assert [type(layer).__name__ for layer in network.layers] == kinds


def test_one_module_in_several_places_becomes_several_bricks():
    torch.manual_seed(0)
    act = nn.Tanh()
    network = assert_the_same(nn.Sequential(nn.Linear(6, 3), act, nn.Linear(3, 6), act))
    assert [type(layer).__name__ for layer in network.layers] == ["Affine", "Tanh"] * 2


def test_a_missing_bias_becomes_0_and_weights_keep_their_bits():
    linear = nn.Linear(6, 1, bias=False)
    layer = handnn.from_torch(linear).layers[0]
    assert layer.b.tolist() == [0]
    assert_same_bits(layer.w, linear.weight.detach().numpy().T.copy())
    before = linear.weight.detach().clone()
    layer.w[:] = 0
    assert torch.equal(linear.weight, before)


def test_rng_seeds_dropout():
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Dropout())
    one, two = (handnn.from_torch(module, rng=3) for _ in range(2))
    seeds = [layer.seed for layer in one.layers[1:]]
    assert seeds == [layer.seed for layer in two.layers[1:]] and seeds[0] != seeds[1]
    assert handnn.from_torch(module, rng=4).layers[1].seed != seeds[0]


class Doubling(nn.Module):
    def forward(self, x):
        return 2 * x


class Backwards(nn.Sequential):
    def forward(self, x):
        return -super().forward(x)


class OwnLinear(nn.Linear):
    pass


def hooked():
    linear = nn.Linear(2, 2)
    linear.register_forward_hook(lambda module, args, out: 2 * out)
    return linear


def patched():
    relu = nn.ReLU()
    relu.forward = lambda x: -x
    return relu


UNKNOWN = {
    "a module of one's own": (Doubling, "0 (Doubling())"),
    "a Sequential of one's own": (lambda: Backwards(nn.ReLU()), "0 (Backwards)"),
    "a Linear of one's own": (lambda: OwnLinear(2, 2), "0 (OwnLinear("),
    "a convolution": (lambda: nn.Conv1d(2, 2, 1), "0 (Conv1d("),
    "ReLU6": (nn.ReLU6, "0 (ReLU6())"),
    "PReLU": (nn.PReLU, "0 (PReLU("),
    "LogSoftmax": (lambda: nn.LogSoftmax(1), "0 (LogSoftmax("),
    "Flatten of something else": (lambda: nn.Flatten(0), "0 (Flatten("),
    "PyTorch's Embedding": (lambda: nn.Embedding(3, 2), "0 (Embedding(3, 2))"),
    "deep inside": (lambda: nn.Sequential(nn.ReLU(), nn.Sequential(nn.CELU())), "0.1.0 (CELU("),
    "float16": (lambda: nn.Linear(2, 2).half(), "0.weight is torch.float16"),
    "bfloat16": (lambda: nn.BatchNorm1d(2).bfloat16(), "0.weight is torch.bfloat16"),
    "meta": (lambda: nn.Linear(2, 2, device="meta"), "0.weight is on the device meta"),
    "a spectral norm": (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2)), "0 (Par"),
}

REFUSED = {
    "momentum None": (lambda: nn.BatchNorm1d(2, momentum=None), "0 (BatchNorm1d(", "momentum is"),
    "no affine": (lambda: nn.BatchNorm1d(2, affine=False), "0 (BatchNorm1d(", "has no weight"),
    "no statistics": (
        lambda: nn.BatchNorm1d(2, track_running_stats=False), "0 (BatchNorm1d(", "no running_mean",
    ),
    "LayerNorm of two": (lambda: nn.LayerNorm((2, 3)), "0 (LayerNorm(", "not one number"),
    "LayerNorm without": (
        lambda: nn.LayerNorm(2, elementwise_affine=False), "0 (LayerNorm(", "has no weight",
    ),
    "LayerNorm without bias": (lambda: nn.LayerNorm(2, bias=False), "0 (LayerNorm(", "has no bias"),
    "beta": (lambda: nn.Softplus(beta=2), "0 (Softplus(", "beta is 2"),
    "threshold": (lambda: nn.Softplus(threshold=5), "0 (Softplus(", "threshold is 5"),
    "dim 0": (lambda: nn.Softmax(dim=0), "0 (Softmax(", "dim is 0"),
    "dim None": (lambda: nn.Softmax(), "0 (Softmax(", "dim is None"),
    "p of 1": (lambda: nn.Dropout(1.0), "0 (Dropout(", "p must be"),
    "a negative slope": (lambda: nn.LeakyReLU(-0.1), "0 (LeakyReLU(", "slope must be"),
    "a negative alpha": (lambda: nn.ELU(-1.0), "0 (ELU(", "alpha must be"),
    "hooks": (hooked, "0 (Linear(", "has hooks"),
    "a forward of its own": (patched, "0 (ReLU())", "a forward of its own"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_rejects_modules_without_a_brick(name):
    build, shown = UNKNOWN[name]
    with pytest.raises(TypeError, match=rf"^from_torch: .*{re.escape(shown)}"):
        handnn.from_torch(nn.Sequential(build(), nn.Linear(2, 2)))


@pytest.mark.parametrize("name", REFUSED)
def test_rejects_settings_that_the_brick_does_not_have(name):
    build, shown, reason = REFUSED[name]
    with pytest.raises(ValueError, match=rf"^from_torch: .*{re.escape(shown)}.*{reason}"):
        handnn.from_torch(nn.Sequential(build(), nn.Linear(2, 2)))


def test_rejects_mixed_dtypes():
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2).double())
    with pytest.raises(TypeError, match=r"0\.weight is torch\.float32 but 2\.weight is torch\.f"):
        handnn.from_torch(module)


def test_rejects_tied_weights():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    for module in (nn.Sequential(first, nn.ReLU(), second), nn.Sequential(first, first)):
        with pytest.raises(ValueError, match=r"0\.weight and \d\.weight are the same tensor"):
            handnn.from_torch(module)


@pytest.mark.parametrize("module", [nn.Sequential(), nn.Sequential(nn.Identity(), nn.Sequential())])
def test_rejects_a_module_without_layers(module):
    with pytest.raises(ValueError, match="from_torch: module has no layers"):
        handnn.from_torch(module)


@pytest.mark.parametrize("module", [None, [nn.ReLU()], nn.ReLU, "Linear"])
def test_rejects_non_modules(module):
    with pytest.raises(TypeError, match="from_torch: module must be a torch.nn.Module"):
        handnn.from_torch(module)


def test_rejects_layers_that_do_not_fit():
    with pytest.raises(ValueError, match="expects 4 columns"):
        handnn.from_torch(nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 2)))


def test_residual_and_embedding_modules():
    from handnn.exchange.torch.modules import Embedding, Residual

    block = Residual(nn.Linear(4, 4), nn.Sequential(nn.Tanh()), Residual(nn.ReLU()))
    block[2].eval()
    network = handnn.from_torch(nn.Sequential(Embedding(5, 2, 1), block))
    assert repr(network.layers[1]) == "Residual(Affine 4→4, Tanh, Residual(ReLU))"
    modes = {place: layer.training for place, layer in walk(network.layers)}
    assert [place for place, training in modes.items() if not training] == ["1.2", "1.2.0"]
    with pytest.raises(
        ValueError, match=r"from_torch: .*1 \(Residual\).*expects 4 columns but return"
    ):
        handnn.from_torch(nn.Sequential(nn.ReLU(), Residual(nn.Linear(4, 3))))
    with pytest.raises(ValueError, match=r"0 \(Embedding\(.*padding_idx is 0"):
        handnn.from_torch(nn.Sequential(Embedding(5, 2, 1, padding_idx=0)))
