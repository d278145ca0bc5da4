"""The words of the page in Chinese: every message of the laboratory has a translation."""

from __future__ import annotations

import ast
import itertools
import json
import re
from pathlib import Path

import pytest

import handnn
from handnn.files.errors import TableError
from handnn.inside.watching import sentence_of
from handnn.layers import BRICKS
from handnn.losses import LOSSES
from handnn.play.building import plan
from handnn.play.catalog import BRICK_SETTINGS, LOSS_SETTINGS, OPTIMIZER_SETTINGS, SCHEDULE_SETTINGS
from handnn.play.parts import PARTS
from handnn.play.rows import load_rows, read_rows
from handnn.play.state import State

WORDS = json.loads(PARTS["words-zh.json"])
PACKAGE = Path(handnn.__file__).parent
NOT_ON_THE_PAGE = ("play: ", "load_rows: ")
"""The beginnings of messages of Python functions that the page does not call."""


def pattern(key, value=".+?"):
    return re.compile(value.join(map(re.escape, key.split("{}"))), re.S)


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


TEMPLATES = sorted(
    ((key, pattern(key, "(.+?)")) for key in WORDS if "{}" in key),
    key=lambda found: -len(found[0].replace("{}", "")),
)


def told(text):
    """Translate a message as words.js does, except for spaces beside values."""
    for key, template in () if text in WORDS else TEMPLATES:
        if found := template.fullmatch(text):
            values = map(told, found.groups())
            return re.sub(r"\{\}", lambda _, values=values: next(values), WORDS[key])
    return WORDS.get(text, text)


def numbers(*odd, repeats=60):
    """Return a table of the columns a and b, numbers in a but for the last rows."""
    rows = [f"{i * 0.3:.1f};{i * i % 17 * 0.5}" for i in range(repeats)]
    return "\n".join(["a;b", *rows, *(f"{text};3.5" for text in odd)])


def repeated(*texts):
    """Return a table whose column a has nothing but these texts."""
    return "\n".join(["a;b", *(f"{texts[i % len(texts)]};{i * i % 17 * 0.5}" for i in range(60))])


TABLES = {
    "": "是空文件",
    "a,b\n": "只有表头",
    "a,b\n1,2\n3\n": "只有 1 格",
    "a,b\n1,2\n3,4,5\n": "请加引号",
    "1,2\n3,4\n": "不是列名",
    "b,b\n1,2\n": "同名",
    "a,,b\n1,2,3\n": "第 2 列（共 3 列）没有名称",
    "a,b,\n1,2,\n": "以分隔符结尾",
    "sep=;\na;b\n": "Excel",
    'a,b\n"1,2\n': "没有闭合",
    "a,b\n1,2\n3,4\n": "至少需要 10 行",
    "a,b\n1,\0\n": "NUL",
    "%PDF-1.4\n": "PDF",
    "BZh91AY": "请先解压",
    "SQLite format 3\0": "请把表导出",
    "a,c\n1,2\n": "没有要预测的 'b' 列；现有的列是 'a'、'c'",
    "a,B\n1,2\n": "是不是 'B'？",
    "a\n1\n": "它只有一列：'a'",
    "b\n1\n2\n": "没有其他列",
    numbers("foo"): "含有 'foo'（第 62 行），不是数，而其他行是数",
    numbers("foo", "bar"): "含有 'foo'（第 62 行）、'bar'（第 63 行），不是数",
    numbers(*["?!"] * 8): "（第 66 行）等（另有 3 个），不是数",
    numbers("1e200"): "超过 1e100",
    numbers("1e200", "1e201"): "超过 1e100",
    numbers(*["1e200"] * 7): "等（另有 2 个），超过 1e100",
    numbers("foo").replace("a;", "b;", 1).replace(";b", ";a", 1): "目标列 'b' 含有 'foo'",
    repeated("5"): "每一行都是同一个值 '5'",
    repeated(*(f"id{i}x" for i in range(60))): "像编号或自由文本",
    repeated(*(f"{i % 28 + 1}.1.{1900 + i}" for i in range(60))): "这样的格式",
    repeated("2020-01-01", "2020-02-01", "soon"): "不是日期，而其他行是日期",
    repeated("5%", "6"): "有的不带单位",
    repeated("5%", "$6"): "不同的单位",
    repeated("5%", "$6", "7"): "有的不带单位",
    repeated("1,5", "2,5"): "不是数",
    repeated("1.000", "2.000.000"): "请把 1,000 写成 1000",
    repeated("15‰", "16‰"): "请把 15% 写成",
    repeated("EUR 3 000", "EUR 4 000"): "请只写数字",
    repeated("(5)", "(6)"): "请把 (5) 写成 -5",
    repeated("\u22125", "\u22126"): "请用连字符",
    "\n".join(["a;c;b", *(f"{i / 2};{i / 4};{i}" for i in range(40)), "foo;bar;1"]): "；'c' 列",
    "a,b\n" + "\n".join(f"{i / 2},{i % 2}x{i}" for i in range(60)): "最多支持",
    "a,b\n" + "\n".join(f"{i / 2},2020-01-{i % 28 + 1:02}" for i in range(60)): "请改为预测天数",
}
"""Tables that cannot be learned from, and a part of the message in Chinese."""


@pytest.mark.parametrize(("table", "part"), TABLES.items(), ids=TABLES.values())
def test_a_message_about_a_table_is_wholly_in_chinese(tmp_path, monkeypatch, table, part):
    pytest.importorskip("polars")
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(table, encoding="utf-8")
    with pytest.raises(ValueError, match=r".") as caught:
        read_rows("t.csv", "b")
    error = caught.value
    made = told(error.problem if isinstance(error, TableError) else str(error))
    assert part in made
    names = {"t", "csv", "Excel", "NUL", "UTF", "PDF", "bzip", "gzip", "zip", "SQLite", "CSV", "e"}
    words = re.findall("[A-Za-z]+", re.sub("'[^']*'", "", made))
    assert set(words) <= names, made


def with_setting(part, name, setting, value):
    """Return a state in which a setting has this value."""
    entry = {"brick" if part == "bricks" else "name": name, setting: value}
    return {"version": 1, part: [entry] if part == "bricks" else entry}


SETTINGS = [
    (part, name, setting)
    for part, catalog in (
        ("optimizer", OPTIMIZER_SETTINGS), ("loss", LOSS_SETTINGS),
        ("schedule", SCHEDULE_SETTINGS), ("bricks", BRICK_SETTINGS),
    )
    for name, settings in catalog.items()
    for setting in settings
    if setting.kind != "bool"
]  # fmt: skip


@pytest.mark.parametrize(("part", "name", "setting"), SETTINGS)
def test_a_message_about_a_setting_is_wholly_in_chinese(part, name, setting):
    rows = load_rows("xor")
    values = [-1, 0, 0.5, 1, 1.5, 1e9, 1e300] if setting.kind != "choice" else ["other"]
    found = []
    for value in values:
        try:
            state = State.from_json(with_setting(part, name, setting.name, value))
            plan(state, rows).make(rows, seed=0)
        except ValueError as error:
            found.append(str(error))
    assert found
    for message in found:
        made = told(message)
        assert re.search("[\u4e00-\u9fff]", made) and ": " not in made, made
        words = set(re.findall("[A-Za-z_]+[0-9]?", re.sub("'[^']*'|[0-9]e.[0-9]+", "", made)))
        assert words <= {name, setting.name, *setting.choices}, made
