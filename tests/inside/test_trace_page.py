"""The page of a trace: valid, self-contained, accessible, and safe to open."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from handnn import SGD, Adam, BatchNorm, MSELoss, Network, Sigmoid, mlp, trace
from tests import every_brick

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """A parsed page; raises AssertionError if a tag is closed that is not open."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes), tuple(self.open)))
        assert len({name for name, _ in attributes}) == len(attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes), tuple(self.open)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        self.words.append((self.open[-1] if self.open else "", data))

    def of(self, tag):
        return [attributes for name, attributes, _ in self.tags if name == tag]

    def said(self, tag):
        return "".join(data for name, data in self.words if name == tag)


def shown(name="Residual", optimizer=True, count=4):
    network = every_brick.network(name)
    x, y = every_brick.rows(name, count)
    return trace(network, x, y, optimizer=Adam(0.01) if optimizer else None)


@pytest.fixture(params=["Residual", "Embedding", "own, learning", "GELU tanh"])
def page(request):
    return Page(shown(request.param).to_html())


def test_the_page_is_one_html_document_with_a_language(page):
    assert page.text.startswith("<!DOCTYPE html>\n")
    (html,) = page.of("html")
    assert html["lang"] == "en"
    assert len(page.of("title")) == 2  # one for the page, one for the picture
    assert page.of("meta")[0] == {"charset": "utf-8"}


def test_the_page_loads_no_other_files(page):
    """It has no scripts and no URLs, and its content security policy forbids loading anything."""
    tags = {tag for tag, _, _ in page.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    for _, attributes, _ in page.tags:
        assert not {"src", "srcset", "style", "data"} & set(attributes)
        assert attributes.get("href", "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import|javascript:", page.text)
    assert re.findall(r"https?://[^\"'<>\s]+", page.text) == ["http://www.w3.org/2000/svg"]
    policies = [a["content"] for a in page.of("meta") if a.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_links_have_targets_and_ids_are_unique(page):
    names = [attributes["id"] for _, attributes, _ in page.tags if "id" in attributes]
    assert len(set(names)) == len(names)
    targets = [attributes["href"].removeprefix("#") for attributes in page.of("a")]
    assert targets and set(targets) <= set(names)
    for _, attributes, _ in page.tags:
        assert set(attributes.get("aria-labelledby", "").split()) <= set(names)


def test_heading_levels_do_not_skip(page):
    levels = [int(tag[1]) for tag, _, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_array_is_a_table_with_a_caption_and_headers(page):
    tables = page.of("table")
    assert len(tables) == len(page.of("caption")) > 10
    scopes = [attributes["scope"] for attributes in page.of("th")]
    assert set(scopes) == {"col", "row"}
    numbers = [above for tag, attributes, above in page.tags if tag == "td" and not attributes]
    assert numbers and all(above[-3:] == ("table", "tbody", "tr") for above in numbers)


def test_the_picture_has_a_description(page):
    (picture,) = page.of("svg")
    assert picture["role"] == "img" and picture["aria-labelledby"]
    assert "MSELoss returns" in page.said("desc")


def test_the_page_has_all_formulas_and_numbers_of_the_text():
    step = shown()
    text, page = str(step), Page(step.to_html())
    words = " ".join(data for _, data in page.words)
    for line in text.splitlines():
        if " = " in line:
            assert line.strip() in words
    numbers = set(re.findall(r"(?<![\w.])-?\d+\.\d+(?:e-\d+)?(?![\w.])", text))
    assert len(numbers) > 100
    assert numbers <= set(re.findall(r"-?\d+\.\d+(?:e-\d+)?", words))


def test_a_prediction_has_no_backward_section():
    x, _ = every_brick.rows("ReLU")
    page = Page(trace(every_brick.network("ReLU"), x).to_html())
    assert page.said("h2") == "Forward"
    assert "gradient" not in page.said("text")
    assert Page(shown(optimizer=False).to_html()).said("h2") == "ForwardLossBackward"
    assert Page(shown().to_html()).said("h2") == "ForwardLossBackwardUpdate"


def test_names_and_docstrings_are_escaped():
    evil = "</style></section><script>alert(1)</script>&amp;\"'"
    brick = type(
        evil,
        (),
        {
            "__doc__": evil,
            "formulas": (evil, evil),
            "params": {evil: np.ones(1)},
            "grads": {evil: np.ones(1)},
            "forward": lambda self, x: x,
            "backward": lambda self, dout: dout,
        },
    )
    loss = type(evil, (MSELoss,), {"formulas": (evil, evil), "__doc__": evil, "__repr__": id_of})
    optimizer = type(evil, (), {"formulas": evil, "step": lambda self, params, grads: None})
    step = trace(Network([brick()]), np.ones((2, 1)), np.ones((2, 1)), loss(), optimizer())
    for text in (step.to_html(), step._repr_html_()):
        page = Page(text)
        assert not page.of("script")
        assert evil in page.said("h3") and evil in page.said("code") and evil in page.said("strong")


def id_of(loss):
    return type(loss).__name__


def test_two_traces_in_a_notebook_have_different_ids():
    first, second = shown(), shown("ReLU")
    whole = Page(f"<div>{first._repr_html_()}{second._repr_html_()}</div>")
    assert not whole.of("html") and not whole.of("main")
    names = [attributes["id"] for _, attributes, _ in whole.tags if "id" in attributes]
    assert len(set(names)) == len(names)
    targets = [attributes["href"].removeprefix("#") for attributes in whole.of("a")]
    assert targets and set(targets) <= set(names)
    rules = re.findall(r"^([^{}\n]+) \{", whole.said("style"), re.MULTILINE)
    rules = [rule for rule in rules if not rule.startswith("@media")]
    assert rules and all(".handnn-trace" in rule for rule in rules)


def test_colors_show_sign_and_size_and_keep_the_text_readable():
    network = Network([Sigmoid()])
    text = trace(network, [[-10.0, 5.0, 0.1, 0.0, np.nan]]).to_html()
    cells = dict(re.findall(r'<td class="(\w\d)">([^<]+)</td>', text))
    assert cells["n5"] == "-10" and cells["p2"] == "5"
    assert "<td>0.1</td>" in text and "<td>0</td>" in text and "<td>nan</td>" in text
    light, dark = text.split("td.n5 {")[0], text.split("td.n5 {")[1]
    for shades, ink in ((light, "1b1f24"), (dark, "e9edf1")):
        for color in re.findall(r"td\.[pn]\d \{ background: rgb\((\d+), (\d+), (\d+)\)", shades):
            assert contrast([int(part) for part in color], bytes.fromhex(ink)) >= 7  # WCAG: AAA


def contrast(a, b):
    """The contrast ratio of WCAG 2.2."""

    def luminance(color):
        parts = [part / 255 for part in color]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_to_html_replaces_a_file_atomically(tmp_path):
    step = trace(mlp([2, 1], rng=0), [[1, 2]], [3], optimizer=SGD(0.1))
    path = tmp_path / "step.html"
    path.write_text("before")
    assert step.to_html(path) == path.read_text(encoding="utf-8") == step.to_html()
    with pytest.raises(OSError):
        step.to_html(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_settings_are_in_headings_but_not_in_the_picture():
    network = Network([BatchNorm.new(2)])
    page = Page(trace(network, np.ones((2, 2))).to_html())
    assert page.said("text") == "2 × 2BatchNorm 2→22 × 2"
    assert "BatchNorm 2→2 momentum=0.1 eps=1e-05" in page.said("h3")
