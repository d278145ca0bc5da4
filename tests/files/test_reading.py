"""Read tables in every supported format, and reject malformed ones with a helpful message."""

from __future__ import annotations

import gzip
from datetime import date

import numpy as np
import pytest

pl = pytest.importorskip("polars")

from handnn.files import TableError  # noqa: E402
from handnn.files.learning.collecting import collect_facts  # noqa: E402
from handnn.files.learning.problems import check_target, choose_kinds  # noqa: E402
from handnn.files.learning.settings import TrainingSettings  # noqa: E402
from handnn.files.reading.dialect import Dialect  # noqa: E402
from handnn.files.reading.source import joined, open_table  # noqa: E402
from handnn.files.reading.values import typed  # noqa: E402


def whole(source):
    return joined(source.blocks(), dict.fromkeys(source.names, "category"), source)


def rows_of(path, **dialect):
    with open_table(path, Dialect(**dialect)) as source:
        block = whole(source)
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
        " a , b\n1,x\n2,y\n",
        '"a","b"\n"1","x"\n2,"y"\n',
        b"\xef\xbb\xbfa,b\n1,x\n2,y\n",
        "a,b\n1,x\n2,y\n".encode("utf-16"),
        "a,b\n1,x\n2,y\n".encode("utf-32"),
        gzip.compress(b"a,b\n1,x\n2,y\n", mtime=0),
    ],
)
def test_reads_every_format(table, content):
    assert rows_of(table(content)) == PLAIN


def test_quotes_protect_delimiters_quotes_and_line_ends(table):
    path = table('a,b\n"1,5","say ""x"""\n\n"two\nlines",5" pipe\n')
    assert rows_of(path) == (
        ["a", "b"],
        [("1,5", 'say "x"'), ("two\nlines", '5" pipe')],
        [2, 4],
    )


def test_skips_empty_lines_but_counts_them(table):
    assert rows_of(table("\n\na,b\n\n1,x\n\n\n2,y\n"))[2] == [5, 8]
    assert rows_of(table("a\n1\n\n2\n")) == (["a"], [("1",), ("2",)], [2, 4])


def test_cells_are_unchanged(table):
    path = table('a,b\n 1,NA\n"", null \nNaN,"z "\n')
    assert rows_of(path)[1] == [(" 1", "NA"), (None, " null "), ("NaN", "z ")]


