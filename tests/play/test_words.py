"""The words of the page in Chinese: every message of the laboratory has a translation."""

from __future__ import annotations

import ast
import itertools
import json
import re
from pathlib import Path

import pytest

import handnn
from handnn.inside.watching import sentence_of
from handnn.layers import BRICKS
from handnn.losses import LOSSES
from handnn.play.parts import PARTS

WORDS = json.loads(PARTS["words-zh.json"])
PACKAGE = Path(handnn.__file__).parent
NOT_ON_THE_PAGE = ("play: ", "load_rows: ")
"""The beginnings of messages of Python functions that the page does not call."""


def pattern(key):
    return re.compile(".+?".join(map(re.escape, key.split("{}"))), re.S)


PATTERNS = [pattern(key) for key in WORDS]


def examples(node):
    """Return the texts that an expression in the source may give, with 7 for each value."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(parts) for parts in itertools.product(*map(examples, node.values))]
    if isinstance(node, ast.FormattedValue):
        node = node.value
    if isinstance(node, ast.IfExp) and isinstance(node.body, ast.Constant):
        return [*examples(node.body), *examples(node.orelse)]
    return ["7"]


def messages(file):
    """Return examples of the texts that a file raises or yields."""
    for node in ast.walk(ast.parse((PACKAGE / file).read_text("utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            yield from examples(node.exc.args[0])
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.JoinedStr):
            yield from (text.removeprefix("7: ") for text in examples(node.value))


@pytest.mark.parametrize(
    "file",
    [*sorted(str(f.relative_to(PACKAGE)) for f in PACKAGE.glob("play/*.py")), "inside/warnings.py"],
)
def test_every_message_of_the_laboratory_is_translated(file):
    found = [text for text in messages(file) if not text.startswith(NOT_ON_THE_PAGE)]
    assert [text for text in found if not any(p.fullmatch(text) for p in PATTERNS)] == []


def test_every_sentence_of_a_trace_is_translated():
    parts = [*BRICKS.values(), *LOSSES]
    sentences = [f"{sentence_of(kind.__new__(kind))}." for kind in parts]
    assert [sentence for sentence in sentences if sentence not in WORDS] == []


def test_a_translation_has_no_more_values_than_its_text():
    for key, made in WORDS.items():
        assert made.count("{}") <= key.count("{}"), key
