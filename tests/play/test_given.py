"""A user's own network in the laboratory: from a file, and from a notebook."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import handnn
from handnn.play.given import entries_of, given_training
from handnn.play.laboratory import Laboratory
from handnn.play.session import weights_sha256


@pytest.fixture
def laboratory():
    found = Laboratory()
    yield found
    found.close()


def layers(n_in=2, n_out=1):
    rng = np.random.default_rng(7)
    return [
        handnn.Affine.random(n_in, 6, rng=rng),
        handnn.LayerNorm(np.ones(6, np.float32), np.zeros(6, np.float32), eps=1e-4),
        handnn.LeakyReLU(0.1),
        handnn.Residual(
            [
                handnn.Affine.random(6, 3, rng=rng),
                handnn.Tanh(),
                handnn.Affine.random(3, 6, rng=rng),
            ]
        ),
        handnn.Dropout(0.1, rng),
        handnn.Affine.random(6, n_out, rng=rng),
    ]  # fmt: skip


def uploaded(laboratory, network, folder, name="mine.safetensors"):
    network.save(folder / name)
    return laboratory.upload(name, (folder / name).read_bytes())


def test_a_saved_network_goes_on_and_its_script_gives_the_same_weights(laboratory, tmp_path):
    network = handnn.Network(layers())
    state = uploaded(laboratory, network, tmp_path)["state"]
    assert [entry["brick"] for entry in state["bricks"]][:3] == ["Affine", "LayerNorm", "LeakyReLU"]
    laboratory.load({"state": state})
    assert weights_sha256(laboratory.session.network) == weights_sha256(network)
    laboratory.player.advance(laboratory.session.steps_per_epoch)
    while laboratory.player.status.goal is not None:
        laboratory.player.wait(laboratory.player.status.version, 0.5)
    trained = weights_sha256(laboratory.session.network)
    done = subprocess.run(
        [sys.executable, "-c", laboratory.script({})["script"]],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split()[-1] == trained, done.stderr
    link = json.loads(json.dumps(laboratory.session.state.to_json()))
    laboratory.load({"state": link})
    assert laboratory.session.start.weights.file == "mine.safetensors"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the folder of a table and of a model that `handnn train` made of it."""
    pytest.importorskip("polars")
    folder = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(4)
    sizes, towns = rng.uniform(20, 90, 120), rng.integers(3, size=120)
    rents = (9 * sizes + 70 * towns).round(1)
    lines = [f"{a:.1f};town {b};{c}" for a, b, c in zip(sizes, towns, rents, strict=True)]
    text = "\n".join(["size;town;rent", *lines])
    (folder / "rents.csv").write_text(text, encoding="utf-8")
    model = handnn.train_file(
        folder / "rents.csv", "rent", networks=2, epochs=20, seed=11, hold_out=0.25
    )
    model.save(folder / "rents.safetensors")
    return folder


