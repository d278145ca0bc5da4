"""The bits depend on the state only; the script and a link lead to the same weights."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from handnn.play import catalog, units
from handnn.play.rows import data_names, load_rows, read_rows
from handnn.play.script import script
from handnn.play.session import NotFinite, Session, weights_sha256
from handnn.play.state import State


def layers(units, activation, *others):
    return [{"brick": "Affine", "units": units}, {"brick": activation}, *others]


def new_session(**document):
    state = State.from_json({"version": 1, **document})
    data = state.data
    rows = load_rows(data.name, noise=data.noise, held_out=data.held_out, seed=state.seed)
    return Session(state, rows)


def replayed(session):
    """Return the session that a link to this one starts."""
    state = State.from_json(json.loads(json.dumps(session.state.to_json())))
    again = Session(state, session.rows)
    again.advance(state.step)
    return again


def run_script(session, folder, timeout=120):
    file = folder / "script.py"
    file.write_text(script(session), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, file], cwd=folder, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


EVERY_KIND = [
    {"brick": "Dropout", "p": 0.1},
    {"brick": "BatchNorm"},
    {"brick": "LayerNorm"},
    {"brick": "Residual", "units": 4, "activation": "gelu"},
]

CASES = [
    {},
    {"seed": 5, "bricks": [], "optimizer": {"name": "SGD", "lr": 0.1, "momentum": 0.9}},
    {"bricks": layers(8, "ReLU", *EVERY_KIND), "optimizer": {"name": "AdamW"}},
    {"bricks": layers(6, "Tanh"), "schedule": {"name": "ReduceOnPlateau", "patience": 0}},
    {"data": {"name": "sine"}, "loss": {"name": "GaussianNLL"}, "schedule": {"name": "OneCycle"}},
    {"data": {"name": "concrete"}, "loss": {"name": "Quantile"}, "batch_size": 64},
    {"data": {"name": "counts"}, "loss": {"name": "PoissonNLL"}},
    {"data": {"name": "categories"}, "bricks": [{"brick": "Embedding"}, *layers(4, "ReLU")]},
]


@pytest.mark.parametrize("document", CASES, ids=range(len(CASES)))
def test_weights_do_not_depend_on_how_the_steps_are_cut(document):
    whole, cut = new_session(**document), new_session(**document)
    n_steps = 3 * whole.steps_per_epoch + 5
    whole.advance(n_steps)
    for until in [1, 2, 7, whole.steps_per_epoch, 2 * whole.steps_per_epoch + 3, n_steps]:
        cut.advance(until)
    assert weights_sha256(cut.network) == weights_sha256(whole.network)
    assert weights_sha256(replayed(cut).network) == weights_sha256(whole.network)


@pytest.mark.parametrize("document", CASES, ids=range(len(CASES)))
def test_a_step_back_returns_the_same_weights(document):
    session = new_session(**document)
    session.advance(2 * session.steps_per_epoch - 1)
    before = weights_sha256(session.network)
    for n_steps in [1, 2, session.steps_per_epoch]:
        session.save()
        session.advance(session.step + n_steps)
        assert weights_sha256(session.network) != before
        session.back_to(session.step - n_steps)
        assert weights_sha256(session.network) == before
    session.advance(session.step + 3)
    assert weights_sha256(session.network) == weights_sha256(replayed(session).network)


def test_the_script_of_complete_epochs_is_one_fit(tmp_path):
    session = new_session(seed=2)
    session.advance(4 * session.steps_per_epoch)
    assert ".fit(rows.x, rows.y, epochs=4, batch_size=16)" in script(session)
    assert run_script(session, tmp_path) == weights_sha256(session.network)


def test_the_script_repeats_changes_by_hand(tmp_path):
    session = new_session(bricks=layers(4, "ReLU", *EVERY_KIND))
    session.advance(7)
    session.edit("0.w", (1, 2), 0.5)
    session.advance(session.steps_per_epoch)
    session.edit("lr", (), 0.02)
    session.advance(2 * session.steps_per_epoch + 9)
    assert weights_sha256(replayed(session).network) == weights_sha256(session.network)
    assert run_script(session, tmp_path) == weights_sha256(session.network)


def test_a_step_back_forgets_later_changes():
    session = new_session()
    session.advance(5)
    before = weights_sha256(session.network)
    session.advance(6)
    session.edit("0.b", (0,), 1.0)
    session.back_to(5)
    assert weights_sha256(session.network) == before
    assert session.events == []


@pytest.mark.parametrize(("name", "index"), [("9.w", (0, 0)), ("0.w", (0, 99)), ("0.w", (0,))])
def test_rejects_changes_of_missing_entries(name, index):
    session = new_session()
    with pytest.raises(ValueError, match=r"no (param|entry)"):
        session.edit(name, index, 1.0)
    assert session.events == []


def test_stops_before_a_loss_that_is_not_finite():
    session = new_session(
        data={"name": "sine"}, loss={"name": "MSELoss"}, optimizer={"name": "SGD", "lr": 1e6}
    )
    with pytest.raises(NotFinite, match="learning rate"):
        session.advance(10_000)
    step, weights = session.step, weights_sha256(session.network)
    with pytest.raises(NotFinite):
        session.advance(step + 1)
    assert (session.step, weights_sha256(session.network)) == (step, weights)


def test_rejects_networks_that_are_too_large():
    with pytest.raises(ValueError, match="at most 200,000"):
        new_session(bricks=[{"brick": "Affine", "units": 256}] * 8)


@pytest.mark.parametrize("brick", sorted(catalog.BRICK_SETTINGS))
def test_every_brick_can_be_added(brick):
    bricks = [{"brick": "Affine"}, {"brick": brick}]
    if brick == "Embedding":
        bricks.reverse()
    session = new_session(data={"name": "categories"}, bricks=bricks)
    session.advance(3)
    assert np.isfinite(session.network.predict(session.rows.x)).all()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "choose the data 'categories'"),
        ({"data": {"name": "concrete"}}, "column 0 of the data does not hold codes"),
        ({"data": {"name": "categories"}, "place": 1}, "the first brick"),
    ],
)
def test_an_embedding_needs_codes(document, message):
    bricks = [{"brick": "Embedding"}]
    if document.pop("place", 0):
        bricks.insert(0, {"brick": "ReLU"})
    with pytest.raises(ValueError, match=message):
        new_session(bricks=bricks, **document)


def test_all_weights_of_a_unit_can_be_edited(monkeypatch):
    session = new_session(data={"name": "digits"}, loss={"name": "SoftmaxCrossEntropy"})

    class Player:
        def read(self, look):
            look(session, None)

    facts = units.unit_facts(Player(), 0, 3)
    assert [e["label"] for e in facts["entries"]] == [f"w[{i}, 3]" for i in range(64)] + ["b[3]"]
    assert facts["more"] == 0
    session.edit("0.w", (63, 3), 0.5)
    assert units.unit_facts(Player(), 0, 3)["entries"][63]["value"] == 0.5
    monkeypatch.setattr(units, "MAX_UNITS", 60)
    facts = units.unit_facts(Player(), 0, 3)
    assert len(facts["entries"]) == 61 and facts["more"] == 4


@pytest.mark.parametrize("name", data_names())
def test_every_set_gives_the_same_rows_again(name):
    one, two = (load_rows(name, noise=0.1, seed=4) for _ in range(2))
    assert np.array_equal(one.x, two.x) and np.array_equal(one.held_y, two.held_y)
    assert one.x.dtype == np.float32 and len(one.held_x) == pytest.approx(
        0.3 * (len(one.x) + len(one.held_x)), abs=1
    )


def test_reads_a_table_and_its_script(tmp_path):
    pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    lines = ["size,town,rent"]
    for size in rng.uniform(20, 150, 60):
        lines.append(f"{size:.1f},{rng.choice(['Ulm', 'Bonn'])},{9 * size:.0f}.5")
    file = tmp_path / "rents.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    rows = read_rows(file, "rent", seed=State().seed)
    assert rows.task == "regression" and len(rows.held_x) == 18
    state = State.from_json(
        {
            "version": 1,
            "data": {"name": "file", "file": "rents.csv", "target": "rent"},
            "loss": {"name": "MSELoss"},
        }
    )
    session = Session(state, rows)
    session.advance(10)
    assert run_script(session, tmp_path) == weights_sha256(session.network)
