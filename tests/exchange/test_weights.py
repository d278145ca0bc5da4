"""Files with PyTorch's names and shapes, and load_weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import handnn
from handnn import Affine, FormatError, Network, ReLU, Residual, mlp
from handnn.storage.names import TORCH_NAMES, state_dict
from tests.bounds import assert_same_bits
from tests.exchange import networks
from tests.exchange.networks import NAMES, network_of, rows_of
from tests.own_bricks import Halve, Scale
from tests.storage.files import header_and_data

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.safetensors"


def arrays_of(network):
    return {**network.params, **network.buffers}


def assert_equal_networks(one, other):
    assert repr(one) == repr(other) and list(arrays_of(one)) == list(arrays_of(other))
    for name, array in arrays_of(one).items():
        assert_same_bits(arrays_of(other)[name], array, name)


@both_dtypes
@pytest.mark.parametrize("name", NAMES)
def test_load_returns_the_bits_from_pytorchs_names(name, dtype, path):
    network = network_of(name, dtype)
    network.save(path, names="torch")
    loaded = handnn.load(path)
    assert_equal_networks(loaded, network)
    x = rows_of(10, dtype)
    assert_same_bits(loaded.predict(x), network.predict(x))
    assert all(array.flags.c_contiguous for array in loaded.params.values())


def test_names_and_shapes_are_pytorchs(path):
    network = networks.tabular("float32")
    network.save(path, names="torch")
    found = {name: (array.shape, array.dtype.name) for name, array in load_file(path).items()}
    norm = {f"2.{name}": ((13,), "float32") for name in ("weight", "bias", "running_mean")}
    assert found == {
        "0.weight": ((6, 4), "float32"),
        "1.weight": ((6, 2), "float32"),
        **norm,
        "2.running_var": ((13,), "float32"),
        "2.num_batches_tracked": ((), "int64"),
        "3.weight": ((24, 13), "float32"),
        "3.bias": ((24,), "float32"),
        "4.0.weight": ((20, 24), "float32"),
        "4.0.bias": ((20,), "float32"),
        "4.3.weight": ((24, 20), "float32"),
        "4.3.bias": ((24,), "float32"),
        "4.4.0.weight": ((24,), "float32"),
        "4.4.0.bias": ((24,), "float32"),
        "7.weight": ((5, 24), "float32"),
        "7.bias": ((5,), "float32"),
    }
    assert_same_bits(load_file(path)["3.weight"], network.params["3.w"].T.copy())
    header, _ = header_and_data(path)
    assert json.loads(header["__metadata__"]["handnn"])["names"] == "torch"


def test_torch_names_has_every_array_of_every_brick():
    for name in networks.BRICKS:
        brick = networks.of_one_brick(name, "float32").layers[1]
        if not brick.block:
            known = TORCH_NAMES.get(type(brick).__name__, {})
            assert set(known) == {*brick.params, *brick.buffers}, name


def test_pytorch_loads_the_file(path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import load_file as load_tensors

    nn = torch.nn
    network = Network(
        [
            Affine.random(9, 12, rng=0),
            networks.batch_norm(12, np.random.default_rng(0), "float32"),
            ReLU(),
            networks.layer_norm(12, np.random.default_rng(1), "float32"),
            Affine.random(12, 1, rng=1),
        ]
    )
    network.save(path, names="torch")
    module = nn.Sequential(
        nn.Linear(9, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.LayerNorm(12), nn.Linear(12, 1)
    )
    module.load_state_dict(load_tensors(path))
    x = rows_of(50, "float32")
    with torch.no_grad():
        out = module.eval()(torch.tensor(x)).numpy()
    assert networks.error(out, network.predict(x)) <= 5e-6  # five bricks
    assert list(module.state_dict()) == list(state_dict(network.layers))


def test_loads_a_file_of_pytorch(path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import save_file as save_tensors

    nn = torch.nn
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(9, 12), nn.BatchNorm1d(12), nn.Tanh(), nn.Linear(12, 1))
    module(torch.randn(30, 9))  # changes the running statistics
    save_tensors(module.state_dict(), path)
    network = handnn.from_torch(module)
    for array in arrays_of(network).values():
        array[:] = 7
    handnn.load_weights(network, path, names="torch")
    assert_equal_networks(network, handnn.from_torch(module))
    with pytest.raises(FormatError):
        handnn.load(path)


@both_dtypes
@pytest.mark.parametrize("names", ["handnn", "torch"])
@pytest.mark.parametrize("name", ["an mlp", "tabular"])
def test_writes_into_the_existing_arrays(name, names, dtype, path):
    network = network_of(name, dtype)
    network.save(path, names=names)
    other = network_of(name, dtype)
    x = rows_of(10, dtype)
    for array in arrays_of(other).values():
        array[:] = 0.5
    before = arrays_of(other)
    other.predict(x)  # the compiled program must also see the new weights
    handnn.load_weights(other, path, names=names)
    assert all(array is before[key] for key, array in arrays_of(other).items())
    assert_equal_networks(other, network)
    assert_same_bits(other.predict(x), network.predict(x))


def test_includes_own_bricks(path):
    network = Network([Affine.random(3, 3, dtype="float64"), Halve(), Residual([Scale(3)])])
    arrays = {name: np.full_like(array, 0.25) for name, array in network.params.items()}
    save_file(arrays, path)
    handnn.load_weights(network, path)
    assert all((array == 0.25).all() for array in network.params.values())


def change(**changes):
    """Return the arrays of mlp([2, 3, 1]), some replaced, or left out with None."""

    def arrays():
        found = {**state_dict(mlp([2, 3, 1], rng=5).layers)}
        found.update({name.replace("_", ".", 1)[1:]: array for name, array in changes.items()})
        return {name: array for name, array in found.items() if array is not None}

    return arrays


F32 = np.float32
WRONG = {
    "one is missing": (change(n2_bias=None), "2.bias"),
    "one too many": (change(n3_bias=np.zeros(1, F32)), "no layer has an array '3.bias'"),
    "transposed": (change(n0_weight=np.zeros((2, 3), F32)), r"0.w must be float32 \(2, 3\), but"),
    "flat": (change(n2_weight=np.zeros(3, F32)), r"2.w must be float32 \(3, 1\), but"),
    "float64": (change(n2_bias=np.zeros(1)), r"2.b must be float32 \(1,\), but the file's is fl"),
    "float16": (change(n2_bias=np.zeros(1, np.float16)), "its array 2.bias is F16, not F32 or F64"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_does_not_fit_leaves_the_network_unchanged(name, path):
    arrays, message = WRONG[name]
    save_file(arrays(), path)
    network = mlp([2, 3, 1], rng=0)
    before = {key: array.copy() for key, array in network.params.items()}
    with pytest.raises(
        FormatError, match=rf"load_weights: .*does not fit the network: .*{message}"
    ):
        handnn.load_weights(network, path, names="torch")
    for key, array in network.params.items():
        assert_same_bits(array, before[key], key)


def test_a_read_only_array_leaves_the_network_unchanged(path):
    network = mlp([2, 3, 1], rng=0)
    mlp([2, 3, 1], rng=1).save(path)
    before = network.params["0.w"].copy()
    network.layers[2].b.flags.writeable = False
    with pytest.raises(FormatError, match=r"2\.b is read-only"):
        handnn.load_weights(network, path)
    assert_same_bits(network.params["0.w"], before)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x80\x04\x8c\x02os\x8c\x06system\x93."])
def test_rejects_foreign_files(path, data):
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"network\.safetensors does not fit"):
        handnn.load_weights(mlp([2, 1]), path)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_rejects_every_damaged_byte_or_reads_other_numbers(path, flip):
    """load_weights fills the network or leaves it unchanged."""
    mlp([2, 3, 1], rng=0).save(path, names="torch")
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= flip
        path.write_bytes(damaged)
        try:
            assert repr(handnn.load(path)) == repr(mlp([2, 3, 1]))
        except FormatError:
            refused += 1
        network = mlp([2, 3, 1], rng=1)
        before = {name: array.tobytes() for name, array in network.params.items()}
        try:
            handnn.load_weights(network, path, names="torch")
        except FormatError:
            assert {n: a.tobytes() for n, a in network.params.items()} == before
    assert refused > len(whole) / 4


def test_a_missing_file_raises_file_not_found(path):
    with pytest.raises(FileNotFoundError):
        handnn.load_weights(mlp([2, 1]), path)


def test_rejects_other_arguments(path):
    network = mlp([2, 1], rng=0)
    for names in ("pytorch", None, ["torch"]):
        with pytest.raises(ValueError, match="Network.save: names must be 'handnn' or 'torch', b"):
            network.save(path, names=names)
        assert not path.exists()
    network.save(path)
    with pytest.raises(ValueError, match="load_weights: names must be"):
        handnn.load_weights(network, path, names="keras")
    with pytest.raises(TypeError, match="load_weights: network must be a Network, but is a list"):
        handnn.load_weights(network.layers, path)


@pytest.mark.parametrize("names", ["keras", 3, None, ["torch"]])
def test_rejects_unknown_names_in_the_metadata(path, names):
    mlp([2, 1], rng=0).save(path)
    arrays = load_file(path)
    header, _ = header_and_data(path)
    architecture = {**json.loads(header["__metadata__"]["handnn"]), "names": names}
    save_file(arrays, path, {"handnn": json.dumps(architecture)})
    with pytest.raises(FormatError, match="names must be"):
        handnn.load(path)


def test_rejects_names_that_contradict_the_metadata(path):
    """The metadata says "torch" but the names are handnn's, and the other way round."""
    network = mlp([2, 3, 1], rng=0)
    for saved, said in (("handnn", "torch"), ("torch", "handnn")):
        network.save(path, names=saved)
        header, _ = header_and_data(path)
        architecture = {**json.loads(header["__metadata__"]["handnn"]), "names": said}
        save_file(load_file(path), path, {"handnn": json.dumps(architecture)})
        with pytest.raises(FormatError):
            handnn.load(path)


def test_the_default_names_are_not_in_the_metadata(path):
    mlp([2, 1], rng=0).save(path)
    header, _ = header_and_data(path)
    assert set(json.loads(header["__metadata__"]["handnn"])) == {"format", "bricks"}