def test_gap_words_and_spaces(table):
    path = table("a,b\n,NA\n?, null \nNaN, z\n")
    with open_table(path, Dialect(gaps=("?",))) as source:
        frame = whole(source).frame
        assert [source.cells(frame[name]).missing.to_list() for name in "ab"] == [
            [True, True, True], [True, True, False],
        ]  # fmt: skip
        assert source.cells(frame["b"]).cells.texts.to_list() == [None, None, "z"]
    with open_table(path, Dialect(default_gaps=False)) as source:
        column = whole(source).frame["b"]
        assert source.cells(column).cells.texts.to_list() == ["NA", "null", "z"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_gaps_that_are_numbers_mark_equal_numbers(table, tmp_path, form):
    path = table("a\n-999\n-999.0\n1\n")
    if form == "parquet":
        path = tmp_path / "t.parquet"
        pl.DataFrame({"a": [-999.0, -999.0, 1.0]}).write_parquet(path)
    with open_table(path, Dialect(gaps=("-999",))) as source:
        cells = source.cells(whole(source).frame["a"])
        assert cells.missing.to_list() == [True, True, False]
        assert cells.numbers.to_list() == [None, None, 1.0]


def test_reads_a_given_encoding(table):
    path = table("a,b\n1,Köln\n".encode("windows-1252"))
    assert rows_of(path, encoding="windows-1252")[1] == [("1", "Köln")]


@pytest.mark.parametrize(("size", "quotes"), [(1, False), (7, False), (64, True), (3, True)])
def test_blocks_of_any_size_make_the_same_table(table, size, quotes):
    rng = np.random.default_rng(size)
    words = ["x", '"a,b"', '"c\nd"', "", "é", '"q""q"'] if quotes else ["x", "yy", "", "é"]
    lines = [",".join(rng.choice(words, 3)) + ("\n" * int(rng.integers(1, 3))) for _ in range(200)]
    path = table("a,b,c\n" + "".join(lines))
    with open_table(path) as source:
        blocks = list(source.blocks(size))
        everything = whole(source)
    assert len(blocks) > 3
    assert pl.concat([block.frame for block in blocks]).rows() == everything.frame.rows()
    places = np.concatenate([block.places for block in blocks])
    np.testing.assert_array_equal(places, everything.places)
    if not quotes:
        text = path.read_text("utf-8").split("\n")
        for place, row in zip(everything.places, everything.frame.rows(), strict=True):
            assert text[place - 1] == ",".join(cell or "" for cell in row)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("  \n \n", "is empty"),
        ("a,b\n", "has a header but no rows"),
        ("a,b\n1,2\n3\n", "line 3: '3' has 1 cell, but the header has 2 columns"),
        ("a,b\n1,2\n1,5,2\n", "line 3: '1,5,2' has 3 cells"),
        (
            'a,b\n"1",2,3\n',
            "line 2: '1,2,3' has 3 cells, but the header has 2 columns; quote cells",
        ),
        ("a,a\n1,2\n", "line 1: columns 1 and 2 are both called 'a'"),
        ("a,,b\n1,2,3\n", "line 1: column 2 of 3 has no name"),
        ("a,b,\n1,2,\n", "does the line end with a delimiter?"),
        ("1,2\n3,4\n", "'1, 2' are numbers, not names"),
        ("sep=;\na;b\n1;2\n", "is a directive for Excel; delete this line"),
        ("a,b\n1,2\0\n", "line 2: NUL character"),
        ("a,b\n1,2\n".encode("utf-16-le"), "encoding='utf-16-le'"),
        (
            b"a,b\n1,2\n1,K\xf6ln\n",
            "line 3: byte 0xf6 at '1,Köln' is not UTF-8; specify the encoding",
        ),
        ('a,b\n1,2\n"3,4\n5,6\n', "line 3: a quote is opened and never closed"),
        ('a,b\n"1"2,3\n', "line 2: ',' expected after '\"'"),
        ("a,b\n1," + "x" * 200_000, "line 2: a cell has 200,000 characters"),
        ('a,b\n1,"' + "x" * 200_000, "line 2: a cell has more than 131,072 characters"),
        (gzip.compress(b"a,b\n1,2\n" * 9, mtime=0)[:-9], "is a damaged gzip file"),
        (b"PK\x03\x04rest", "a zip archive, perhaps an Excel file"),
        (b"PAR1rest", "is not a Parquet file that can be read"),
    ],
)
def test_rejects_malformed_files(table, content, message):
    path = table(content)
    with pytest.raises(TableError) as caught:
        rows_of(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("given", [{"encoding": "nope"}, {"encoding": "hex"}, {"delimiter": "ab"}])
def test_rejects_invalid_dialects(table, given):
    with pytest.raises(TableError, match="nope|hex|ab"):
        rows_of(table("a,b\n1,2\n"), **given)


def kinds_of(path, target=None, task="auto", categories=(), drop_gaps=False, **dialect):
    with open_table(path, Dialect(**dialect)) as source:
        settings = TrainingSettings((target or "z",), categories=tuple(categories))
        facts = collect_facts(source, source.blocks(), source.names, settings)
        if target is not None:
            return check_target(facts[target], source, task, drop_gaps, is_strict=True)
        return choose_kinds(facts, source, ("z",), is_strict=True).kinds


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
def test_detects_the_kind_of_a_column(table, cells, kind):
    assert kinds_of(table(column(*cells)))["a"] == kind


def test_treats_numbers_as_categories_on_request(table):
    assert kinds_of(table(column("1", "2", "1")), categories=["a"])["a"] == "category"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["", "", "NA"], "column 'a' has no value in any row; use ignore=['a'] to leave it out"),
        (["5", "5", "5"], "column 'a' has the same value '5' in every row; use ignore=['a']"),
        (["x", "x", "x"], "column 'a' has the same value 'x' in every row; use ignore=['a']"),
        (["1", "2", "?", "3", "?"], "has '?' in line 4, '?' in line 6, which are not numbers"),
        (["1", "2", "?", "3"], "if it marks a missing value, use gaps=['?']"),
        (["1", "2", "inf", "3"], "has 'inf' in line 4, which is not a number"),
        (["1", "2", "1e999", "3"], "has '1e999' in line 4, which is beyond 1e100"),
        (['"1,5"', '"2,5"', '"3,5"'], "use decimal=',' if the comma is the decimal point"),
        (['"1.234,5"', '"2,5"', '"3,5"'], "remove the points between thousands; use decimal=','"),
        (['"1,234"', '"2,000"', '"3,500,000"'], "remove the commas if they separate thousands"),
        (['"1,234"', '"0,500"', '"3,500"'], "use decimal=',' if"),
        (
            [f"id{k}" for k in range(30)],
            "30 distinct strings in 30 rows, such as 'id0', like an ident",
        ),
    ],
)
def test_rejects_columns_that_cannot_be_learned_from(table, cells, message):
    with pytest.raises(TableError) as caught:
        kinds_of(table(column(*cells)))
    assert message in str(caught.value)


def test_one_error_names_all_columns(table):
    content = "a,b,c,d\n" + "".join(f"1,,{k},{'x' if k == 3 else k}\n" for k in range(9))
    with pytest.raises(TableError) as caught:
        kinds_of(table(content))
    for problem in ("column 'a' has the same", "column 'b' has no value", "column 'd' has 'x'"):
        assert problem in str(caught.value)
    assert "use ignore=['a', 'b'] to leave them out" in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "task", "message"),
    [
        (
            ["1", "", "", "4"],
            "auto",
            "has no value in 2 rows, the first in line 3; use drop_gaps=True",
        ),
        (["", "", ""], "auto", "has no value in any row"),
        (["7", "7", "7"], "auto", "has the same value '7' in every row"),
        (["x", "x", "x"], "auto", "has the same value 'x' in every row"),
        (["1", "2", "x", "3"], "auto", "has 'x' in line 4, which is not a number"),
        (["x", "y", "x"], "regression", "has 'x' in line 2, 'y' in line 3, 'x' in line 4"),
        (["1", "inf", "2"], "auto", "'inf' in line 3, which is not a number"),
        (["1", "1e101", "2"], "auto", "'1e101' in line 3, which is beyond 1e100"),
    ],
)
def test_rejects_targets_that_cannot_be_predicted(table, cells, task, message):
    with pytest.raises(TableError) as caught:
        kinds_of(table(column(*cells)), target="a", task=task)
    assert "target 'a'" in str(caught.value)
    assert message in str(caught.value)


