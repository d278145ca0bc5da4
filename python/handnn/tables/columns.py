"""Columns: what is learnt of a table's columns, and how it becomes the input of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from handnn.arrays import Array, float_dtype
from handnn.initializers import RandomSource
from handnn.layers import Embedding
from handnn.layers.embedding import code_columns
from handnn.network import Network
from handnn.storage import FormatError
from handnn.tables import cells, checks
from handnn.tables.category import MOST_ONE_HOT, CategoryColumn
from handnn.tables.number import NumberColumn, Scale
from handnn.tables.reading import Reader, TableLike

Column = NumberColumn | CategoryColumn

CATEGORIES = ("embedding", "one-hot")
KINDS = ("number", "category")


class Columns:
    """What was learnt of the columns of a table, from its training rows.

    Attributes:
        columns: a NumberColumn or a CategoryColumn for each, in the order of the training table.
        feature_names_in: their names, None when that table had none.
        categories: "embedding" or "one-hot".

    A table is a pandas or polars DataFrame, a dict from a name to a column, a NumPy array (N, I),
    or a list of N rows. `transform` gives these columns, each kind in the order of the table:

        numbers      scaled, with the median of the training rows in a gap: see NumberColumn
        indicators   1 where the number is missing, else 0, for columns that had gaps in training
        categories   "one-hot": 1 in the column of the row's label, 0 in the others; there is one
                     for missing values too if the column had some in training. A label that was
                     not there in training, and an unexpected gap, is 0 in all of them
                     "embedding": a column of codes, which `first_layers` replace by vectors
    """

    def __init__(
        self,
        columns: Iterable[Column],
        feature_names_in: Iterable[str] | None = None,
        categories: str = "embedding",
    ) -> None:
        self.columns: tuple[Column, ...] = tuple(columns)
        self.feature_names_in = None if feature_names_in is None else tuple(feature_names_in)
        self.categories = checks.word(categories, CATEGORIES, "Columns: categories")
        names = self.feature_names_in
        if not self.columns:
            raise ValueError("Columns: there must be at least one column")
        if names is not None and not len(self.columns) == len(names) == len(set(names)):
            raise ValueError("Columns: each column must have a name of its own")
        if categories == "one-hot":
            for place, column in self._of(CategoryColumn):
                if len(column.labels) > MOST_ONE_HOT:
                    raise ValueError(
                        f"Columns: {self._call(place)} has {len(column.labels)} categories, too "
                        'many for one-hot columns; write categories="embedding" or leave it out'
                    )

    @classmethod
    def learn(
        cls,
        table: TableLike,
        *,
        categories: str = "embedding",
        scale: Scale = True,
        kinds: Mapping[Any, str] | None = None,
    ) -> Columns:
        """Learn from the training rows: medians, means and deviations, labels, names.

        A column is one of categories when it holds text or bools, or when the frame itself calls it
        so; else it is one of numbers. In a table without types (a list of rows, a dict of lists, an
        array of text or objects) text that reads as a number in every row is a number, and "",
        "NA", "N/A", "#N/A", "NaN", "nan", "null" and "NULL" are gaps. `kinds` overrides that:
        ``{"zip": "category", "code": "number"}``, by name, or by place if there are no names.

        scale: True brings every column of numbers to mean 0 and standard deviation 1; False leaves
        it as it is, but for gaps. "quantile" brings it to a normal distribution first: each value
        goes where its share of the training rows lies in one (between 257 quantiles in straight
        lines, and no farther than the smallest and the largest). It helps with columns that have
        long tails or heaps, and with numbers never seen before; what grows on beyond the training
        rows is not followed.

        Raises TypeError when `table` is no table. Raises ValueError when a column has no value in
        any row, holds both numbers and text, infinities or dates, or holds a different text in
        each of more than 20 rows, as an identifier does (unless `kinds` says what it is); when it
        has more than 1,000 categories with "one-hot"; and when there are no rows. The message
        names the column, and the row, counted from 0, and the value of a bad cell.
        """
        where = "Columns.learn"
        checks.word(categories, CATEGORIES, f"{where}: categories")
        if not (isinstance(scale, bool) or scale == "quantile"):
            raise ValueError(f"{where}: scale must be True, False or 'quantile', but is {scale!r}")
        reader = Reader(table, where)
        if reader.n_rows == 0:
            raise ValueError(f"{where}: the table has no rows")
        chosen = dict(kinds or {})
        keys = [reader.key(place) for place in range(len(reader))]
        for key, kind in chosen.items():
            if key not in keys:
                raise ValueError(f"{where}: kinds has {key!r}, which is no column")
            checks.word(kind, KINDS, f"{where}: kinds[{key!r}]")
        columns: list[Column] = []
        for place, key in enumerate(keys):
            column = reader.cells(place)
            kind = chosen.get(key) or cells.kind(column, where)
            if kind == "number":
                reads_text = key in chosen and not column.is_loose and bool(column.text.any())
                columns.append(
                    NumberColumn.learn(column, where, scale=scale, reads_text=reads_text)
                )
            else:
                columns.append(CategoryColumn.learn(column, where, chosen=key in chosen))
        return cls(columns, reader.names, categories)

    def transform(self, table: TableLike, dtype: DTypeLike = "float32") -> Array:
        """Return the rows of a table as an array (N, n_in) of float32 or float64.

        The columns of a table with names may stand in any order; without names, here or in
        training, they are taken as they stand. A gap in a column that had none in training is
        filled too, and has no indicator. The arithmetic is float64, rounded once.

        Raises ValueError when a column is missing, additional or renamed, or a cell is not of the
        kind that training had: text where numbers were, numbers where text was, an infinity, a
        number that `dtype` can't hold once it is scaled. The message names the column, the row,
        counted from 0, and the value.
        """
        where = "Columns.transform"
        dtype = float_dtype(dtype, f"{where}: dtype")
        reader = Reader(table, where)
        places = self._places(reader)
        out = np.zeros((reader.n_rows, self.n_in), dtype)
        indicator = len(self._of(NumberColumn))
        for at, (place, number) in enumerate(self._of(NumberColumn)):
            column = reader.cells(places[place])
            with np.errstate(over="ignore"):
                out[:, at] = number.transform(column, where)
            if number.has_gaps:
                out[:, indicator] = column.missing
                indicator += 1
        if not np.isfinite(out).all():
            at = int((~np.isfinite(out)).any(axis=0).argmax())
            column = reader.cells(places[self._of(NumberColumn)[at][0]])
            too_large = ~np.isfinite(out[:, at])
            raise column.error(where, too_large, f"is too large for {dtype}, once it is scaled")
        at = indicator
        for place, category in self._of(CategoryColumn):
            codes = category.codes(reader.cells(places[place]), where)
            if self.categories == "embedding":
                out[:, at] = codes
                at += 1
            else:
                rows = np.flatnonzero(codes < category.n_one_hot)
                out[rows, at + codes[rows]] = 1
                at += category.n_one_hot
        return out

    def first_layers(self, rng: RandomSource = None, dtype: DTypeLike = "float32") -> list[Any]:
        """Return the Embeddings that a network for these columns begins with; [] with "one-hot".

        One for each column of categories, with a row for each code (see `CategoryColumn`) and as
        many numbers as `CategoryColumn.n_embedding`. The rows of codes that training does not have
        are the mean of the others, to which `settle` sets them anew after training.
        """
        if self.categories != "embedding":
            return []
        rng = np.random.default_rng(rng)
        column = self._n_plain
        layers = []
        for _, category in self._of(CategoryColumn):
            layers.append(
                Embedding.random(category.n_codes, category.n_embedding, column, rng, dtype)
            )
            _settle(category, layers[-1])
        return layers

    def settle(self, network: Network) -> None:
        """Give the codes that training did not have the mean of the vectors of the others.

        These are the code of unseen labels, and that of missing values when there were none. The
        mean is weighted by how often each label was in training, so an unseen label counts as the
        average row. Writes to the arrays of the network's Embeddings; to do it twice changes
        nothing. Raises ValueError when the network does not begin with Embeddings for these codes.
        """
        if self.categories != "embedding":
            return
        found = code_columns(network.layers, self.n_in)
        pairs = []
        for at, (place, category) in enumerate(self._of(CategoryColumn), self._n_plain):
            layer = found.get(at)
            if layer is None or len(layer.w) != category.n_codes:
                raise ValueError(
                    f"Columns.settle: the network must begin with an Embedding of "
                    f"{category.n_codes} codes for {self._call(place)}, in column {at} of its "
                    "input; put Columns.first_layers first"
                )
            pairs.append((category, layer))
        for category, layer in pairs:
            _settle(category, layer)

    @property
    def n_in(self) -> int:
        """The number of columns that `transform` gives, and the network takes."""
        return len(self.names_out)

    @property
    def n_after(self) -> int:
        """The number of columns behind `first_layers`, which the next brick takes."""
        if self.categories != "embedding":
            return self.n_in
        widths = [column.n_embedding for _, column in self._of(CategoryColumn)]
        return self._n_plain + sum(map(int, widths))

    @property
    def names_out(self) -> list[str]:
        """What the columns are that `transform` gives: "age", "age missing", "town=Ulm", "town"."""
        names = [self._name(place) for place in range(len(self.columns))]
        numbers = self._of(NumberColumn)
        found = [names[place] for place, _ in numbers]
        found += [f"{names[place]} missing" for place, number in numbers if number.has_gaps]
        for place, category in self._of(CategoryColumn):
            if self.categories == "embedding":
                found.append(names[place])
            else:
                found += [f"{names[place]}={label}" for label in category.labels]
                found += [f"{names[place]} missing"] * category.has_gaps
        return found

    def summary(self) -> str:
        """Return a table of the columns: their names, kinds, and what has been learnt."""
        rows = [
            (self._name(place), column.kind, str(column))
            for place, column in enumerate(self.columns)
        ]
        widths = [max(len(row[0]) for row in rows), len("category")]
        lines = [f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {text}" for name, kind, text in rows]
        return "\n".join([*lines, self._sizes()])

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes: dicts, lists, text, numbers and bools, for a JSON file."""
        names = self.feature_names_in
        return {
            "names": None if names is None else list(names),
            "categories": self.categories,
            "columns": [column.to_dict() for column in self.columns],
        }

    @classmethod
    def from_dict(cls, entry: Any) -> Columns:
        """Return the Columns that `to_dict` describes; FormatError when it describes none."""
        try:
            checks.keys(entry, {"names", "categories", "columns"}, "the table")
            names = entry["names"]
            if names is not None:
                names = checks.several(names, "its names")
                if not all(isinstance(name, str) for name in names):
                    raise ValueError("its names must be text")
            columns: list[Column] = []
            for described in checks.several(entry["columns"], "its columns"):
                if not isinstance(described, dict):
                    raise ValueError(f"a column is described as {described!s:.50}")
                kind = checks.word(described.get("kind"), KINDS, "the kind of a column")
                build: Any = NumberColumn if kind == "number" else CategoryColumn
                columns.append(build.from_dict(described))
            return cls(columns, names, entry["categories"])
        except (TypeError, ValueError) as error:
            raise FormatError(f"Columns.from_dict: {error}") from error

    def __repr__(self) -> str:
        """Count the columns: `Columns(8 numbers, 1 category as embedding; 10 → 13)`."""
        return f"Columns({self._sizes()})"

    def _sizes(self) -> str:
        numbers, categories = len(self._of(NumberColumn)), len(self._of(CategoryColumn))
        texts = [f"{numbers} of numbers"] if numbers else []
        texts += [f"{categories} of categories, {self.categories}"] if categories else []
        width = f"{self.n_in}→{self.n_after}" if self.n_in != self.n_after else str(self.n_in)
        return f"{', '.join(texts)}; {width} columns for the network"

    def _of(self, kind: type[Any]) -> list[tuple[int, Any]]:
        """Return the columns of one kind, with their places."""
        return [(place, c) for place, c in enumerate(self.columns) if isinstance(c, kind)]

    @property
    def _n_plain(self) -> int:
        """The columns of numbers and indicators, which come first."""
        numbers = self._of(NumberColumn)
        return len(numbers) + sum(int(number.has_gaps) for _, number in numbers)

    def _name(self, place: int) -> str:
        return str(place) if self.feature_names_in is None else self.feature_names_in[place]

    def _call(self, place: int) -> str:
        names = self.feature_names_in
        return f"column {place}" if names is None else f"column {names[place]!r}"

    def _places(self, reader: Reader) -> list[int]:
        """Return where in the table each column is; ValueError when they are not the same ones."""
        ours, theirs = self.feature_names_in, reader.names
        if ours is None or theirs is None:
            if len(reader) != len(self.columns):
                raise ValueError(
                    f"{reader.where}: the table must have {len(self.columns)} columns, but has "
                    f"{len(reader)}"
                )
            return list(range(len(reader)))
        missing = [name for name in ours if name not in theirs]
        additional = [name for name in theirs if name not in ours]
        if missing or additional:
            texts = [f"has no column {_listed(missing)}"] if missing else []
            texts += [f"has {_listed(additional)}, not there in training"] if additional else []
            raise ValueError(f"{reader.where}: the table {', but '.join(texts)}")
        found = {name: place for place, name in enumerate(theirs)}
        return [found[name] for name in ours]


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _settle(category: CategoryColumn, layer: Embedding) -> None:
    count = len(category.labels)
    counts = np.array(category.counts, np.float64)
    mean = counts @ layer.w[:count].astype(np.float64) / counts.sum()
    layer.w[count + category.has_gaps :] = mean
