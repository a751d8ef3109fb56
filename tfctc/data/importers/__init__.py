"""Importers: from the image files of a source to a data set.

`presets` has the file names of known sources, and `proposals` finds a naming that fits. `pairing` finds the channel
images of each cell by id, `labels` reads the label table, and `assembly` joins both. `survey` measures every image, and
`write` writes the data set. Files that hold many cells have an importer of their own, such as `rtdc`.
"""

from tfctc.data.importers.presets import PRESETS, Preset
from tfctc.data.importers.sources import IMPORTERS, Importer, SourceCell, SourceImage

__all__ = ["IMPORTERS", "PRESETS", "Importer", "Preset", "SourceCell", "SourceImage"]
