"""The HTML report has all its sections, loads nothing, and escapes the text of the data."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from handnn.files.report.report_page import _without_folders
from tests.files.tables import as_csv, flats

pl = pytest.importorskip("polars")

VOID = {"meta", "rect", "line", "path", "polyline"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def report(handnn_command, table, tmp_path):
    """Trains a model, and returns its report."""

    def run(columns, target, *options):
        page = tmp_path / "report.html"
        arguments = ["--epochs", 3, "--networks", 2, "--hidden", 8, "--out", tmp_path / "m"]
        data = table(as_csv(columns), "the data.csv")
        result = handnn_command(
            "train", data, "--target", target, *arguments, "--report", page, *options
        )
        assert result.code == 0, result.err
        return page.read_text("utf-8")

    return run


def yes_or_no(count=150):
    columns = flats(count)
    columns["is_large"] = [int(price > 1000) for price in columns.pop("price")]
    return columns


@pytest.mark.parametrize(
    ("columns", "target", "parts"),
    [
        (
            flats(),
            "price",
            ["the mean", "rmse", "On the line, the prediction is exact", "Residuals"],
        ),
        (
            flats(),
            "town",
            ["balanced_accuracy", "ROC curve", "Köln", "recall", "precision", "Calibration"],
        ),
        (
            yes_or_no(),
            "is_large",
            ["auc", "Held-out rows by actual class", "ROC curve", "Calibration"],
        ),
    ],
)
@pytest.mark.parametrize("stream", [(), ("--stream",)])
def test_has_all_sections(report, columns, target, parts, stream):
    text = report(columns, target, *stream)
    page = Page(text)
    words = " ".join(page.words)
    for part in (
        "Scores", "Learning curves", "Predicted and actual values", "Column importance",
        "Worst predictions", "How to reproduce", "Partial dependence", "least squares",
        "this model",
        "SHA-256", f"--target {target}", *parts,
    ):  # fmt: skip
        assert part in words, part
    assert "'the data.csv'" not in words.split("How to")[0]  # quoted for the shell, not in HTML
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) >= 6
    assert all(one["role"] == "img" and one["aria-label"] for one in pictures)
    assert "nan" not in re.findall(r"[a-z]+", " ".join(re.findall(r'points="[^"]*"', text)))


def test_the_verdict_is_first_and_paths_are_omitted(report, tmp_path):
    text = report(flats(), "price")
    words = [word.strip() for word in Page(text).words]
    assert re.search(r"</h1>\n<p class=\"verdict\">This model is (not )?(clearly )?better", text)
    assert str(tmp_path) not in text and any("'the data.csv'" in word for word in words)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("handnn train '/data/a b/c d.csv' --out /data/x/m", "handnn train 'c d.csv' --out m"),
        (
            "train_file('/data/x.csv', 'y', delimiter='/')",
            "train_file('x.csv', 'y', delimiter='/')",
        ),
        (r"train 'C:\data\x.csv' --report=/a/b.html", "train 'x.csv' --report=b.html"),
        ("train data/x.csv --format %d/%m/%Y", "train data/x.csv --format %d/%m/%Y"),
    ],
)
def test_absolute_paths_are_names_of_files(command, shown):
    assert _without_folders(command) == shown


def test_every_class_has_a_roc_curve(report):
    columns = flats(200)
    columns["kind"] = [f"kind {k % 9}" for k in range(200)]
    assert set(re.findall(r"ROC curve of (kind \d)", report(columns, "kind"))) == {
        f"kind {k}" for k in range(9)
    }


def test_loads_no_other_files(report):
    text = report(flats(), "price")
    page = Page(text)
    assert not re.search(r"https?://|@import|url\(|<script|<link|<img", text)
    assert not [a for _, a in page.tags if {"src", "href"} & set(a)]
    (policy,) = [a["content"] for t, a in page.tags if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'")


def test_escapes_the_text_of_the_data(report):
    columns = flats()
    columns['<b>"area"&'.replace('"', "")] = columns.pop("area")
    columns["town"] = ["<script>1</script>" if town == "Ulm" else town for town in columns["town"]]
    text = report(columns, "town")
    assert "<script" not in text and "<b>" not in text
    assert "&lt;script&gt;1&lt;/script&gt;" in text and "&lt;b&gt;area&amp;" in text


def test_worst_rows_name_their_lines(report):
    columns = flats(300)
    columns["price"] = [float(1_000 + 7 * row) for row in range(300)]
    text = report(columns, "price")
    rows = re.findall(r'<tr><th scope="row">(\d+)</th><td>([\d,]+)</td>', text)
    assert len(rows) == 10
    for line, price in rows:
        assert float(price.replace(",", "")) == columns["price"][int(line) - 2]


def test_the_decisive_column_is_the_most_important(report):
    columns = flats(400)
    columns["noise"] = [(k * 7919) % 101 for k in range(400)]
    text = report(columns, "price", "--epochs", 60)
    names = re.findall(r'text-anchor="end">([a-z]+)</text><rect', text)
    assert names[0] == "area" and set(names) == {"area", "floor", "town", "noise"}
