"""Columns: statistics and categories learned from a table, and its encoding as network input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import numpy as np
from numpy.typing import DTypeLike

from handnn.arrays import Array, check_type, elements, float_dtype, whole_number
from handnn.initializers import RandomSource, generator
from handnn.layers import Brick, Embedding
from handnn.layers.embedding import code_columns
from handnn.network import Network
from handnn.storage import FormatError, brief
from handnn.tables import checks
from handnn.tables.bins import MAX_BINS_EACH, BinnedColumn
from handnn.tables.category import CategoryColumn
from handnn.tables.cells import DEFAULT_GAPS, GapWords, gap_tuple
from handnn.tables.column import Column, ValueColumn
from handnn.tables.date import DateColumn
from handnn.tables.learned import learned
from handnn.tables.matching import chosen_kinds, match_columns
from handnn.tables.number import NumberColumn
from handnn.tables.plain import transform_plain
from handnn.tables.recipe import MAX_BINS, ColumnScale
from handnn.tables.row_encoder import RowEncoder
from handnn.tables.table_reader import TableLike, TableReader

VALUE_COLUMNS: dict[str, type[ValueColumn]] = {"number": NumberColumn, "date": DateColumn}
"""The kinds of columns that enter the network as numbers."""

COLUMN_KINDS: dict[str, type[Column]] = {**VALUE_COLUMNS, "category": CategoryColumn}
"""All kinds of columns, by the names that `kinds` and files use."""

KINDS = tuple(COLUMN_KINDS)
ENCODINGS = ("embedding", "one-hot")


class Columns:
    """The columns of a table as learned from its training rows.

    A table is a pandas or polars DataFrame, a dict from names to columns, a NumPy array (N, I), or
    a list of N rows. `transform` returns these inputs, each group in the order of the table:

        numbers      scaled, with the training median in place of a missing value; see NumberColumn
        indicators   1 where the number is missing, else 0, for columns with gaps in training
        cycles       of dates, and bins of numbers: see DateColumn and `tables.bins`
        categories   "one-hot": a column for each label, 1 where the row has it, else 0, and one for
                     missing values if training had some. Rows with a label absent from training,
                     or with an unexpected gap, are 0 in all of them
                     "embedding": a column of codes, which `first_layers` replace by vectors

    Attributes:
        columns: a NumberColumn, DateColumn or CategoryColumn for each, in the table's order.
        feature_names_in: their names, None if the table had none.
        categories: "embedding" or "one-hot".
        gaps: the strings that mean a missing value, besides blank text; None for `cells.GAPS`.

    Examples:
        >>> table = {"size": [45, 60, None], "town": ["Ulm", "Bonn", "Ulm"]}
        >>> columns = handnn.Columns.learn(table)
        >>> columns.names_out
        ['size', 'size missing', 'town']
        >>> columns.transform({"size": [60], "town": ["Kiel"]}, "float64").round(3)
        array([[1.225, 0.   , 3.   ]])
    """

    def __init__(
        self,
        columns: Iterable[Column],
        feature_names_in: Iterable[str] | None = None,
        categories: str = "embedding",
        gaps: Iterable[str] | None = None,
    ) -> None:
        self.columns: tuple[Column, ...] = tuple(elements(columns, "Columns: columns"))
        self.feature_names_in = None if feature_names_in is None else tuple(feature_names_in)
        self.categories = checks.word(categories, ENCODINGS, "Columns: categories")
        self.gaps = gap_tuple(gaps, "Columns: gaps")
        self._gap_words = DEFAULT_GAPS if gaps is None else GapWords(self.gaps or ())
        names = self.feature_names_in
        if not self.columns:
            raise ValueError("Columns: there must be at least one column")
        if names is not None and not len(self.columns) == len(names) == len(set(names)):
            raise ValueError("Columns: the names of the columns must be distinct")
        self._values: list[tuple[int, ValueColumn]] = []
        self._categories: list[tuple[int, CategoryColumn]] = []
        for place, column in enumerate(self.columns):
            if isinstance(column, CategoryColumn):
                self._categories.append((place, column))
            elif isinstance(column, tuple(VALUE_COLUMNS.values())):
                self._values.append((place, cast(ValueColumn, column)))
            else:
                raise TypeError(f"Columns: column {place} is a {type(column).__name__}")
        # The numbers of inputs before the indicators, the cycles, and the categories.
        self._n_numbers = len(self._values)
        self._n_before_cycles = self._n_numbers + sum(c.has_gaps for _, c in self._values)
        n_cycles = sum(len(column.names_out("")) - 1 for _, column in self._values)
        self._n_before_codes = self._n_before_cycles + n_cycles
        is_one_hot = categories == "one-hot"
        parts = self._values, self._categories, names, self._gap_words
        self._encode_row = RowEncoder(*parts, one_hot=is_one_hot)
        if is_one_hot:
            for place, category in self._categories:
                category.check_one_hot(f"Columns: {self._describe(place)}")

    @classmethod
    def learn(
        cls,
        table: TableLike,
        *,
        categories: str = "embedding",
        scale: ColumnScale = True,
        n_bins: int = 0,
        max_bins: int = MAX_BINS,
        kinds: Mapping[str, str] | Mapping[int, str] | None = None,
        gaps: Iterable[str] | None = None,
    ) -> Columns:
        """Learn names, medians, scales and labels from the training rows.

        Cells are read as docs/cells.md says, by value and not by type: " 2.0" is the number 2, and
        "NA" is a missing value, in every table. Columns of numbers and of dates keep that kind.
        Columns of bools and other text, or declared categorical by the frame, become categories.

        Parameters:
            table: N rows, N ≥ 1.
            categories: "embedding" or "one-hot".
            scale: True standardizes columns of numbers to mean 0 and standard deviation 1. False
                only fills missing values. "quantile" first maps up to 257 quantiles of the column
                towards those of a normal distribution, with linear interpolation between them, then
                standardizes it; see `tables.quantiles`. This suits long tails, repeated values and
                unusual units, but does not extrapolate: values beyond the training range are
                clipped to it.
            n_bins: the largest number of bins of each column of numbers: see `tables.bins`.
            max_bins: columns have fewer if all together would have more than this.
            kinds: overrides the kinds of columns by name, or by position in a table without names:
                ``{"zip": "category", "code": "number"}``.
            gaps: the strings, and numbers equal to them, that mean a missing value, besides blank
                text; "NA", "N/A", "#N/A", "NaN", "nan", "null" and "NULL" by default.

        Raises TypeError if `table` is not a table. Raises ValueError if it has no rows; if a column
        has no value in any row, mixes numbers and text, holds infinities or strings such as "15%"
        or "1,5" that look like numbers but are not read as such, or holds a different string in
        each of more than 20 rows, like an identifier (unless `kinds` names it); and if a column has
        more than 1,000 categories with "one-hot". The message names the column, and for a bad cell
        its row, counted from 0, and its value.

        Examples:
            >>> handnn.Columns.learn({"zip": [89073, 53111]}, kinds={"zip": "category"})
            Columns(1 of categories, embedding; 1→3 columns for the network)
        """
        where = "Columns.learn"
        checks.word(categories, ENCODINGS, f"{where}: categories")
        if not (isinstance(scale, bool) or scale == "quantile"):
            raise ValueError(f"{where}: scale must be True, False or 'quantile', but is {scale!r}")
        n_bins = whole_number(n_bins, f"{where}: n_bins", 0, MAX_BINS_EACH)
        max_bins = whole_number(max_bins, f"{where}: max_bins", 0)
        words = gap_tuple(gaps, f"{where}: gaps")
        reader = TableReader(table, where, DEFAULT_GAPS if words is None else GapWords(words))
        if reader.n_rows == 0:
            raise ValueError(f"{where}: the table has no rows")
        chosen = {} if kinds is None else chosen_kinds(kinds, KINDS, reader)
        asked = [chosen.get(reader.key(place)) for place in range(len(reader))]
        columns = learned(reader, asked, COLUMN_KINDS, scale, n_bins, max_bins)
        return cls(columns, reader.names, categories, words)

    def transform(
        self, table: TableLike, dtype: DTypeLike = "float32", *, ignores_others: bool = False
    ) -> Array:
        """Return the rows of a table as network input (N, n_in), in float32 or float64.

        The columns of a table with names may come in any order; if this table or the training table
        has no names, columns are matched by position. A gap in a column without gaps in training is
        filled, but has no indicator. The arithmetic is in float64, rounded once.

        ignores_others: whether a table with names may have additional columns, which are not read.

        Raises ValueError if a column is missing, additional or renamed, or if a cell does not fit:
        text in a column of numbers, an infinity, or a number that exceeds `dtype` after scaling.
        The message names the column, the row, counted from 0, and the value.

        Examples:
            >>> columns = handnn.Columns.learn({"town": ["Ulm", "Bonn"]}, categories="one-hot")
            >>> columns.transform({"town": ["Bonn", "Kiel"]})
            array([[1., 0.],
                   [0., 0.]], dtype=float32)
        """
        where = "Columns.transform"
        dtype = float_dtype(dtype, f"{where}: dtype")
        row = self._encode_row(table, dtype, where, ignores_others=ignores_others)
        if row is not None:
            return row
        reader = TableReader(table, where, self._gap_words)
        names, n_columns = self.feature_names_in, len(self.columns)
        places = match_columns(names, n_columns, reader, ignores_others=ignores_others)
        out = np.zeros((reader.n_rows, self.n_in), dtype)
        at_indicator, at = self._n_numbers, self._n_before_cycles
        plain = transform_plain(reader, [(places[place], c) for place, c in self._values], out)
        for number, (place, column) in enumerate(self._values):
            if number in plain:
                at_indicator += column.has_gaps
                continue
            cells = reader.cells(places[place])
            with np.errstate(over="ignore"):
                values = column.transform(cells, where)
                out[:, number] = values[:, 0]
                out[:, at : at + values.shape[1] - 1] = values[:, 1:]
            at += values.shape[1] - 1
            if column.has_gaps:
                out[:, at_indicator] = cells.missing
                at_indicator += 1
        if not np.isfinite(out).all():
            self._raise_too_large(reader, places, out)
        for place, category in self._categories:
            codes = category.codes(reader.cells(places[place]), where)
            if self.categories == "embedding":
                out[:, at] = codes
                at += 1
            else:
                rows = np.flatnonzero(codes < category.n_one_hot)
                out[rows, at + codes[rows]] = 1
                at += category.n_one_hot
        return out

    def _raise_too_large(self, reader: TableReader, places: list[int], out: Array) -> None:
        """Raise ValueError for the first column with a scaled number that `out` cannot hold."""
        wrong = ~np.isfinite(out)
        at = int(wrong.any(axis=0).argmax())
        owners = list(range(self._n_numbers))  # the column of values of each column of `out`
        owners += [number for number in owners if self._values[number][1].has_gaps]
        for number, (_, column) in enumerate(self._values):
            owners += [number] * (len(column.names_out("")) - 1)
        raise reader.cells(places[self._values[owners[at]][0]]).error(
            reader.where, wrong[:, at], f"is too large for {out.dtype} after scaling"
        )

    def first_layers(self, rng: RandomSource = None, dtype: DTypeLike = "float32") -> list[Brick]:
        """Return the Embeddings that a network for these columns begins with; [] with "one-hot".

        There is one for each column of categories, with a row for each code (see `CategoryColumn`)
        and `CategoryColumn.n_embedding` columns. Rows of codes absent from training are the mean of
        the others; `settle` updates them after training.

        Examples:
            >>> columns = handnn.Columns.learn({"town": ["Ulm", "Bonn", "Kiel"]})
            >>> columns.first_layers(0)
            [Embedding 5→4 column=0]
        """
        if self.categories != "embedding":
            return []
        rng = generator(rng, "Columns.first_layers: rng")
        layers: list[Brick] = []
        for _, category in self._categories:
            layer = Embedding.random(
                category.n_codes, category.n_embedding, self._n_before_codes, rng, dtype
            )
            category.settle(layer)
            layers.append(layer)
        return layers

    def settle(self, network: Network) -> None:
        """Set the embeddings of codes absent from training to the mean of the other rows.

        These are the code of unseen labels, and that of missing values if training had none. The
        mean is weighted by the number of training rows with each label, so an unseen label counts
        as the average row. Writes to the arrays of the network's Embeddings; a second call has no
        effect. Raises ValueError if the network does not begin with an Embedding for each column of
        categories.

        Examples:
            >>> columns = handnn.Columns.learn({"town": ["Ulm", "Bonn"]})
            >>> network = handnn.Network(columns.first_layers(0))
            >>> columns.settle(network)
            >>> w = network.layers[0].w
            >>> bool(np.allclose(w[3], (w[0] + w[1]) / 2))
            True
        """
        check_type(network, Network, "Columns.settle: network")
        if self.categories != "embedding":
            return
        found = code_columns(network.layers, self.n_in)
        pairs = []
        for at, (place, category) in enumerate(self._categories, self._n_before_codes):
            layer = found.get(at)
            if layer is None or len(layer.w) != category.n_codes:
                raise ValueError(
                    f"Columns.settle: the network must begin with an Embedding of "
                    f"{category.n_codes} codes for {self._describe(place)}, in column {at} of its "
                    "input; put Columns.first_layers first"
                )
            pairs.append((category, layer))
        for category, layer in pairs:
            category.settle(layer)

    @property
    def binned(self) -> list[BinnedColumn]:
        """The columns that have bins, and where they are, also after `first_layers`."""
        found, at = [], self._n_before_cycles
        for place, (_, column) in enumerate(self._values):
            if isinstance(column, NumberColumn) and column.edges:
                found.append(BinnedColumn(place, at, column.edges))
            at += len(column.names_out("")) - 1
        return found

    def with_outer_bins(self) -> Columns:
        """Return the columns with two more bins: see `tables.beyond`."""
        found = [c.with_outer_bins() if isinstance(c, NumberColumn) else c for c in self.columns]
        return Columns(found, self.feature_names_in, self.categories, self.gaps)

    @property
    def n_in(self) -> int:
        """The number of columns of the network's input, which `transform` returns."""
        if self.categories == "embedding":
            return self._n_before_codes + len(self._categories)
        return self._n_before_codes + sum(c.n_one_hot for _, c in self._categories)

    @property
    def n_after(self) -> int:
        """The number of columns after `first_layers`, the input of the next layer."""
        if self.categories != "embedding":
            return self.n_in
        return self._n_before_codes + sum(c.n_embedding for _, c in self._categories)

    @property
    def names_out(self) -> list[str]:
        """The names of the inputs: "age", "age missing", "town=Ulm", "town"."""
        values = [c.names_out(self._name(place)) for place, c in self._values]
        found = [first for first, *_ in values]
        found += [f"{self._name(place)} missing" for place, c in self._values if c.has_gaps]
        found += [name for _, *more in values for name in more]
        for place, category in self._categories:
            name = self._name(place)
            found += [name] if self.categories == "embedding" else category.names_one_hot(name)
        return found

    def summary(self) -> str:
        """Return a table of the columns: their names, kinds, and what was learned.

        Examples:
            >>> print(handnn.Columns.learn({"size": [45, 60, None]}).summary())
            size  number    median 52.5, mean 52.5, scale 6.124, with gaps
            1 of numbers; 2 columns for the network
        """
        rows = [(self._name(place), c.kind, str(c)) for place, c in enumerate(self.columns)]
        widths = [max(len(row[0]) for row in rows), max(map(len, KINDS))]
        lines = [f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {text}" for name, kind, text in rows]
        return "\n".join([*lines, self._sizes()])

    def to_dict(self) -> dict[str, object]:
        """Return a JSON object for `from_dict`: dicts, lists, text, numbers and bools."""
        return {
            "names": None if self.feature_names_in is None else list(self.feature_names_in),
            "categories": self.categories,
            "columns": [column.to_dict() for column in self.columns],
            **({} if self.gaps is None else {"gaps": list(self.gaps)}),
        }

    @classmethod
    def from_dict(cls, entry: object) -> Columns:
        """Return the Columns that `to_dict` describes; FormatError for an invalid description."""
        try:
            names_of_entries = {"names", "categories", "columns"}
            if isinstance(entry, dict) and "gaps" in entry:  # absent from files of older versions
                names_of_entries.add("gaps")
            entry = checks.keys(entry, names_of_entries, "the table")
            gaps = None if "gaps" not in entry else checks.texts(entry["gaps"], "its gaps")
            names = entry["names"]
            if names is not None:
                names = checks.several(names, "its names")
                if not all(isinstance(name, str) for name in names):
                    raise ValueError("its names must be text")
            columns: list[Column] = []
            for described in checks.several(entry["columns"], "its columns"):
                if not isinstance(described, dict):
                    raise ValueError(f"a column must be an object, but is {brief(described)}")
                kind = checks.word(described.get("kind"), KINDS, "the kind of a column")
                columns.append(COLUMN_KINDS[kind].from_dict(described))
            return cls(columns, names, entry["categories"], gaps)
        except (TypeError, ValueError) as error:
            raise FormatError(f"Columns.from_dict: {error}") from error

    def __repr__(self) -> str:
        """Count the columns: ``Columns(8 of numbers, 1 of categories, embedding; 10→13 ...)``."""
        return f"Columns({self._sizes()})"

    def _sizes(self) -> str:
        n_dates = sum(isinstance(column, DateColumn) for _, column in self._values)
        n_numbers, n_categories = len(self._values) - n_dates, len(self._categories)
        texts = [f"{n_numbers} of numbers"] if n_numbers else []
        texts += [f"{n_dates} of dates"] if n_dates else []
        texts += [f"{n_categories} of categories, {self.categories}"] if n_categories else []
        width = "→".join(str(n) for n in dict.fromkeys((self.n_in, self.n_after)))
        return f"{', '.join(texts)}; {width} columns for the network"

    def _name(self, place: int) -> str:
        return str(place) if self.feature_names_in is None else self.feature_names_in[place]

    def _describe(self, place: int) -> str:
        return f"column {place if self.feature_names_in is None else repr(self._name(place))}"
