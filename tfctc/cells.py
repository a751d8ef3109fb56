"""Cells, and the facts that all cells of a data set share.

A *cell* is one row of a manifest: a bright-field image, a DAPI image aligned with it (may be missing), a patient, a
site and a label (may be missing). Pixels are stored as unsigned integers. They become float32 ``(H, W, 1)`` in [0, 1]
by division by the full scale of the declared bit depth, never by an image's own minimum and maximum.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from tfctc.errors import ManifestError

BRIGHTFIELD: Final = "brightfield"
DAPI: Final = "dapi"
CHANNELS = (BRIGHTFIELD, DAPI)
#: Name of the feature that is 1 for a cell with a DAPI image and 0 for one without; float32.
DAPI_PRESENT = "dapi_present"
#: Key of the bright-field images of a training batch as they are without augmentation.
PLAIN_BRIGHTFIELD = "plain_brightfield"
#: Class index of a cell without a label.
UNLABELLED = -1
#: Key of the cells without a label in counts by class.
NO_LABEL = "unlabelled"
SPLITS = ("train", "validation", "test")
#: Name of the class for labels of neither class, such as debris, and its class index.
OTHER: Final = "other"
OTHER_INDEX = 2
#: Remedy for other than two classes.
TWO_CLASSES = (
    "name the negative and the positive class, give labels of neither to --other, and map other names of the two: "
    "--classes leukocyte,ctc --other debris,doublet --map WBC=leukocyte"
)
#: Highest binning of a channel; a camera bins 1, 2, 3, 4 or 8 pixels.
MOST_BINNING = 16
#: Relative difference from which two values of micrometres per pixel count as different.
MPP_TOLERANCE = 0.02


def is_other(scores: Any) -> Any:
    """Whether the class `OTHER` outweighs the negative class, bool ``(...)``.

    Args:
        scores: logits or probabilities of three classes, array ``(..., 3)``.
    """
    return scores[..., OTHER_INDEX] > scores[..., 0]


def same_scale(one: float, other: float) -> bool:
    """Whether two values of micrometres per pixel are the same but for rounding."""
    return abs(one - other) <= MPP_TOLERANCE * other


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
        original_label: label that it was imported with, before labels became classes; `Manifest` fills it in.
    """

    cell_id: str
    patient_id: str
    site: str
    brightfield: str
    dapi: str = ""
    label: str = ""
    original_label: str = ""


#: Manifest columns, in order, and the column that a manifest may lack.
COLUMNS = tuple(column.name for column in fields(Cell))[:-1]
ORIGINAL: Final = "original_label"


@dataclass(frozen=True)
class FileNaming:
    """Names of the image files of a source: which cell, channel and patient a path belongs to.

    `tfctc.io.naming` applies it. It is kept in dataset.json and in every exported file, so that `tfctc predict` finds
    the bright-field images of the next run of the same instrument.

    Args:
        files: templates for the path of a file below its folder, such as ``{patient}/{cell}_{channel}.tif``; the first
            one that fits counts.
        pattern: regular expression for the path with named groups, in place of templates.
        cell_id: template of the cell id, such as ``{patient}/{cell}``; empty is ``{cell}``.
        channels: name of a channel in a path, or name or number of a plane -> `BRIGHTFIELD` or `DAPI`.
        planes: meaning of the planes (pages, samples) of a file. "single": a file has one, and its path tells the
            channel. "channels": every plane is a channel of one cell. "cells": every plane is a cell, and its number is
            the end of the cell id.
        first_plane: number of the first plane in cell ids, 0 or 1.
    """

    files: tuple[str, ...] = ()
    pattern: str = ""
    cell_id: str = ""
    channels: Mapping[str, str] = field(default_factory=dict)
    planes: Literal["single", "channels", "cells"] = "single"
    first_plane: int = 0


@dataclass(frozen=True)
class ChannelFacts:
    """Facts of the stored pixels of one channel.

    Args:
        bit_depth: significant bits of a pixel, 8 to 16.
        binning: side of the square of bright-field pixels that one pixel of this channel covers.
    """

    bit_depth: int
    binning: int = 1

    @property
    def full_scale(self) -> int:
        """Pixel value that becomes 1.0: ``2**bit_depth - 1``."""
        return 2**self.bit_depth - 1

    @property
    def dtype(self) -> str:
        """NumPy name of the unsigned integer type of a stored pixel."""
        return "uint8" if self.bit_depth == 8 else "uint16"


