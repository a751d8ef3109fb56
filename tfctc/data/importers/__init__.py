"""How the files of a source become cells: presets of file naming, and the steps they share.

A preset is one file with one registration. Its way: `pairing` finds each cell's channels by id, `labels` reads what is
known of the cells, `folder` puts both together, looks at every image and writes the data set.
"""

from dataclasses import dataclass

from tfctc.registry import Registry


@dataclass(frozen=True)
class Preset:
    """How one source names its files.

    Args:
        pattern: regular expression for a file's path below the imported folder; see `pairing.pair`.
        note: one line for the user; says so if no real export was at hand to check the pattern.
        example: paths of the bright-field and the DAPI image of one cell.
    """

    pattern: str
    note: str
    example: tuple[str, str]


PRESETS: Registry[Preset] = Registry("preset")

from tfctc.data.importers import deparray  # noqa: E402, F401  (registers the preset)
