"""Reading: what a table in a file may look like, and the word for each trap in it."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

pl = pytest.importorskip("polars")

from handnn.files.learning.problems import check_target, choose_kinds, count_facts  # noqa: E402
from handnn.files.reading.source import Dialect, open_table, whole  # noqa: E402
from handnn.files.reading.text import TableError  # noqa: E402
from handnn.files.reading.values import typed  # noqa: E402


def rows_of(path, **dialect):
    source = open_table(path, Dialect(**dialect))
    block = whole(source, source.names)
    return source.names, block.frame.rows(), block.places.tolist()


PLAIN = (["a", "b"], [("1", "x"), ("2", "y")], [2, 3])


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,x\n2,y\n",
        "a,b\n1,x\n2,y",
        "a;b\n1;x\n2;y\n",
        "a\tb\n1\tx\n2\ty\n",
        "a|b\n1|x\n2|y\n",
        "a,b\r\n1,x\r\n2,y\r\n",
        "a,b\r1,x\r2,y\r",
        " a , b\n 1,x \n2 ,\ty\n",
        '"a","b"\n"1","x"\n2,"y"\n',
        b"\xef\xbb\xbfa,b\n1,x\n2,y\n",
        "a,b\n1,x\n2,y\n".encode("utf-16"),
        "a,b\n1,x\n2,y\n".encode("utf-32"),
        gzip.compress(b"a,b\n1,x\n2,y\n"),
    ],
)
def test_the_same_table(table, content):
    assert rows_of(table(content)) == PLAIN


def test_quotes_hold_delimiters_quotes_and_line_ends(table):
    path = table('a,b\n"1,5","say ""x"""\n\n"two\nlines",5" pipe\n')
    assert rows_of(path) == (
        ["a", "b"],
        [("1,5", 'say "x"'), ("two\nlines", '5" pipe')],
        [2, 4],
    )


def test_empty_lines_are_skipped_and_lines_still_counted(table):
    assert rows_of(table("\n\na,b\n\n1,x\n\n\n2,y\n"))[2] == [5, 8]
    assert rows_of(table("a\n1\n\n2\n")) == (["a"], [("1",), ("2",)], [2, 4])


def test_gaps(table):
    path = table("a,b\n,NA\n?, null \nNaN,z\n")
    assert rows_of(path, gaps=("?",))[1] == [(None, None), (None, None), (None, "z")]


def test_an_encoding_that_is_told(table):
    path = table("a,b\n1,Köln\n".encode("windows-1252"))
    assert rows_of(path, encoding="windows-1252")[1] == [("1", "Köln")]


