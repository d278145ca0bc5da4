"""The lessons of the laboratory: they agree with their pages, and their claims are true."""

from __future__ import annotations

import html
import importlib.util
import json
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from handnn.play.frames import _measured, _scores
from handnn.play.parts import PARTS
from handnn.play.rows import load_rows
from handnn.play.session import Session
from handnn.play.state import State
from handnn.play.units import unit_facts

PAGE = resources.files("handnn.play") / "page"
LESSONS = {one["name"]: one for one in json.loads((PAGE / "lessons.json").read_text("utf-8"))}


def start(name, **changes):
    """Return the session that a lesson sets, with other parts of the state."""
    state = State.from_json({**LESSONS[name]["state"], **changes})
    data = state.data
    rows = load_rows(data.name, noise=data.noise, held_out=data.held_out, seed=state.seed)
    session = Session(state, rows)
    session.advance(0)
    return session


def shown(session):
    """Return training loss, held-out loss, training score and held-out score as numbers."""
    parts = session.network, session.loss, session.rows
    return [*_measured(*parts), *_scores(*parts)["values"]]


def gradients(session, place, unit):
    class Player:
        def read(self, look):
            look(session, None)

    return {e["label"]: e["gradient"] for e in unit_facts(Player(), place, unit)["entries"]}