def test_a_model_of_a_table_goes_on_with_its_rows_and_its_columns(laboratory, trained, tmp_path):
    table, saved = (trained / f"rents.{form}" for form in ("csv", "safetensors"))
    with pytest.raises(ValueError, match="drop its table here first"):
        laboratory.upload(saved.name, saved.read_bytes())
    laboratory.upload(table.name, table.read_bytes())
    state = laboratory.upload(saved.name, saved.read_bytes())["state"]
    assert state["weights"]["networks"] == 2
    laboratory.load({"state": state})
    session, model = laboratory.session, handnn.files.FileModel.load(saved)
    assert weights_sha256(session.network) == weights_sha256(model.networks[0])
    assert session.rows.columns.to_dict() == model.columns.to_dict()
    counts = {"trained": len(session.rows.x), "held_out": len(session.rows.held_x)}
    assert model.notes.story["rows"] == counts
    laboratory.player.advance(3)
    while laboratory.player.status.goal is not None:
        laboratory.player.wait(laboratory.player.status.version, 0.5)
    done = subprocess.run(
        [sys.executable, "-c", laboratory.script({})["script"]],
        cwd=trained, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split()[-1] == weights_sha256(session.network), done.stderr
    changed = {**state, "bricks": state["bricks"][:1]}
    assert laboratory.load({"state": changed, "adapt": True})["state"]["weights"]["networks"] == 0
    assert laboratory.session.rows.columns.to_dict() != model.columns.to_dict()


def test_names_the_models_that_it_opens(laboratory, trained, tmp_path):
    table, saved = (trained / f"rents.{form}" for form in ("csv", "safetensors"))
    laboratory.upload(table.name, table.read_bytes())
    handnn.TableModel.load(saved).save(tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match="handnn train did not write"):
        laboratory.upload("plain.safetensors", (tmp_path / "plain.safetensors").read_bytes())
    with pytest.raises(ValueError, match="does not hold a network"):
        laboratory.upload("other.safetensors", b"size;rent")
    laboratory.upload("other.csv", table.read_bytes().replace(b"size", b"area"))
    with pytest.raises(ValueError, match="has no column 'size'"):
        laboratory.upload(saved.name, saved.read_bytes())


def test_another_brick_begins_at_random_again(laboratory, tmp_path):
    state = uploaded(laboratory, handnn.Network(layers()), tmp_path)["state"]
    state["bricks"] = state["bricks"][:1]
    with pytest.raises(ValueError, match="the weights do not fit"):
        laboratory.load({"state": state})
    assert laboratory.load({"state": state, "adapt": True})["state"]["weights"]["file"] == ""


def test_the_page_chooses_data_that_fit(laboratory, tmp_path):
    state = uploaded(laboratory, handnn.Network(layers(8, 1)), tmp_path)["state"]
    assert state["data"]["name"] == "concrete" and state["loss"]["name"] == "MSELoss"
    with pytest.raises(ValueError, match="takes 5 columns and returns 1"):
        uploaded(laboratory, handnn.mlp([5, 1]), tmp_path)


def test_weights_that_are_not_here_are_asked_for(laboratory):
    state = laboratory.session.state.to_json()
    state["weights"] = {"file": "other.safetensors", "sha256": "0"}
    with pytest.raises(ValueError, match=r"drop the file 'other\.safetensors'"):
        laboratory.load({"state": state})


@pytest.mark.parametrize(
    ("last", "message"),
    [(handnn.Sigmoid(), "must be an Affine"), (None, "Residual must hold")],
)
def test_names_the_brick_that_cannot_be_built(last, message):
    bricks = [handnn.Residual([handnn.ReLU()]), handnn.Affine.random(2, 1)]
    with pytest.raises(ValueError, match=message):
        entries_of([*bricks, last] if last else bricks)


def test_a_notebook_shows_its_own_training():
    pytest.importorskip("uvicorn")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    network = handnn.mlp([3, 5, 2], rng=0)
    before = weights_sha256(network)
    optimizer = handnn.AdamW(0.01, schedule=handnn.schedules.Cosine(50))
    trainer = handnn.Trainer(network, handnn.MSELoss(), optimizer)
    playing = handnn.play(trainer, x, x[:, :2], batch_size=8, held_out=0.2)
    try:
        assert playing.url in playing._repr_html_() and "<iframe" in playing._repr_html_()
        laboratory = playing._server.laboratory
        assert len(laboratory.session.rows.x) == 48
        assert json.loads(laboratory.frames({}).next())["step"] == 0
        assert weights_sha256(playing.network) == before
        script = laboratory.script({})["script"]
        assert "rows = array_rows(x, y, handnn.MSELoss" in script
        laboratory.player.advance(3)
        while laboratory.player.status.goal is not None:
            laboratory.player.wait(laboratory.player.status.version, 0.5)
        assert weights_sha256(playing.network) != before == weights_sha256(network)
    finally:
        playing.close()


@pytest.mark.parametrize(
    ("loss", "x", "y", "message"),
    [
        (handnn.MSELoss(), np.ones((4, 2)), np.ones(3), r"they are \(4, 2\) and \(3,\)"),
        (handnn.MSELoss(), np.ones((4, 3)), np.ones(4), "x has 3 columns, not 2"),
        (handnn.MSELoss(), np.full((4, 2), np.nan), np.ones(4), "must be finite"),
        (handnn.BCEWithLogits(), np.ones((4, 2)), np.full(4, -1), "one label for each row"),
        (handnn.Quantile([0.9]), np.ones((4, 2)), np.ones(4), "the laboratory has no Quantile"),
    ],
)  # fmt: skip
def test_a_notebook_rejects_other_arguments(loss, x, y, message):
    trainer = handnn.Trainer(handnn.mlp([2, 1]), loss, handnn.SGD(0.1))
    with pytest.raises(ValueError, match=message):
        given_training(trainer, x, y)
    with pytest.raises(TypeError, match="must be a Trainer"):
        given_training(handnn.mlp([2, 1]), x, y)
