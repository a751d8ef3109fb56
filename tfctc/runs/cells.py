"""Digests of the cells that a run has used, to check later whether the data set still has the same cells."""

from tfctc.data.manifest import Manifest
from tfctc.data.splits import Splits
from tfctc.io.duplicates import fingerprint

#: Key in the run's record -> split of the cells, and words for their use in error messages.
CELLS_USED = {"learnt_from": ("train", "has learnt from"), "chosen_by": ("validation", "was chosen by")}


def cell_digests(manifest: Manifest, splits: Splits) -> dict[str, str]:
    """Key of `CELLS_USED` -> 64-bit digest of the cell ids of that split, which does not depend on their order."""
    sums = dict.fromkeys(CELLS_USED, 0)
    keys = {split: key for key, (split, _) in CELLS_USED.items()}
    for cell in manifest.index:
        if key := keys.get(splits.of(cell)):
            sums[key] += fingerprint(cell.cell_id)
    return {key: f"{total % 2**64:016x}" for key, total in sums.items()}