@pytest.mark.parametrize(("size", "quotes"), [(1, False), (7, False), (64, True), (3, True)])
def test_blocks_of_any_size_are_one_table(table, size, quotes):
    rng = np.random.default_rng(size)
    words = ["x", '"a,b"', '"c\nd"', "", "é", '"q""q"'] if quotes else ["x", "yy", "", "é"]
    lines = [",".join(rng.choice(words, 3)) + ("\n" * int(rng.integers(1, 3))) for _ in range(200)]
    path = table("a,b,c\n" + "".join(lines))
    source = open_table(path)
    blocks = list(source.blocks(size))
    everything = whole(source, source.names)
    assert len(blocks) > 3
    assert pl.concat([block.frame for block in blocks]).rows() == everything.frame.rows()
    places = np.concatenate([block.places for block in blocks])
    np.testing.assert_array_equal(places, everything.places)
    if not quotes:
        text = path.read_text("utf-8").split("\n")
        for place, row in zip(everything.places, everything.frame.rows(), strict=True):
            assert text[place - 1] == ",".join(cell or "" for cell in row)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("  \n \n", "is empty"),
        ("a,b\n", "has a header, but no rows"),
        ("a,b\n1,2\n3\n", "line 3: '3' has 1 cell, but 2 columns are named"),
        ("a,b\n1,2\n1,5,2\n", "line 3: '1,5,2' has 3 cells"),
        ('a,b\n"1",2,3\n', "line 2: '1,2,3' has 3 cells, but 2 columns are named; a comma"),
        ("a,a\n1,2\n", "line 1: columns 1 and 2 are both called 'a'"),
        ("a,,b\n1,2,3\n", "line 1: column 2 of 3 has no name"),
        (",a\n0,1\n", "is it pandas' index?"),
        ("a,b,\n1,2,\n", "does the line end with a delimiter?"),
        ("1,2\n3,4\n", "'1, 2' are numbers, not names"),
        ("sep=;\na;b\n1;2\n", "is Excel's; delete this line"),
        ("a,b\n1,2\0\n", "line 2: there is a NUL character"),
        ("a,b\n1,2\n".encode("utf-16-le"), "--encoding utf-16-le"),
        (b"a,b\n1,2\n1,K\xf6ln\n", "line 3: byte 0xf6 at '1,Köln' is no UTF-8; say --encoding"),
        ('a,b\n1,2\n"3,4\n5,6\n', "line 3: a quote is opened and never closed"),
        ('a,b\n"1"2,3\n', "line 2: ',' expected after '\"'"),
        ("a,b\n1," + "x" * 200_000, "line 2: a cell has 200,000 characters"),
        ('a,b\n1,"' + "x" * 200_000, "line 2: a cell has more than 131,072 characters"),
        (gzip.compress(b"a,b\n1,2\n" * 9)[:-9], "is a damaged gzip file"),
        (b"PK\x03\x04rest", "a zip archive, perhaps of Excel"),
        (b"PAR1rest", "is no Parquet file that can be read"),
    ],
)
def test_a_trap_and_its_word(table, content, words):
    path = table(content)
    with pytest.raises(TableError) as caught:
        rows_of(path)
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("given", [{"encoding": "nope"}, {"encoding": "hex"}, {"delimiter": "ab"}])
def test_a_dialect_that_is_none(table, given):
    with pytest.raises(TableError, match="nope|hex|ab"):
        rows_of(table("a,b\n1,2\n"), **given)


def kinds_of(path, target=None, task="auto", categories=(), drop_gaps=False, **dialect):
    source = open_table(path, Dialect(**dialect))
    facts = count_facts(source, source.names, categories)
    if target is not None:
        return check_target(facts[target], source, task, drop_gaps)
    return choose_kinds(facts, source)


def column(*cells, name="a"):
    return f"{name},z\n" + "".join(f"{cell},{row}\n" for row, cell in enumerate(cells))


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "", "-3e2"], "number"),
        (["x", "y", "x", ""], "category"),
        (["1", "x", "y", "x"], "category"),
        (["true", "false", "true"], "category"),
        (["007", "010", "007"], "number"),
    ],
)
def test_what_a_column_is(table, cells, kind):
    assert kinds_of(table(column(*cells)))["a"] == kind


def test_numbers_that_are_called_categories(table):
    assert kinds_of(table(column("1", "2", "1")), categories=["a"])["a"] == "category"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["", "", "NA"], "column 'a' has no value in any row; --ignore a leaves it out"),
        (["5", "5", "5"], "column 'a' has the same value '5' in every row; --ignore a"),
        (["x", "x", "x"], "column 'a' has the same value 'x' in every row; --ignore a"),
        (["1", "2", "?", "3", "?"], "has '?' in line 4, '?' in line 6, which are no number"),
        (["1", "2", "?", "3"], "if that stands for a gap, say --gap '?'"),
        (["1", "2", "inf", "3"], "has 'inf' in line 4, which is no number up to 1e100"),
        (["1", "2", "1e999", "3"], "has '1e999' in line 4, which is no number up to 1e100"),
        (['"1,5"', '"2,5"', '"3,5"'], "--decimal , reads a comma as the decimal point"),
        (['"1.234,5"', '"2,5"', '"3,5"'], "but take the points between thousands out"),
        (['"1,234"', '"2,000"', '"3,500,000"'], "take the commas out if they divide thousands"),
        (['"1,234"', '"0,500"', '"3,500"'], "--decimal , reads"),
        ([f"id{k}" for k in range(30)], "30 different texts in 30 rows, such as 'id0': an ident"),
    ],
)
def test_columns_that_cannot_be_learnt_from(table, cells, words):
    with pytest.raises(TableError) as caught:
        kinds_of(table(column(*cells)))
    assert words in str(caught.value)