@dataclass(frozen=True)
class DatasetFacts:
    """Facts that hold for every cell of a data set, and for every image given to a model trained on it.

    Args:
        name: short name; letters, digits, ``-`` and ``_``.
        classes: the negative and the positive class name, in this order.
        bit_depth: significant bits of a bright-field pixel, 8 to 16 (12-bit cameras write 12 into 16-bit files).
        image_size: height and width in pixels.
        mpp: micrometres per pixel, or None if unknown.
        group: what `patient_id` stands for if not for a patient, for example "block of cells".
        simulated: whether the cells are simulated.
        dapi_bit_depth: significant bits of a DAPI pixel; None if as in bright-field.
        dapi_binning: side of the square of bright-field pixels that one DAPI pixel covers; 2 for 2 x 2 binning.
        crop_or_pad: whether image files may have any size; they are cropped or padded to `image_size`. If not, they all
            have this size.
        files_mpp: micrometres per pixel that the image files declare, where that is not `mpp`: the images were
            rescaled, or the user has said that the files are wrong. Otherwise None.
        rescaled: whether the images were rescaled from `files_mpp` to `mpp` when they were imported.
        other: whether there is a third class, `OTHER`, for images of neither class. It counts as not positive.
        naming: names of the image files that the data set was imported from; None if unknown. Comparing two facts
            ignores it.

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
    dapi_bit_depth: int | None = None
    dapi_binning: int = 1
    crop_or_pad: bool = False
    files_mpp: float | None = None
    rescaled: bool = False
    other: bool = False
    naming: FileNaming | None = field(default=None, compare=False)

    def __post_init__(self):
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.name):
            fix = "choose another name (tfctc import: --name)"
            raise ManifestError(f"name must be letters, digits, - and _, got {self.name!r}", fix=fix)
        if len(self.classes) != 2 or len(set(self.classes)) != 2 or not all(self.classes):
            problem = f"classes must be two different names (negative, positive), got {list(self.classes)}"
            raise ManifestError(problem, fix=TWO_CLASSES)
        if NO_LABEL in self.classes:
            fix = "choose another name; the label of an unlabelled cell is left empty"
            raise ManifestError(f"no class may be called {NO_LABEL}", fix=fix)
        if self.other and OTHER in self.classes:
            fix = f"rename that class, or map these labels to it in place of --{OTHER}"
            raise ManifestError(f"a class is called {OTHER}, and so is the third class", fix=fix)
        for name in ("bit_depth", "dapi_bit_depth"):
            if (bits := getattr(self, name)) is not None and not 8 <= bits <= 16:
                raise ManifestError(f"{name} must be 8 to 16, got {bits}")
        if not 1 <= self.dapi_binning <= MOST_BINNING:
            raise ManifestError(f"dapi_binning must be 1 to {MOST_BINNING}, got {self.dapi_binning}")
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise ManifestError(f"image_size must be (height, width) in pixels, got {list(self.image_size)}")
        for name in ("mpp", "files_mpp"):
            if (mpp := getattr(self, name)) is not None and not 0 < mpp < math.inf:
                raise ManifestError(f"{name} must be micrometres per pixel above 0, got {mpp}")

    @property
    def negative(self) -> str:
        """Name of the negative class, class index 0."""
        return self.classes[0]

    @property
    def positive(self) -> str:
        """Name of the positive class, class index 1."""
        return self.classes[1]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of all classes in the order of the class indices: `classes`, and `OTHER` if there is such a class."""
        return (*self.classes, OTHER) if self.other else self.classes

    @property
    def compared(self) -> tuple[str, str]:
        """Names of what is not positive and of what is positive, for metrics: all that is not positive is one."""
        return (f"{self.negative} or {OTHER}" if self.other else self.negative), self.positive

    def channel(self, name: str) -> ChannelFacts:
        """Facts of the stored pixels of one of the `CHANNELS`."""
        if name == BRIGHTFIELD:
            return ChannelFacts(self.bit_depth)
        return ChannelFacts(self.dapi_bit_depth or self.bit_depth, self.dapi_binning)

    @property
    def full_scale(self) -> int:
        """Pixel value of bright-field that becomes 1.0: ``2**bit_depth - 1``."""
        return self.channel(BRIGHTFIELD).full_scale

    @property
    def dtype(self) -> str:
        """NumPy name of the unsigned integer type of a stored bright-field pixel."""
        return self.channel(BRIGHTFIELD).dtype

    def identity(self) -> dict[str, Any]:
        """The facts that decide the content of the cells, as plain values, for digests; without `naming`.

        A fact that was added to tfctc later is left out while it has its default value, so that the digests of older
        data sets stay the same.
        """
        later = ("dapi_bit_depth", "dapi_binning", "crop_or_pad", "files_mpp", "rescaled", "other")
        values = {fact.name: (getattr(self, fact.name), fact.default) for fact in fields(self) if fact.compare}
        return {name: value for name, (value, default) in values.items() if name not in later or value != default}

    def class_index(self, label: str) -> int:
        """Class index of a label: 0 negative, 1 positive, `OTHER_INDEX` other, `UNLABELLED` for an empty label.

        Raises:
            ManifestError: a label that is not a class name.
        """
        if not label:
            return UNLABELLED
        if label not in self.labels:
            fix = f"use one of: {', '.join(self.labels)}; or leave the label empty"
            if label == OTHER:
                fix += f'; for a third class, add "{OTHER}": true to dataset.json'
            raise ManifestError(f"unknown label {label!r}", fix=fix)
        return self.labels.index(label)
