"""Rows, notes and refusals of `read_table`, for tests of tables."""

import pytest

from tfctc.errors import ManifestError
from tfctc.io.tables import read_table

NEEDED = ("cell_id", "label")
OPTIONS = {"cell_id": "--id-column", "label": "--label-column"}


def rows(path, needed=NEEDED, **options):
    with read_table(path, needed, **options) as found:
        return [(line, [row[found.positions[name]] for name in needed]) for line, row in found.rows]


def notes(path, needed=NEEDED, **options):
    with read_table(path, needed, **options) as found:
        return found.notes


def refusal(path, needed=NEEDED, **options):
    with pytest.raises(ManifestError) as caught, read_table(path, needed, **options) as found:
        list(found.rows)
    assert caught.value.path == str(path) and caught.value.fix
    return f"{caught.value.problem}; {caught.value.fix}"
