"""Importers: from the image files of a source to a data set.

A preset describes how a source names its files; it is one module with one registration. `pairing` finds the channel
images of each cell by id, `labels` reads the label table, and `folder` joins both, checks every image and writes the
data set.
"""

from dataclasses import dataclass

from tfctc.registry import Registry


@dataclass(frozen=True)
class Preset:
    """File names of one source.

    Args:
        pattern: regular expression for a file's path below the imported folder; see `pairing.pair`.
        note: one line for the user. It says so if the pattern was never checked against a real export.
        example: paths of the bright-field and the DAPI image of one cell.
    """

    pattern: str
    note: str
    example: tuple[str, str]


PRESETS: Registry[Preset] = Registry("preset", package="tfctc.data.importers", group="presets")
