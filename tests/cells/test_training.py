"""What training infers from cells: kinds, tasks, labels and errors, through every interface."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Columns, Network, TableModel, Target, mlp
from handnn.tables.cells import ADVICE, near_number
from tests.cells.cases import PAGE, cases_of
from tests.cells.doors import DOORS, TEXT

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the tests stand without the page")

TEXT_DOORS = [door for door in DOORS if door.holds("Ulm") and "Categorical" not in door.name
              and "category" not in door.name]  # fmt: skip
"""The interfaces for text; those that declare categories determine the kind themselves."""

every_text_door = pytest.mark.parametrize("door", TEXT_DOORS, ids=str)


@every_text_door
def test_texts_that_only_people_read_as_numbers_are_refused(door):
    texts = [case.cell for case in cases_of("category") if TEXT(case.cell)]
    near = [text for text in texts if near_number(text.strip())]
    assert len(near) >= 15
    for text in near:
        advice = ADVICE[near_number(text)]
        with pytest.raises(ValueError, match=advice.replace("(", r"\(").replace(")", r"\)")):
            Columns.learn(door.table([text, text, "x"]))


KINDS = {
    "number": ["1", " 2.5", "NA", "-3e2"],
    "date": ["2024-05-01", "", "2024-05-02 12:00"],
    "category": ["1", "x", "y"],
}


@every_text_door
@pytest.mark.parametrize("kind", KINDS)
def test_infers_the_kind(door, kind):
    assert Columns.learn(door.table(KINDS[kind])).columns[0].kind == kind


FEW, TYPO = ["0", "1", "2", "3+"] * 3, ["0", "1", "2", "0", "1", "2", "3+", "0"]


@every_text_door
def test_a_few_integers_and_repeated_text_are_categories(door):
    assert Columns.learn(door.table(FEW)).columns[0].kind == "category"
    for cells in (TYPO, ["0.5", "1.5", "x"] * 4, [*map(str, range(20)), "x"] * 3):
        with pytest.raises(ValueError, match="is text where other rows have numbers"):
            Columns.learn(door.table(cells))


def test_a_few_typed_integers_and_repeated_text_are_categories():
    for cells in ([0, 1, "3+"] * 2, np.array([np.int64(0), "x"] * 2, object)):
        assert Columns.learn({"a": cells}).columns[0].kind == "category"
    with pytest.raises(ValueError, match="where other rows have numbers"):
        Columns.learn({"a": [True, 2, 2, 2, "x", "x"]})


@pytest.mark.parametrize("labels", [["01", "02", "03"], ["t", "f"], ["a", "NA"], ["1.50", "2"]])
def test_predicted_labels_keep_their_spelling(labels):
    target = Target.learn(labels * 3, "multiclass", gaps=())
    assert target.classes.tolist() == sorted(labels)
    assert target.encode(labels)[:, 0].tolist() == [sorted(labels).index(x) for x in labels]


def test_long_integers_are_labels_and_categories():
    ids = [123456789012345678, 123456789012345679, 2**63 + 5]
    for given in (ids, [str(n) for n in ids], np.array(ids, np.uint64)):
        assert Target.learn(given, "multiclass").encode(ids)[:, 0].tolist() == [0, 1, 2]
        column = Columns.learn({"a": given}, kinds={"a": "category"})
        assert column.transform({"a": ids})[:, 0].tolist() == [0, 1, 2]


def test_booleans_and_0_and_1_are_the_same_categories():
    for learned in (["true", "false"], [1, 0], [True, False], ["t", "f"]):
        columns = Columns.learn({"a": learned}, kinds={"a": "category"})
        yes, no = columns.transform({"a": learned})[:, 0].tolist()
        cells = ["TRUE", True, 1, "1.0", "t", False, "0", "False"]
        found = columns.transform({"a": cells})[:, 0].tolist()
        assert found == [yes] * 5 + [no] * 3


def test_rows_as_programs_have_them():
    columns = Columns.learn({"size": [45, 60, 80], "town": ["Ulm", "Bonn", "Ulm"]})
    network = Network([*columns.first_layers(0), *mlp([columns.n_after, 4, 1], rng=0).layers])
    model = TableModel(network, columns, Target.learn([1.0, 2.0, 4.0]))
    expected = model.predict({"size": [45, 60], "town": ["Ulm", None]})
    rows = [{"size": 45, "town": "Ulm"}, {"town": None, "size": "60"}]
    assert np.array_equal(model.predict(rows), expected)
    assert np.array_equal(model.predict(rows[0]), expected[:1])
    with pytest.raises(ValueError, match="row 0 has 'town', but row 1 does not; write None"):
        model.predict([rows[0], {"size": 45}])


def test_predictions_have_the_digits_of_float64():
    x = np.linspace(-1, 1, 2000)
    target = Target.learn(1.7e9 + 100 * x)
    answers = target.decode(target.encode(1.7e9 + 100 * x).astype(np.float32))
    assert len(set(answers.tolist())) == 2000