def test_reads_decimal_commas_on_request(table):
    path = table("a;z\n1,5;1\n-2,25;2\n1e1;3\n")
    with open_table(path, Dialect(decimal=",")) as source:
        frame = typed(whole(source), {"a": "number"}, source)
    assert frame["a"].to_list() == [1.5, -2.25, 10.0]
    with pytest.raises(TableError, match=r"'1.5' in line 2, .* must not contain points"):
        kinds_of(table("a;z\n1.5;1\n2.5;2\n-1.5;3\n"), decimal=",")
    with pytest.raises(TableError, match=r"'1.5' in line 4.*must not contain points"):
        kinds_of(table("a;z\n1,5;1\n2;2\n1.5;3\n"), decimal=",")


def test_errors_name_column_line_and_value_of_cells(table):
    with (
        open_table(table("a,b\n1,2\nx,3\n4,y\n")) as source,
        pytest.raises(TableError) as caught,
    ):
        typed(whole(source), {"a": "number", "b": "number"}, source)
    assert "line 3, column 'a': 'x' is not a number; line 4, column 'b': 'y'" in str(caught.value)


def test_reads_parquet_by_value(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame(
        {
            "whole": [1, None, 3],
            "real": [1.5, float("nan"), 2.5],
            "text": ["1", "2", None],
            "flag": [True, False, None],
            "kind": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
            "day": [date(2024, 1, 1), None, date(2024, 1, 3)],
            "list": [[1], [2], [3]],
        }
    )
    frame.write_parquet(path)
    with open_table(path) as source:
        facts = collect_facts(source, source.blocks(), source.names, TrainingSettings(("whole",)))
        assert [fact.n_gaps for fact in facts.values()] == [1, 1, 1, 1, 0, 1, 0]
        choice = choose_kinds(facts, source)
        assert choice.kinds == {
            "whole": "number", "real": "number", "text": "number", "flag": "category",
            "kind": "category", "day": "date",
        }  # fmt: skip
        assert choice.left_out == {"list": "has the type List(Int64)"}
        got = typed(whole(source), choice.kinds, source)
        assert got.rows() == [
            (1.0, 1.5, 1.0, True, "u", date(2024, 1, 1)),
            (None, None, 2.0, False, "v", None),
            (3.0, 2.5, None, None, "u", date(2024, 1, 3)),
        ]
        with pytest.raises(TableError, match=r"row 1, column 'kind': 'u' is not a number"):
            typed(whole(source), {"kind": "number"}, source)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["15%", "7.5%", ""], "number"),
        (["$5", "$ 7", "-$1.5"], "number"),
        (["2024-01-01", "2024-02-29", ""], "date"),
        (["2024-01-01", "2024-02-30", "2024-02-01"], "date"),
        (["2020_01", "2020_02", "2020_01"], "category"),
        (["1", "2", "1e400"], "number"),
    ],
)
def test_units_and_dates(table, cells, kind):
    path = table(column(*cells))
    if "30" in cells[1]:
        with pytest.raises(TableError, match="'2024-02-30' in line 3, which is not a date"):
            kinds_of(path)
    elif "400" in cells[2]:
        with pytest.raises(TableError, match="beyond 1e100"):
            kinds_of(path)
    else:
        assert kinds_of(path)["a"] == kind


def test_units_must_be_the_same_in_all_rows(table):
    with pytest.raises(TableError, match=r"has numbers with % and without a unit; use categories"):
        kinds_of(table(column("15%", "7", "5%")))
    path = table("a\n15%\n7\n")
    with open_table(path) as source:
        with pytest.raises(TableError, match=r"line 2, column 'a': '15%' is not a number"):
            typed(whole(source), {"a": "number"}, source)
        with pytest.raises(TableError, match=r"line 3, column 'a': '7' is not a number"):
            typed(whole(source), {"a": "number"}, source, {"a": "%"})


@pytest.mark.parametrize("name", ["*", "^x$", " size ", "", 'a"b', "a\nb", "\x1b[1m", "p,q"])
def test_names_in_parquet_are_literal(tmp_path, name):
    path = tmp_path / "t.parquet"
    pl.DataFrame({name: [1, 2], "x": [3, 4]}).write_parquet(path)
    with open_table(path) as source:
        (block,) = source.blocks(names=[name])
        assert block.frame.to_dict(as_series=False) == {name: [1, 2]}
