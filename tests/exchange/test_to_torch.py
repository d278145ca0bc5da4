"""to_torch: the module predicts and trains as the network does, and shares no memory with it."""

from __future__ import annotations

import io

import numpy as np
import pytest

import handnn
from handnn import SGD, Affine, Dropout, MSELoss, Network, ReLU, Residual, Trainer, mlp
from handnn.layers import BRICKS
from handnn.layers.sequence import walk
from tests.bounds import assert_same_bits
from tests.exchange import networks
from tests.exchange.networks import NAMES, RELATIVE, allowed, error, network_of, rows_of

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def predicted(module, x):
    module.eval()
    with torch.no_grad():
        return module(torch.tensor(x)).numpy()


def test_the_list_has_every_brick():
    assert {name.split(",")[0].split()[0] for name in networks.BRICKS} == set(BRICKS)


@both_dtypes
@pytest.mark.parametrize("name", NAMES)
def test_predicts_like_the_network(name, dtype, record_property):
    network = network_of(name, dtype)
    x = rows_of(300, dtype)
    out = predicted(handnn.to_torch(network), x)
    assert out.dtype == dtype
    found = error(out, network.predict(x))
    record_property("relative error", found)
    assert found <= allowed(name, dtype)


@both_dtypes
@pytest.mark.parametrize("name", NAMES)
def test_round_trip_keeps_bits_and_settings(name, dtype):
    network = network_of(name, dtype)
    again = handnn.from_torch(handnn.to_torch(network))
    assert repr(again) == repr(network)
    for arrays in ("params", "buffers"):
        ours, theirs = getattr(network, arrays), getattr(again, arrays)
        assert list(ours) == list(theirs)
        for key, array in ours.items():
            assert_same_bits(theirs[key], array, key)
    for (_, one), (_, other) in zip(walk(network.layers), walk(again.layers), strict=True):
        ours, theirs = dict(one.settings), dict(other.settings)
        assert ours.pop("rng", None) is None or theirs.pop("rng") is not None
        assert ours == theirs
    x = rows_of(20, dtype)
    assert_same_bits(again.predict(x), network.predict(x))


def test_modules_are_those_of_torch_nn():
    layers = mlp([4, 8, 8, 1], rng=0).layers
    module = handnn.to_torch(Network([*layers[:3], Dropout(0.25), *layers[3:]]))
    assert type(module) is torch.nn.Sequential
    kinds = ["Linear", "ReLU", "Linear", "Dropout", "ReLU", "Linear"]
    assert [type(child) for child in module] == [getattr(torch.nn, kind) for kind in kinds]
    assert module[0].weight.shape == (8, 4) and module[0].weight.requires_grad
    assert module[3].p == 0.25


@both_dtypes
@pytest.mark.parametrize("name", ["an mlp", "one column", "tabular"])
def test_shares_no_memory(name, dtype):
    """This holds in both directions, even if a transposed array is contiguous."""
    network = network_of(name, dtype)
    before = {n: a.copy() for n, a in {**network.params, **network.buffers}.items()}
    module = handnn.to_torch(network)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            tensor.fill_(7)
    for key, array in {**network.params, **network.buffers}.items():
        assert_same_bits(array, before[key], key)
    back = handnn.from_torch(module)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            tensor.fill_(8)
    for key, array in {**back.params, **back.buffers}.items():
        assert (array == 7).all(), key


def test_trains_as_the_network_does():
    """Ten steps of SGD on a network with a BatchNorm, in float64."""
    rng = np.random.default_rng(0)
    make = networks.affine
    layers = [make(5, 8, rng, "float64"), networks.batch_norm(8, rng, "float64"), ReLU()]
    network = Network([*layers, Residual([make(8, 8, rng, "float64")]), make(8, 1, rng, "float64")])
    module = handnn.to_torch(network)
    x, y = rng.normal(size=(32, 5)), rng.normal(size=(32, 1))
    trainer = Trainer(network, MSELoss(), SGD(0.002, momentum=0.9))
    theirs = torch.optim.SGD(module.parameters(), 0.002, momentum=0.9)
    for _ in range(10):
        loss = torch.nn.functional.mse_loss(module(torch.tensor(x)), torch.tensor(y))
        theirs.zero_grad()
        loss.backward()
        theirs.step()
        assert abs(trainer.train_step(x, y) / loss.item() - 1) < 1e-12
    assert error(predicted(module, x), network.predict(x)) < 1e-12
    assert module[1].num_batches_tracked == 10


@pytest.mark.parametrize("training", [True, False])
def test_copies_the_mode(training):
    network = networks.tabular("float32").train(training)
    module = handnn.to_torch(network)
    assert all(child.training is training for child in module.modules())
    again = handnn.from_torch(module)
    assert all(layer.training is training for _, layer in walk(again.layers))


def test_copies_the_mode_of_each_layer():
    network = networks.tabular("float32")
    network.layers[2].training = False
    network.layers[4].block[2].training = False
    module = handnn.to_torch(network)
    off = {name for name, child in module.named_modules() if not child.training}
    assert off == {"", "2", "4.2"}
    again = handnn.from_torch(module)
    assert {place for place, layer in walk(again.layers) if not layer.training} == {"2", "4.2"}


def test_does_not_change_random_states():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    handnn.from_torch(handnn.to_torch(networks.tabular("float32")))
    assert torch.equal(torch.rand(3), expected)


def test_ignores_default_dtype_and_device():
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            module = handnn.to_torch(networks.tabular("float32"))
    finally:
        torch.set_default_dtype(torch.float32)
    assert {tensor.dtype for tensor in module.parameters()} == {torch.float32}
    assert {tensor.device.type for tensor in module.state_dict().values()} == {"cpu"}


def test_softplus_of_large_numbers():
    """Inputs on both sides of PyTorch's threshold, and where exp overflows."""
    for dtype in ("float32", "float64"):
        network = networks.of_one_brick("Softplus", dtype)
        x = np.linspace(-800, 800, 9 * 500).reshape(-1, 9).astype(dtype)
        x[:100] = np.linspace(30, 40, 900).reshape(-1, 9)
        out = predicted(handnn.to_torch(network), x)
        np.testing.assert_allclose(out, network.predict(x), rtol=RELATIVE[dtype], atol=1e-30)


def test_pytorch_saves_a_module_with_blocks():
    network = networks.tabular("float32")
    module = handnn.to_torch(network)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other = handnn.to_torch(networks.tabular("float32", seed=9))
    other.load_state_dict(torch.load(file, weights_only=True))
    x = rows_of(10, "float32")
    assert_same_bits(predicted(other, x), predicted(module, x))
    assert "column=2" in repr(module)


def test_copies_replaced_arrays():
    network = mlp([3, 4, 2], rng=0)
    network.layers[0].w = np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4))
    module = handnn.to_torch(network)
    assert_same_bits(module[0].weight.detach().numpy(), network.layers[0].w.T.copy())
    network.layers[0].b = np.zeros(5, np.float32)
    with pytest.raises(ValueError, match="Affine: b has shape"):
        handnn.to_torch(network)


def test_one_affine_becomes_a_sequential_of_one():
    layer = Affine.random(3, 2, rng=0)
    module = handnn.to_torch(Network([layer]))
    assert_same_bits(module[0].weight.detach().numpy(), layer.w.T.copy())
