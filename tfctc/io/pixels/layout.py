"""Layout of the samples of one TIFF directory: size, type, and the place of each strip or tile in the file."""

from dataclasses import dataclass, replace

from tfctc.errors import ImageError
from tfctc.io.pixels.compression import NONE, PREDICTED, check_compression
from tfctc.io.pixels.plane import AGAIN, EXPORT_RAW, FIJI_TIFF, check_size
from tfctc.io.pixels.tags import Directory

WIDTH, LENGTH, BITS, COMPRESSION, FILL_ORDER, SAMPLES, PLANAR, PREDICTOR, FORMAT = (
    256,
    257,
    258,
    259,
    266,
    277,
    284,
    317,
    339,
)
STRIPS, ROWS_PER_STRIP, STRIP_BYTES = 273, 278, 279
TILE_WIDTH, TILE_LENGTH, TILES, TILE_BYTES = 322, 323, 324, 325
#: Values of SampleFormat -> kind of NumPy; 4 is "undefined", which libtiff takes for whole numbers.
KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
#: Largest number of samples of a pixel, and of strips and tiles.
MOST_SAMPLES, MOST_BLOCKS = 64, 2**16


@dataclass(frozen=True)
class Layout:
    """Layout of the samples of a TIFF directory.

    Args:
        width: pixels of a row.
        height: number of rows.
        samples: samples of a pixel.
        planar: whether each sample has strips of its own; otherwise those of a pixel lie together.
        bits: bits of a sample: 8 to 16, 32 or 64.
        kind: "u", "i" or "f", as in NumPy.
        order: byte order, "<" or ">".
        compression: value of the tag Compression.
        predictor: 1 (none), 2 (differences) or 3 (differences of the bytes of floats).
        block_width: pixels of a row of a tile; `width` for strips.
        block_height: rows of a strip or tile.
        tiled: whether the blocks are tiles, which are filled up at the right and below.
        offsets: position of each strip or tile in the file.
        counts: number of bytes of each in the file.
    """

    width: int
    height: int
    samples: int
    planar: bool
    bits: int
    kind: str
    order: str
    compression: int
    predictor: int
    block_width: int
    block_height: int
    tiled: bool
    offsets: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def across(self) -> int:
        """Number of strips or tiles beside one another."""
        return -(-self.width // self.block_width)

    @property
    def down(self) -> int:
        """Number of strips or tiles below one another."""
        return -(-self.height // self.block_height)

    @property
    def together(self) -> int:
        """Number of samples of a pixel in one strip or tile."""
        return 1 if self.planar else self.samples

    def row_bytes(self, width: int) -> int:
        """Bytes of a row of `width` pixels in one strip or tile; rows of packed samples end with a byte."""
        return (width * self.together * self.bits + 7) // 8

    def moved(self, number: int) -> "Layout":
        """Layout of the `number`-th image behind this one, 0 for itself, where all have the same layout without gaps.

        Raises:
            ImageError: the images are compressed or not in one piece.
        """
        starts, size = self.offsets, sum(self.counts)
        ends = [start + count for start, count in zip(self.offsets, self.counts, strict=True)]
        if self.compression != NONE or any(end != start for end, start in zip(ends, starts[1:], strict=False)):
            raise ImageError("holds a stack whose images cannot be found one by one", fix=FIJI_TIFF)
        return replace(self, offsets=tuple(start + number * size for start in starts))


def layout_of(directory: Directory) -> Layout:
    """The layout of a directory whose samples can be read.

    Raises:
        ImageError: tags that are missing or contradict each other, a compression or type that is not read, or an image
            that is too large.
        EOFError: tags that are not in the file.
    """
    width, height = directory.number(WIDTH, 0), directory.number(LENGTH, 0)
    samples, planar = directory.number(SAMPLES, 1), directory.number(PLANAR, 1)
    if not 0 < samples <= MOST_SAMPLES:
        raise ImageError(f"has {samples} samples a pixel, 1 to {MOST_SAMPLES} expected", fix=FIJI_TIFF)
    if planar not in (1, 2):
        raise ImageError(f"is damaged: PlanarConfiguration is {planar}, 1 or 2 expected", fix=AGAIN)
    compression, predictor = directory.number(COMPRESSION, NONE), directory.number(PREDICTOR, 1)
    check_compression(compression)
    if directory.number(FILL_ORDER, 1) != 1:
        raise ImageError("has the bits of each byte in reverse order (TIFF tag FillOrder)", fix=FIJI_TIFF)
    bits, kind = _sample_type(directory)
    check_size(width, height, bits / 8 * (1 if planar == 2 else samples))
    possible = (2, 3) if kind == "f" else (2,)
    if predictor != 1 and (predictor not in possible or compression not in PREDICTED or bits not in (8, 16, 32, 64)):
        raise ImageError(f"has the TIFF predictor {predictor}, which does not go with its pixels", fix=FIJI_TIFF)
    tiled = TILES in directory
    _, blocks, _ = directory.entries.get(TILES if tiled else STRIPS, (0, 0, b""))
    if blocks > MOST_BLOCKS:
        problem = f"is cut into {blocks} strips or tiles, {MOST_BLOCKS} at most are read"
        raise ImageError(problem, fix=FIJI_TIFF)
    if tiled:
        block_width, block_height = directory.number(TILE_WIDTH, 0), directory.number(TILE_LENGTH, 0)
        check_size(block_width, block_height, bits / 8 * (1 if planar == 2 else samples))
    else:
        block_width, block_height = width, min(directory.number(ROWS_PER_STRIP, height), height)
    offsets, counts = (
        directory.numbers(TILES if tiled else STRIPS),
        directory.numbers(TILE_BYTES if tiled else STRIP_BYTES),
    )
    if not offsets or block_height < 1:
        raise ImageError("is damaged: it does not say where its pixels are", fix=AGAIN)
    if not counts and compression == NONE and not tiled:  # Old programs leave them out.
        row_bytes = (width * (1 if planar == 2 else samples) * bits + 7) // 8
        down = -(-height // block_height)
        tops = [number % down * block_height for number in range(len(offsets))]
        counts = tuple(min(block_height, height - top) * row_bytes for top in tops)
    layout = Layout(
        width, height, samples, planar == 2, bits, kind, directory.order, compression, predictor,
        block_width, block_height, tiled, offsets, counts,
    )  # fmt: skip
    _check_blocks(layout)
    return layout


def _sample_type(directory: Directory) -> tuple[int, str]:
    """Bits of a sample, and its kind in NumPy."""
    bits, formats = set(directory.numbers(BITS, (1,))), set(directory.numbers(FORMAT, (1,)))
    if len(bits) > 1 or len(formats) > 1:
        raise ImageError("has samples of different types", fix=EXPORT_RAW)
    depth, kind = bits.pop(), KINDS.get(formats.pop())
    if kind is None:
        raise ImageError("has complex numbers or samples of an unknown type", fix=EXPORT_RAW)
    if depth < 8:
        problem = f"has {depth} bit{'s' * (depth > 1)} a pixel (a mask or labels), 8 to 16 expected"
        raise ImageError(problem, fix="export the raw counts, with 8 or 16 bits")
    known = {"u": (*range(8, 17), 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}[kind]
    if depth not in known:
        name = {"u": "", "i": "signed ", "f": "float "}[kind]
        raise ImageError(f"has {name}samples of {depth} bits, which are not read", fix=EXPORT_RAW)
    return depth, kind


def _check_blocks(layout: Layout) -> None:
    blocks = layout.across * layout.down * (layout.samples if layout.planar else 1)
    if len(layout.offsets) != blocks or len(layout.counts) != blocks:
        have = min(len(layout.offsets), len(layout.counts))
        raise ImageError(f"is damaged: it has {have} strips or tiles, {blocks} expected", fix=AGAIN)
    check_size(layout.across * layout.block_width, layout.down * layout.block_height, layout.bits / 8 * layout.together)
