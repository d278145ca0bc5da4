"""Models of `handnn train` whose notes or columns are hostile: a result or an error of one line."""

from __future__ import annotations

import json

import pytest

from tests.files.tables import as_csv, flats
from tests.storage.files import header_and_data, write

pytest.importorskip("polars")


def deep(n):
    value = []
    for _ in range(n):
        value = [value]
    return value


def score(value):
    def change(description):
        story = description["file"]["story"]
        story["scores"] = dict.fromkeys(story["scores"], value)

    return change


def note(key, value):
    def change(description):
        description["file"]["story"][key] = value

    return change


def named(value):
    def change(description):
        description["file"]["target"] = value

    return change


CHANGES = {
    "a note of NaN": note("x", float("nan")),
    "a note of infinity": note("x", [float("inf")]),
    "a deep note": note("x", deep(400)),
    "a note that is not Unicode": note("\ud800", "\udfff"),
    "notes with the names of others": note("target", 1),
    "decisions that are a number": note("decisions", 5),
    "rows that are a list": note("rows", [1]),
    "scores that are strings": score("x"),
    "scores that are null": score(None),
    "scores that are lists": score([1]),
    "scores beyond float64": score(10**400),
    "scores that are a string": note("scores", "x"),
    "baselines that are a list": note("baselines", [1]),
    "a verdict that is a number": note("verdict", 7),
    "a target that is not Unicode": named("\ud800"),
    "a target with a null character": named("a\0b"),
    "a target that is a column": named("area"),
    "a target with an escape": named("\x1b[31m"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from handnn.cli import main

    folder = tmp_path_factory.mktemp("story")
    (folder / "t.csv").write_text(as_csv(flats()), "utf-8")
    quick = ["--epochs", "1", "--networks", "1", "--hidden", "4", "--quiet"]
    path = str(folder / "m")
    assert main(["train", str(folder / "t.csv"), "--target", "price", *quick, "--out", path]) == 0
    return folder


@pytest.mark.parametrize("change", CHANGES)
def test_commands_on_a_hostile_model(handnn_command, trained, tmp_path, change):
    header, data = header_and_data(trained / "m")
    description = json.loads(header["__metadata__"]["handnn"])
    CHANGES[change](description)
    header["__metadata__"]["handnn"] = json.dumps(description)
    path, table = tmp_path / "m", trained / "t.csv"
    write(path, header, data)
    for command in (
        ["inspect", path],
        ["inspect", path, "--json"],
        ["predict", path, table],
        ["evaluate", path, table],
        ["evaluate", path, table, "--json"],
        ["export", path, "--to", "c", "--out", tmp_path / "m.c"],
    ):
        done = handnn_command(*command)
        assert done.code in (0, 1)
        assert "\x1b" not in done.out + done.err
        if done.code:
            assert done.err.startswith("handnn: ") and done.err.count("\n") == 1
        elif command[-1] == "--json":
            json.loads(done.out, parse_constant=pytest.fail)
