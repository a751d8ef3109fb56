"""Facts of a data set that its image files do not show, as the user gives them to an import."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI, DatasetFacts, FileNaming
from tfctc.errors import ConfigError

#: Largest side of the images of a data set.
MOST_SIDE = 4096


@dataclass(frozen=True)
class DatasetDescription:
    """Facts of a data set that its image files do not show.

    Args:
        name, classes, mpp, group, other, naming: as in `DatasetFacts`.
        bit_depth: channel -> significant bits of a pixel, 8 to 16; those of the files for a channel that is not there.
        size: height and width that images are cropped or padded to; None if all have one size.
        dapi_binning: as in `DatasetFacts`.
        rescale_mpp: micrometres per pixel that images are rescaled to; None if they are not.

    Raises:
        ManifestError: a value that no data set can have.
    """

    name: str
    classes: tuple[str, str] = ("leukocyte", "ctc")
    bit_depth: Mapping[str, int] = field(default_factory=dict)
    mpp: float | None = None
    group: str = "patient"
    size: tuple[int, int] | None = None
    dapi_binning: int = 1
    rescale_mpp: float | None = None
    other: bool = False
    naming: FileNaming | None = None

    def __post_init__(self):
        if self.size and not 1 <= max(self.size) <= MOST_SIDE:
            fix = "give the number of pixels of a cell's image, for example --size 48"
            raise ConfigError(f"--size must be up to {MOST_SIDE} px, got {max(self.size)}", fix=fix)
        # Reports a mistake before the files are read.
        self.facts(self.size or (1, 1), dict.fromkeys(CHANNELS, 16) | dict(self.bit_depth), self.mpp)
        self.facts((1, 1), dict.fromkeys(CHANNELS, 16), self.rescale_mpp)

    def facts(
        self,
        size: tuple[int, int],
        bit_depth: Mapping[str, int],
        mpp: float | None,
        files_mpp: float | None = None,
    ) -> DatasetFacts:
        """All facts, with the size, the bit depth of each channel and the scale of the images and of the files."""
        depth = bit_depth[BRIGHTFIELD]
        of_dapi = bit_depth.get(DAPI, depth)
        return DatasetFacts(
            self.name,
            self.classes,
            depth,
            size,
            mpp,
            self.group,
            dapi_bit_depth=of_dapi if of_dapi != depth else None,
            dapi_binning=self.dapi_binning,
            crop_or_pad=self.size is not None,
            files_mpp=files_mpp,
            rescaled=self.rescale_mpp is not None,
            other=self.other,
            naming=self.naming,
        )
