"""What a cell is, and what is true of a whole data set of cells.

A *cell* is one row of a manifest: two registered single-channel images (DAPI may be missing), a patient, a site and a
label (may be missing). Pixels are stored as unsigned integers and become float32 ``(H, W, 1)`` in [0, 1] by dividing by
the full scale of the declared bit depth, never by an image's own minimum and maximum.
"""

import math
import re
from dataclasses import dataclass, fields

from tfctc.errors import ManifestError

BRIGHTFIELD = "brightfield"
DAPI = "dapi"
CHANNELS = (BRIGHTFIELD, DAPI)
#: Feature that says whether a cell has a DAPI image; float32, 1 or 0.
DAPI_PRESENT = "dapi_present"
#: How "no label" is written where labels are integers.
UNLABELLED = -1
#: What cells without a label are called where classes are counted.
NO_LABEL = "unlabelled"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Cell:
    """One manifest row. Empty `dapi` or `label` means there is none."""

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
    """What is true of every cell of a data set, and must be true of every image a model trained on it is shown.

    Args:
        name: short name; letters, digits, ``-`` and ``_``.
        classes: the negative and the positive class name, in this order.
        bit_depth: significant bits of a pixel, 8 to 16 (12-bit cameras write 12 into 16-bit files).
        image_size: height and width in pixels.
        mpp: micrometres per pixel, or None if unknown.
        group: what `patient_id` really is, if not a patient ("block of cells", say).
        simulated: whether the cells are simulated.
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
            fix = "choose another (tfctc import: --name)"
            raise ManifestError(f"name must be letters, digits, - and _, got {self.name!r}", fix=fix)
        if len(self.classes) != 2 or len(set(self.classes)) != 2 or not all(self.classes):
            raise ManifestError(f"classes must be two different names (negative, positive), got {list(self.classes)}")
        if NO_LABEL in self.classes:
            raise ManifestError(f"no class may be called {NO_LABEL}", fix="leave the label of such cells empty")
        if not 8 <= self.bit_depth <= 16:
            raise ManifestError(f"bit_depth must be 8 to 16, got {self.bit_depth}")
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise ManifestError(f"image_size must be (height, width) in pixels, got {list(self.image_size)}")
        if self.mpp is not None and not 0 < self.mpp < math.inf:
            raise ManifestError(f"mpp must be micrometres per pixel above 0, got {self.mpp}")

    @property
    def negative(self) -> str:
        return self.classes[0]

    @property
    def positive(self) -> str:
        return self.classes[1]

    @property
    def full_scale(self) -> int:
        """The pixel value that becomes 1.0."""
        return 2**self.bit_depth - 1

    @property
    def dtype(self) -> str:
        """The unsigned integer type that holds a pixel."""
        return "uint8" if self.bit_depth == 8 else "uint16"

    def class_index(self, label: str) -> int:
        """0 for the negative class, 1 for the positive, `UNLABELLED` for an empty label."""
        if not label:
            return UNLABELLED
        if label not in self.classes:
            raise ManifestError(f"unknown label {label!r}", fix=f"use one of: {', '.join(self.classes)}, or none")
        return self.classes.index(label)