def test_the_lessons_agree_with_their_pages():
    tool = Path(__file__).parents[2] / "tools/write_lessons.py"
    spec = importlib.util.spec_from_file_location("write_lessons", tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.LESSONS.read_text("utf-8")
    assert module.written(module.lessons()) == text, "run python tools/write_lessons.py"


@pytest.mark.parametrize("name", LESSONS)
def test_both_languages_have_the_same_tasks_formulas_and_numbers(name):
    en, zh = LESSONS[name]["en"], LESSONS[name]["zh"]
    assert len(en["text"]) == len(zh["text"])
    formulas = [[p for p in one["text"] if re.fullmatch("`[^`]+`", p)] for one in (en, zh)]
    assert formulas[0] == formulas[1]
    assert len(en["tasks"]) == len(zh["tasks"]) == 3
    for task, translated in zip(en["tasks"], zh["tasks"], strict=True):
        numbers = [re.findall(r"\d+\.\d+", one["see"]) for one in (task, translated)]
        assert sorted(numbers[0]) == sorted(numbers[1])


@pytest.mark.parametrize("name", LESSONS)
def test_quoted_labels_are_those_of_the_page(name):
    """The labels that a lesson quotes in **bold**, except bricks, are on the page."""
    words = json.loads((PAGE / "words-zh.json").read_text("utf-8"))
    page = PARTS["index.html"].decode()
    for language, labels in (("en", set(words)), ("zh", set(words.values()))):
        quoted = re.findall(
            r"\*\*(.*?)\*\*", json.dumps(LESSONS[name][language]["tasks"], ensure_ascii=False)
        )
        for label in quoted:
            assert "Affine" in label or label == "×" or label in labels, label
    for label in set(
        re.findall(r"\*\*(.*?)\*\*", json.dumps(LESSONS[name]["en"], ensure_ascii=False))
    ):
        assert "Affine" in label or label == "×" or f">{label}" in page, label


@pytest.mark.parametrize("name", ["index.html", "recorded.html"])
def test_every_fixed_text_of_the_page_is_translated(name):
    words = json.loads((PAGE / "words-zh.json").read_text("utf-8"))
    body = re.sub("<code.*?</code>", "<code></code>", PARTS[name].decode().partition("<title")[2])
    texts = re.findall(r">([^<>]+)<", body) + re.findall(r'(?:aria-label|title)="([^"]+)"', body)
    found = {re.sub(r"\s+", " ", html.unescape(text)).strip() for text in texts}
    assert {t for t in found if re.search("[A-Za-z]{2}", t)} - {*words} == {"English", "handnn"}


def test_neuron():
    session = start("neuron")
    assert round(shown(session)[3], 3) == 0.487
    session.edit("0.w", (1, 0), 1)
    assert shown(session)[3] == 0
    session.edit("0.b", (0,), 2)
    assert round(shown(session)[3], 3) == 0.527
    session = start("neuron")
    session.advance(1000)
    before = session.network.params["0.w"].copy()
    assert (before > 0).all() and shown(session)[3] == 0
    session.advance(2000)
    assert (session.network.params["0.w"] > before).all()


def test_affine():
    for units in (4, 64):
        session = start("affine", bricks=[{"brick": "Affine", "units": units}])
        session.advance(2000)
        assert abs(shown(session)[2] - 0.18) < 0.01
    session = start("affine", bricks=[{"brick": "Affine", "units": 64}, {"brick": "Tanh"}])
    session.advance(2000)
    assert abs(shown(session)[2] - 0.8) < 0.01
    session.advance(10_000)
    assert shown(session)[2] > 0.98


def test_activation():
    bricks = LESSONS["activation"]["state"]["bricks"]
    relu, sigmoid, none = (
        start("activation", bricks=[bricks[0], *others])
        for others in ([bricks[1]], [{"brick": "Sigmoid"}], [])
    )
    for session in (relu, sigmoid, none):
        session.advance(1000)
    assert shown(relu)[0] < 0.01 and shown(relu)[3] == 0
    assert round(shown(sigmoid)[0], 2) == 0.11
    assert abs(shown(none)[0] - np.log(2)) < 0.005 and shown(none)[2] > 0.3


def test_loss():
    session = start("loss")
    found = []
    for w, b in [(0, 0), (0, 1), (0, 2), (-0.5, 0), (-1, 0)]:
        session.edit("0.w", (0, 0), w)
        session.edit("0.b", (0,), b)
        found.append(float(f"{shown(session)[0]:.4g}"))
    assert found == [0.538, 1.554, 4.57, 0.4402, 0.5107]
    session.advance(1000)
    assert round(float(session.network.params["0.w"][0, 0]), 3) == -0.541
    assert round(shown(session)[0], 4) == 0.4396


def test_backward():
    session = start("backward")
    assert round(shown(session)[0], 4) == 0.7659
    assert round(gradients(session, 2, 0)["w[0, 0]"], 4) == -0.0884
    last = max(abs(value) for name, value in gradients(session, 2, 0).items() if name[0] == "w")
    first = [abs(v) for at in range(4) for n, v in gradients(session, 0, at).items() if n[0] == "w"]
    assert round(last, 3) == 0.098 and round(max(first), 3) == 0.006
    session.edit("2.w", (0, 0), -0.345)
    assert round(shown(session)[0], 4) == 0.7573
    session.edit("2.w", (0, 0), 0)
    assert list(gradients(session, 0, 0).values()) == [0, 0, 0]


def test_descent():
    session = start("descent")
    losses = []
    for step in range(6):
        session.advance(step)
        losses.append(shown(session)[0])
    changes = np.diff(losses)
    assert changes.min() < 0 < changes.max() and abs(changes).max() < 0.01
    session.advance(220)
    assert round(shown(session)[3], 2) == 0.36
    session.advance(1000)
    assert round(shown(session)[0], 1) == 0.1 and shown(session)[3] == 0

    short, long, heavy = (
        start("descent", optimizer={"name": "SGD", "lr": lr, "momentum": momentum})
        for lr, momentum in [(0.001, 0), (10, 0), (0.1, 0.9)]
    )
    short.advance(2000)
    assert shown(short)[0] > 0.68
    for step in range(500, 2001, 500):
        long.advance(step)
        assert shown(long)[0] > 0.69 and abs(shown(long)[3] - 0.5) < 0.03
    heavy.advance(220)
    assert shown(heavy)[3] == 0


def test_overfitting():
    plain = start("overfitting")
    assert sum(array.size for array in plain.network.params.values()) == 1185
    plain.advance(300)
    assert round(shown(plain)[1], 2) == 0.18
    plain.advance(3000)
    assert shown(plain)[0] < 0.001 and shown(plain)[1] > 0.3
    assert shown(plain)[2] == 0 and round(shown(plain)[3], 2) == 0.05

    decayed = start("overfitting", optimizer={"name": "AdamW", "lr": 0.01, "weight_decay": 0.3})
    found = []
    for step in range(1000, 3001, 200):
        decayed.advance(step)
        found.append(shown(decayed)[:2])
    train, held = np.median(found, axis=0)
    assert round(train, 2) == 0.05 and abs(held - 0.18) < 0.02

    data = LESSONS["overfitting"]["state"]["data"]
    more = start("overfitting", data={**data, "held_out": 0.1})
    more.advance(3000)
    assert max(np.abs(np.subtract(shown(more)[:2], 0.05))) < 0.01
