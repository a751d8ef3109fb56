"""Importers: from the image files of a source to a data set.

In order of use: `presets` has the file names of known sources, and `proposals` finds a naming that fits. `pairing`
finds the channel images of each cell by id; `census` counts what the names tell. `labels` reads the label table, and
`matching` finds the cell of each row. `assembly` joins cells and rows. `survey` measures every image, `description` has
what the user declared, and `write` writes the data set.

Files that hold many cells have an importer of their own, such as `rtdc`; `sources` is its protocol, and
`files_with_cells` uses it.
"""

from tfctc.data.importers.presets import PRESETS, Preset
from tfctc.data.importers.sources import IMPORTERS, Importer, SourceCell, SourceImage

__all__ = ["IMPORTERS", "PRESETS", "Importer", "Preset", "SourceCell", "SourceImage"]
