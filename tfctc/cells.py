"""Cells, and the facts that all cells of a data set share.

A *cell* is one row of a manifest: a bright-field image, a DAPI image aligned with it (may be missing), a patient, a
site and a label (may be missing). Pixels are stored as unsigned integers. They become float32 ``(H, W, 1)`` in [0, 1]
by division by the full scale of the declared bit depth, never by an image's own minimum and maximum.
"""

import math
import re
from dataclasses import dataclass, fields
from typing import Final

from tfctc.errors import ManifestError

BRIGHTFIELD: Final = "brightfield"
DAPI: Final = "dapi"
CHANNELS = (BRIGHTFIELD, DAPI)
#: Name of the feature that is 1 for a cell with a DAPI image and 0 for one without; float32.
DAPI_PRESENT = "dapi_present"
#: Class index of a cell without a label.
UNLABELLED = -1
#: Key of the cells without a label in counts by class.
NO_LABEL = "unlabelled"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Cell:
    """One row of a manifest.

    Args:
        cell_id: id of the cell, unique in the data set.
        patient_id: id of its patient, the unit of splitting.
        site: laboratory or instrument; may be empty.
        brightfield: path of the bright-field image.
        dapi: path of the DAPI image; empty if there is none.
        label: class name; empty if the cell is unlabelled.
    """

    cell_id: str
    patient_id: str
    site: str
    brightfield: str
    dapi: str = ""
    label: str = ""


#: Manifest columns, in order.
COLUMNS = tuple(field.name for field in fields(Cell))


@dataclass(frozen=True)
class DatasetFacts:
    """Facts that hold for every cell of a data set, and for every image given to a model trained on it.

    Args:
        name: short name; letters, digits, ``-`` and ``_``.
        classes: the negative and the positive class name, in this order.
        bit_depth: significant bits of a pixel, 8 to 16 (12-bit cameras write 12 into 16-bit files).
        image_size: height and width in pixels.
        mpp: micrometres per pixel, or None if unknown.
        group: what `patient_id` stands for if not for a patient, for example "block of cells".
        simulated: whether the cells are simulated.

    Raises:
        ManifestError: a value that no data set can have.
    """

    name: str
    classes: tuple[str, str] = ("leukocyte", "ctc")
    bit_depth: int = 16
    image_size: tuple[int, int] = (64, 64)
    mpp: float | None = None
    group: str = "patient"
    simulated: bool = False

    def __post_init__(self):
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.name):
            fix = "choose another name (tfctc import: --name)"
            raise ManifestError(f"name must be letters, digits, - and _, got {self.name!r}", fix=fix)
        if len(self.classes) != 2 or len(set(self.classes)) != 2 or not all(self.classes):
            raise ManifestError(f"classes must be two different names (negative, positive), got {list(self.classes)}")
        if NO_LABEL in self.classes:
            fix = "choose another name; the label of an unlabelled cell is left empty"
            raise ManifestError(f"no class may be called {NO_LABEL}", fix=fix)
        if not 8 <= self.bit_depth <= 16:
            raise ManifestError(f"bit_depth must be 8 to 16, got {self.bit_depth}")
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise ManifestError(f"image_size must be (height, width) in pixels, got {list(self.image_size)}")
        if self.mpp is not None and not 0 < self.mpp < math.inf:
            raise ManifestError(f"mpp must be micrometres per pixel above 0, got {self.mpp}")

    @property
    def negative(self) -> str:
        """Name of the negative class, class index 0."""
        return self.classes[0]

    @property
    def positive(self) -> str:
        """Name of the positive class, class index 1."""
        return self.classes[1]

    @property
    def full_scale(self) -> int:
        """Pixel value that becomes 1.0: ``2**bit_depth - 1``."""
        return 2**self.bit_depth - 1

    @property
    def dtype(self) -> str:
        """NumPy name of the unsigned integer type of a stored pixel."""
        return "uint8" if self.bit_depth == 8 else "uint16"

    def class_index(self, label: str) -> int:
        """Class index of a label: 0 for the negative class, 1 for the positive, `UNLABELLED` for an empty label.

        Raises:
            ManifestError: a label that is not a class name.
        """
        if not label:
            return UNLABELLED
        if label not in self.classes:
            fix = f"use one of: {', '.join(self.classes)}; or leave the label empty"
            raise ManifestError(f"unknown label {label!r}", fix=fix)
        return self.classes.index(label)
