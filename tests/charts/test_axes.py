"""Axes, curves and bars: well-formed SVG with readable scales."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from handnn.charts import Axes, bars, curves, number


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter("text")]


def test_ticks_are_round_numbers():
    shown = texts(Axes((0, 10), (0, 0.5), ("a", "b")).svg("described"))
    assert shown == [
        "0",
        "2",
        "4",
        "6",
        "8",
        "10",
        "0",
        "0.1",
        "0.2",
        "0.3",
        "0.4",
        "0.5",
        "a",
        "b",
    ]


def test_ticks_of_counts_are_integers():
    shown = texts(Axes((1, 2), (0, 1), ("epoch", "loss"), counts=True).svg(""))
    assert shown[:2] == ["1", "2"]


def test_ticks_of_a_logarithmic_scale():
    shown = texts(Axes((0, 1), (0.01, 100), ("a", "b"), is_log=True).svg(""))
    assert [text for text in shown[6:] if text not in "ab"] == ["0.01", "0.1", "1", "10", "100"]


@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
def test_a_range_of_one_value_is_widened(value):
    x, y = Axes((0, 1), (value, value), ("a", "b")).at(0, value)
    assert x == 92 and 14 < y < 276


def test_the_text_alternative_is_escaped():
    root = ElementTree.fromstring(Axes((0, 1), (0, 1), ("<a>", "b")).svg('"x" < y'))
    assert root.get("role") == "img" and root.get("aria-label") == '"x" < y'
    assert "<a>" in [text.text for text in root.iter("text")]


def test_curves_have_a_color_for_each_group():
    svg = curves({"one": [[3.0, 2.0], [2.0, 1.0]], "two": [[4.0, 3.0]]}, ("epoch", "loss"), "")
    lines = [line.get("stroke") for line in ElementTree.fromstring(svg).iter("polyline")]
    assert lines[0] == lines[1] != lines[2]
    assert [span.text for span in ElementTree.fromstring(svg).iter("tspan")] == ["one", "two"]


def test_curves_without_a_positive_value_are_empty():
    assert curves({"one": [[0.0, -1.0]]}, ("epoch", "loss"), "") == ""


def test_bars_are_as_long_as_their_values():
    root = ElementTree.fromstring(bars({"a": 1.0, "b": 2.0, "c": -1.0}, ""))
    widths = [float(rect.get("width")) for rect in root.iter("rect")]
    assert widths[1] == 2 * widths[0] > 0 == widths[2]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0123456, "0.01235"), (1234, "1,234"), (12345.6, "12,346"), (1e-5, "1e-05")],
)
def test_number(value, shown):
    assert number(value) == shown
