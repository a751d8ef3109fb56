"""Data sets as `tf.data.Dataset`: `tfctc.load_dataset`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfctc.cells import CHANNELS, SPLITS
from tfctc.errors import ConfigError
from tfctc.progress import Progress, silent
from tfctc.system.startup import start_tensorflow

if TYPE_CHECKING:
    import tensorflow as tf


def load_dataset(
    data: str | Path,
    split: str = "train",
    *,
    channels: tuple[str, ...] = CHANNELS,
    batch_size: int = 32,
    labels: str = "labelled",
    augment: Mapping[str, Mapping[str, Any]] | None = {},  # noqa: B006  (never changed)
    shuffle: bool | None = None,
    seed: int = 0,
    by: str = "patient_id",
    validation: float = 0.2,
    test: float = 0.2,
    progress: Progress = silent,
) -> "tf.data.Dataset":
    """Batches of one split of a data set, split by patient exactly as `tfctc.fit` with the same seed and shares.

    Args:
        data: data set folder.
        split: "train", "validation" or "test".
        channels: channels to read.
        batch_size: number of cells in a batch.
        labels: "labelled" cells, "unlabelled" ones, or "all".
        augment: augmentation as in the settings, applied to shuffled batches only; None for the default policy, {} for
            none.
        shuffle: True for an endless stream of shuffled batches, as for training; False for one pass in order. None
            shuffles the train split only.
        seed: seed of the split, of the order and of the augmentation.
        by, validation, test: as in `tfctc.config.SplitConfig`.
        progress: called with the progress of long tasks.

    Returns:
        Batches ``(x, y, sample_weight)``. `x`: channel -> float32 ``(B, H, W, 1)`` in [0, 1], and ``dapi_present``
        float32 ``(B,)``. `y`: int32 ``(B,)``, 0 for the negative class and for cells without a label. `sample_weight`:
        float32 ``(B,)``, 0 for cells without a label.

    Raises:
        TfctcError: data or arguments that cannot be used.
    """
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    unknown = set(channels) - set(CHANNELS)
    if unknown or not channels:
        raise ConfigError(f"channels must be one or more of {', '.join(CHANNELS)}, got {list(channels)}")
    start_tensorflow()
    from tfctc.augment.policy import Policy
    from tfctc.config import RunConfig, from_dict
    from tfctc.data.builder import build
    from tfctc.data.manifest import Manifest
    from tfctc.data.pipeline import eval_batches, train_batches
    from tfctc.data.selection import Selection
    from tfctc.data.splits import Splits

    config = from_dict(RunConfig, {"seed": seed, "split": {"by": by, "validation": validation, "test": test}})
    manifest = Manifest.open(data)
    builder = build(manifest, Splits.make(manifest, config), progress=progress)
    selection = Selection(labels)
    if shuffle if shuffle is not None else split == "train":
        if split != "train":
            raise ConfigError(f"only the train split can be shuffled, got {split!r}", fix="leave out shuffle")
        draw = [(selection, batch_size)]
        return train_batches(builder, tuple(channels), draw=draw, seed=seed, augment=Policy.from_config(augment))
    return eval_batches(builder, split, tuple(channels), batch_size, selection)