def test_all_columns_are_told_at_once(table):
    content = "a,b,c,d\n" + "".join(f"1,,{k},{'x' if k == 3 else k}\n" for k in range(9))
    with pytest.raises(TableError) as caught:
        kinds_of(table(content))
    for words in ("column 'a' has the same", "column 'b' has no value", "column 'd' has 'x' in"):
        assert words in str(caught.value)
    assert "--ignore 'a,b' leaves them out" in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "task", "words"),
    [
        (["1", "", "", "4"], "auto", "has no value in 2 rows, the first in line 3; --drop-gaps"),
        (["", "", ""], "auto", "has no value in any row"),
        (["7", "7", "7"], "auto", "has the same value '7' in every row"),
        (["x", "x", "x"], "auto", "has the same value 'x' in every row"),
        (["1", "2", "x", "3"], "auto", "has 'x' in line 4, which is no number"),
        (["x", "y", "x"], "regression", "has 'x' in line 2, 'y' in line 3, 'x' in line 4"),
        (["1", "inf", "2"], "auto", "'inf' in line 3, which is no number up to 1e100"),
    ],
)
def test_targets_that_are_none(table, cells, task, words):
    with pytest.raises(TableError) as caught:
        kinds_of(table(column(*cells)), target="a", task=task)
    assert "target 'a'" in str(caught.value)
    assert words in str(caught.value)


def test_decimal_commas_are_read_when_told(table):
    path = table("a;z\n1,5;1\n-2,25;2\n1e1;3\n")
    source = open_table(path, Dialect(decimal=","))
    frame = typed(whole(source, ["a"]), {"a": "number"}, source)
    assert frame["a"].to_list() == [1.5, -2.25, 10.0]
    with pytest.raises(TableError, match=r"'1.5' in line 4.*must not have a point"):
        kinds_of(table("a;z\n1,5;1\n2;2\n1.5;3\n"), decimal=",")


def test_every_bad_cell_has_column_line_and_value(table):
    source = open_table(table("a,b\n1,2\nx,3\n4,y\n"))
    with pytest.raises(TableError) as caught:
        typed(whole(source, ["a", "b"]), {"a": "number", "b": "number"}, source)
    assert "line 3, column 'a': 'x' is no number; line 4, column 'b': 'y'" in str(caught.value)


def test_parquet_has_the_same_values_and_keeps_its_types(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame(
        {
            "whole": [1, None, 3],
            "real": [1.5, float("nan"), 2.5],
            "text": ["1", "2", None],
            "flag": [True, False, None],
            "kind": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
        }
    )
    frame.write_parquet(path)
    source = open_table(path)
    facts = count_facts(source, source.names)
    assert [fact.n_gaps for fact in facts.values()] == [1, 1, 1, 1, 0]
    assert choose_kinds(facts, source) == {
        "whole": "number", "real": "number", "text": "category", "flag": "category",
        "kind": "category",
    }  # fmt: skip
    got = typed(whole(source, source.names), choose_kinds(facts, source), source)
    assert got.rows() == [
        (1.0, 1.5, "1", "true", "u"), (None, None, "2", "false", "v"), (3.0, 2.5, None, None, "u"),
    ]  # fmt: skip
    with pytest.raises(TableError, match=r"row 1, column 'text': '1' is no number"):
        typed(whole(source, source.names), {"text": "number"}, source)


def test_parquet_refuses_dates_by_name(tmp_path):
    from datetime import date

    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [1, 2], "day": [date(2024, 1, 1)] * 2}).write_parquet(path)
    with pytest.raises(TableError, match="column 'day' holds Date"):
        open_table(path)
