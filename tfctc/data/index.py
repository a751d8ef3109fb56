"""The cells of a manifest in memory, as columns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tfctc.cells import Cell

#: Number of rows held as Python objects before they are packed into arrays.
CHUNK = 16_384
#: Columns of free text, and columns with few distinct values.
TEXTS, CATEGORIES = ("cell_id", "brightfield", "dapi"), ("patient_id", "site", "label", "original_label")


@dataclass(frozen=True, eq=False)
class CellIndex:
    """Cells in file order; about 200 bytes of memory a cell.

    Args:
        lines: line number of each cell in manifest.csv, int32 ``(N,)``.
        texts: `cell_id`, `brightfield` and `dapi`, each ``(N,)`` of NumPy's `StringDType`.
        codes: `patient_id`, `site`, `label` and `original_label`, each int32 ``(N,)``: positions in `names`.
        names: the distinct values of these columns, in order of first occurrence.
    """

    lines: np.ndarray
    texts: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]
    names: dict[str, list[str]]

    @classmethod
    def build(cls, rows: Iterable[tuple[int, Cell]]) -> "CellIndex":
        """Index of `rows`: pairs of a line number and a cell."""
        packed: dict[str, list[np.ndarray]] = {name: [] for name in ("lines", *TEXTS, *CATEGORIES)}
        held: dict[str, list] = {name: [] for name in packed}
        known: dict[str, dict[str, int]] = {name: {} for name in CATEGORIES}

        def pack():
            for name, values in held.items():
                dtype = np.dtypes.StringDType() if name in TEXTS else np.int32
                packed[name].append(np.array(values, dtype))
                values.clear()

        for line, cell in rows:
            held["lines"].append(line)
            for name in TEXTS:
                held[name].append(getattr(cell, name))
            for name, codes in known.items():
                value = getattr(cell, name)
                held[name].append(codes.setdefault(value, len(codes)))
            if len(held["lines"]) == CHUNK:
                pack()
        pack()
        columns = {name: np.concatenate(parts) for name, parts in packed.items()}
        return cls(
            columns["lines"],
            {name: columns[name] for name in TEXTS},
            {name: columns[name] for name in CATEGORIES},
            {name: list(codes) for name, codes in known.items()},
        )

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, i: int) -> Cell:
        texts = {name: str(values[i]) for name, values in self.texts.items()}
        return Cell(**texts, **{name: self.names[name][codes[i]] for name, codes in self.codes.items()})

    def __iter__(self) -> Iterator[Cell]:
        return (self[i] for i in range(len(self)))

    def coded(self, column: str, values: dict[str, int], other: int) -> np.ndarray:
        """A number for each cell, looked up by its patient, site or label (compare `pandas.Series.map`).

        Args:
            column: one of `CATEGORIES`.
            values: name in that column -> number.
            other: number of the names that `values` lacks.

        Returns:
            int64 ``(N,)``.
        """
        table = np.array([values.get(name, other) for name in self.names[column]], np.int64)
        return table[self.codes[column]]
