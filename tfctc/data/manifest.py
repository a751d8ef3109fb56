"""The manifest: one CSV row a cell, and beside it what is true of all of them. The stable contract of a data set."""

import codecs
import csv
import hashlib
import io
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from tfctc import config as configs
from tfctc.cells import COLUMNS, Cell, DatasetFacts
from tfctc.data.unique import Fingerprints, fingerprint
from tfctc.errors import ConfigError, ManifestError, SplitError
from tfctc.files import is_file, write_json

MANIFEST, FACTS = "manifest.csv", "dataset.json"
#: Columns that may say what must never straddle two splits.
GROUPS = ("patient_id", "site")
IDS = ("cell_id", *GROUPS)
REQUIRED = ("cell_id", "patient_id", "brightfield")


@dataclass(frozen=True)
class Manifest:
    """A data set folder: its facts, and manifest.csv with `COLUMNS`; image paths absolute or relative to it.

    Rows are streamed, never held: memory does not grow with the cells.
    """

    folder: Path
    facts: DatasetFacts

    @classmethod
    def open(cls, path: str | Path) -> "Manifest":
        """Opens a data set by its folder or its manifest.csv, and checks every row (not the images).

        Raises:
            ManifestError: no manifest or facts, or they cannot be read; unknown or missing columns, an empty required
                value, blanks around an id, a `cell_id` or an image file given twice, a patient or site spelt in two
                ways (of letters, or of bytes), an unknown label, or no cell at all; the message names the line.
            ConfigError: facts that cannot be read.
        """
        path = Path(path)
        folder = path.parent if path.name == MANIFEST else path
        for name in (MANIFEST, FACTS):
            if not is_file(folder / name, ManifestError):
                raise ManifestError(f"holds no {name}", path=folder, fix="make a data set with: tfctc import")
        manifest = cls(folder, configs.load(DatasetFacts, folder / FACTS))
        spellings = {name: {} for name in GROUPS}
        with Fingerprints() as names:
            for line, _, cell in manifest._lines():
                manifest._check(line, cell, spellings)
                for name in manifest._unique(cell):
                    names.add(name)
            if not names:
                raise ManifestError("holds no cell", path=folder / MANIFEST)
            if repeated := names.repeated():
                manifest._refuse_duplicate(repeated)
        return manifest

    def cells(self) -> Iterator[Cell]:
        """Yields the cells in file order, with image paths joined to the folder."""
        return (self._joined(cell) for _, _, cell in self._lines())

    def rows(self) -> Iterator[tuple[tuple[int, int], Cell]]:
        """Yields the cells as `cells` does, each with the bytes its row lies between, for `cells_at`."""
        return ((span, self._joined(cell)) for _, span, cell in self._lines())

    def cells_at(self, spans: Iterable[tuple[int, int]]) -> Iterator[Cell]:
        """Yields the cells whose rows lie between these bytes (the first, one past the last), in the order given."""
        with (self.folder / MANIFEST).open("rb") as file:
            header = next(csv.reader(io.StringIO(file.readline().decode("utf-8-sig"), newline="")))
            for start, end in spans:
                file.seek(start)
                text = file.read(end - start).decode()
                yield self._joined(Cell(**next(csv.DictReader(io.StringIO(text, newline=""), header))))

    def _joined(self, cell: Cell) -> Cell:
        dapi = str(self.folder / cell.dapi) if cell.dapi else ""
        return replace(cell, brightfield=str(self.folder / cell.brightfield), dapi=dapi)

    def groups(self, by: str) -> dict[str, Counter]:
        """Counts the cells of every group: group -> label ("" for none) -> cells.

        Raises:
            ConfigError: `by` names no grouping column.
            SplitError: a patient that belongs to two groups, which would leak between splits; a cell of no group.
        """
        if by not in GROUPS:
            raise ConfigError(f"cells cannot be split by {by!r}", fix=f"choose one of: {', '.join(GROUPS)}")
        groups: dict[str, Counter] = {}
        home: dict[str, str] = {}
        for line, _, cell in self._lines():
            group = getattr(cell, by)
            if not group:
                problem = f"line {line} (cell {cell.cell_id}) has no {by}"
                raise SplitError(problem, path=self.folder / MANIFEST, fix="give it one, or split by patient_id")
            if home.setdefault(cell.patient_id, group) != group:
                raise SplitError(
                    f"{self.facts.group} {cell.patient_id} has cells in {by} {home[cell.patient_id]!r} and {group!r}",
                    path=self.folder / MANIFEST,
                    fix="split by patient_id",
                )
            groups.setdefault(group, Counter())[cell.label] += 1
        return groups

    def digest(self) -> str:
        """Of the facts, and of every cell's ids, label and whether it has DAPI; not of where the files lie."""
        digest = hashlib.sha256(json.dumps(configs.to_dict(self.facts), sort_keys=True).encode())
        for _, _, cell in self._lines():
            digest.update(repr((cell.cell_id, cell.patient_id, cell.site, bool(cell.dapi), cell.label)).encode())
        return digest.hexdigest()

    def _lines(self) -> Iterator[tuple[int, tuple[int, int], Cell]]:
        """Line number, bytes the row lies between (blank lines before it included), cell."""
        path = self.folder / MANIFEST
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                place = len(codecs.BOM_UTF8) if file.buffer.peek(3).startswith(codecs.BOM_UTF8) else 0

                def lines():
                    nonlocal place
                    for line in file:
                        place += len(line.encode())
                        yield line

                reader = csv.reader(lines())
                header = next(reader, [])
                if sorted(header) != sorted(COLUMNS):
                    # Quoted: blanks and a wrong separator are seen.
                    received = ", ".join(map(repr, header)) or "none"
                    raise ManifestError(f"columns must be {', '.join(COLUMNS)}, got {received}", path=path)
                order = [header.index(column) for column in COLUMNS]
                start = place
                for row in reader:
                    if not row:
                        continue
                    if len(row) != len(COLUMNS):
                        raise ManifestError(f"line {reader.line_num} has not {len(COLUMNS)} values", path=path)
                    yield reader.line_num, (start, place), Cell(*[row[i] for i in order])
                    start = place
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ManifestError(f"cannot be read ({error})", path=path, fix="save it as CSV in UTF-8") from None

    def _check(self, line: int, cell: Cell, spellings: dict[str, dict[str, str]]) -> None:
        """Raises if the row cannot be right by itself, or spells a group in another way than `spellings` has it."""
        path, where = self.folder / MANIFEST, f"line {line} (cell {cell.cell_id})"
        for name in REQUIRED:
            if not getattr(cell, name):
                raise ManifestError(f"line {line} (cell {cell.cell_id!r}) has no {name}", path=path)
        if "\0" in "".join(astuple(cell)):
            raise ManifestError(f"line {line} holds a NUL", path=path, fix="save it as CSV in UTF-8")
        for name in IDS:
            value = getattr(cell, name)
            if value != value.strip():
                raise ManifestError(f"{where}: {name} {value!r} has blanks around it", path=path, fix="remove them")
        for name, known in spellings.items():
            value = getattr(cell, name)
            first = known.setdefault(folded(value), value)
            # Two spellings of one patient would be dealt to two splits.
            if first != value:
                same = unicodedata.normalize("NFC", value) == unicodedata.normalize("NFC", first)
                here, above = (ascii(one) if same else repr(one) for one in (value, first))
                problem = f"{where}: {name} is {here} here and {above} above"
                raise ManifestError(
                    problem, path=path, fix="write it in one way; different ones need different letters"
                )
        try:
            self.facts.class_index(cell.label)
        except ManifestError as error:
            raise ManifestError(f"{where}: {error.problem}", path=path, fix=error.fix) from None

    def _unique(self, cell: Cell) -> Iterator[str]:
        """What no other row may name."""
        yield f"cell {cell.cell_id}"
        for path in filter(None, (cell.brightfield, cell.dapi)):
            yield f"image {os.path.normpath(os.path.join(self.folder, path))}"

    def _refuse_duplicate(self, repeated: set[int]) -> None:
        """Raises if a name stands twice; `repeated` are the fingerprints under suspicion."""
        first: dict[str, int] = {}
        for line, _, cell in self._lines():
            for name in self._unique(cell):
                if fingerprint(name) in repeated:
                    if name in first:
                        problem = f"{name} stands on lines {first[name]} and {line}"
                        fix = "give every cell an id and images of its own"
                        raise ManifestError(problem, path=self.folder / MANIFEST, fix=fix)
                    first[name] = line


def folded(name: str) -> str:
    """What all spellings of a patient's or a site's name have in common."""
    return unicodedata.normalize("NFC", name).casefold()


def write_manifest(
    folder: Path, facts: DatasetFacts, cells: Iterable[Cell], progress: Callable[[int], None] = lambda cells: None
) -> None:
    """Writes manifest.csv and dataset.json into `folder`, which must exist.

    Not atomic by itself: write into the temporary folder of `tfctc.files.atomic_folder`.
    """
    write_json(folder / FACTS, configs.to_dict(facts))
    with (folder / MANIFEST).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for cell in cells:
            writer.writerow(astuple(cell))
            progress(1)
