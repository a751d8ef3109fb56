"""Batches streamed from the tfrecords, in constant memory. A seed alone decides them, whatever the parallelism.

A training batch is ``(x, y, sample_weight)``. `x` is a dictionary of the channels, float32 ``(B, H, W, 1)`` in [0, 1],
`dapi_present`, float32 ``(B,)``, and, where there are such, `fold`, int32 ``(B,)``, and `soft_label`, float32
``(B, K)``. `y` is the class index, int32 ``(B,)``, and `sample_weight` is float32 ``(B,)``. A cell without a label has
`y` 0 and weight 0.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import tensorflow as tf
import tensorflow_datasets as tfds

from tfctc.cells import BRIGHTFIELD, DAPI_PRESENT, OTHER_INDEX, PLAIN_BRIGHTFIELD, UNLABELLED
from tfctc.data.builder import Cells, pixel_bytes, without_warnings
from tfctc.data.manifest import IDS
from tfctc.data.selection import ALL, FOLD, LABELLED, Selection, as_written, visible_to
from tfctc.data.soft_labels import SOFT_LABEL, SoftLabels

#: Limits of the shuffle buffer: number of cells, and bytes of their pixels; the lower limit counts. The tfrecords are
#: shuffled already, so the buffer only makes the epochs differ.
SHUFFLE_CELLS, SHUFFLE_BYTES = 4096, 2**28
#: Bytes of a cached record beside its pixels (ids, label, overhead), roughly measured.
RECORD_BYTES = 300


def records(
    builder: Cells,
    split: str,
    channels: tuple[str, ...],
    *,
    ids: bool = True,
    selection: Selection = ALL,
    soft_labels: SoftLabels | None = None,
    cache_mb: int = 0,
    parallelism: int = tf.data.AUTOTUNE,
) -> tf.data.Dataset:
    """Single records of a split, as stored and in fixed order: label, `dapi_present` and the channels.

    Args:
        builder: the built data set.
        split: "train", "validation" or "test".
        channels: channels to read; the others are not decoded.
        ids: whether records also hold `cell_id`, `patient_id` and `site`.
        selection: the cells to read.
        soft_labels: those of the training cells, which are added to the records; None for none.
        cache_mb: megabytes of memory. If all selected records fit, they are kept there as integers.
        parallelism: number of records decoded at the same time.
    """
    read_ids = set(IDS) if ids else selection.ids | ({"cell_id"} if soft_labels else set())
    features = {*read_ids, "label", DAPI_PRESENT, *channels}
    with without_warnings():
        dataset = builder.as_dataset(
            split=split,
            decoders=tfds.decode.PartialDecoding({name: True for name in features}),
            read_config=tfds.ReadConfig(try_autocache=False, num_parallel_calls_for_decode=parallelism),
            shuffle_files=False,
        )
    if selection != ALL:
        dataset = selection(dataset)
    if soft_labels:
        dataset = soft_labels.attached(dataset)
    if not ids and read_ids:
        dataset = dataset.map(as_written(lambda record: {name: record[name] for name in record if name not in IDS}))
    if not cache_mb:
        return dataset
    record_bytes = pixel_bytes(builder.facts, channels) + RECORD_BYTES
    return dataset.cache() if count(builder, split, selection) * record_bytes <= cache_mb * 2**20 else dataset


def train_batches(
    builder: Cells,
    channels: tuple[str, ...],
    *,
    draw: Sequence[tuple[Selection, int]],
    seed: int,
    augment: Callable[[Mapping[str, tf.Tensor], tf.Tensor], Mapping[str, tf.Tensor]],
    class_weights: tuple[float, ...] | None = None,
    soft_labels: SoftLabels | None = None,
    plain: bool = False,
    start_step: int = 0,
    cache_mb: int = 1024,
    parallelism: int = tf.data.AUTOTUNE,
) -> tf.data.Dataset:
    """Endless stream of augmented training batches; every pass over the cells has its own order and augmentation.

    Args:
        builder: the built data set.
        channels: channels of a batch.
        draw: composition of a batch: selections, each with its number of cells.
        seed: seed of order and augmentation.
        augment: function ``(channels, seed) -> channels`` of a batch; the seed is int32 ``(2,)``.
        class_weights: sample weight of a cell of each class, in the order of the class indices; None is 1 for all.
        soft_labels: soft labels of the training cells, which also say how often a cell without a label is drawn.
        plain: whether a batch also has the bright-field images without augmentation, as "plain_brightfield".
        start_step: number of batches to skip, so that a resumed training goes on with the same batches.
        cache_mb: megabytes of memory for decoded records of each selection.
        parallelism: number of parallel calls.
    """

    def drawn(selection, size, order_seed):
        cells = records(
            builder,
            "train",
            channels,
            ids=False,
            selection=selection,
            soft_labels=soft_labels,
            parallelism=parallelism,
            cache_mb=cache_mb,
        )
        if soft_labels and selection.labels == "unlabelled":
            cells = soft_labels.drawn(cells)
        held = max(1, min(SHUFFLE_CELLS, SHUFFLE_BYTES // pixel_bytes(builder.facts, channels)))
        passed, skipped = divmod(start_step * size, pass_length(builder, selection, soft_labels))

        @as_written
        def one_pass(number):
            # `shuffle` mixes in the global seed. It is fixed here, in the graph of this function only, so that no
            # caller's global seed changes the order.
            tf.random.set_seed(1)
            pass_seed = tf.stack([order_seed, tf.cast(number, tf.int32)])
            order = tf.random.stateless_uniform((), pass_seed, maxval=tf.int64.max, dtype=tf.int64)
            return cells.shuffle(held, seed=order, reshuffle_each_iteration=False)

        stream = tf.data.Dataset.range(passed, tf.int64.max).flat_map(one_pass).skip(skipped)
        # Batches are made before pixels are converted: a call costs as much for one cell as for a whole batch.
        return stream.batch(size, drop_remainder=True)

    @as_written
    def prepare(parts, number):
        batch = parts[0] if len(parts) == 1 else {name: tf.concat([p[name] for p in parts], 0) for name in parts[0]}
        x, y, weight = _examples(builder, channels, batch)
        if class_weights is not None:
            weight *= tf.gather(tf.constant(class_weights, tf.float32), y)
        augmented = augment({name: x[name] for name in channels}, tf.stack([seed, tf.cast(number, tf.int32)]))
        kept = {PLAIN_BRIGHTFIELD: x[BRIGHTFIELD]} if plain else {}
        return {**x, **kept, **augmented}, y, weight

    parts = tuple(drawn(selection, size, (seed + i) % 2**31) for i, (selection, size) in enumerate(draw))
    numbered = tf.data.Dataset.zip((parts, tf.data.Dataset.range(start_step, tf.int64.max)))
    return numbered.map(prepare, num_parallel_calls=parallelism, deterministic=True).prefetch(tf.data.AUTOTUNE)


def eval_batches(
    builder: Cells, split: str, channels: tuple[str, ...], batch_size: int, selection: Selection = LABELLED
) -> tf.data.Dataset:
    """Batches of each selected cell of a split once, in fixed order, not augmented; ``(x, y, sample_weight)``."""
    batches = records(builder, split, channels, ids=False, selection=selection).batch(batch_size)
    examples = as_written(lambda batch: _examples(builder, channels, batch))
    batches = batches.map(examples, tf.data.AUTOTUNE, deterministic=True)
    batches = batches.prefetch(tf.data.AUTOTUNE)
    return batches.apply(
        tf.data.experimental.assert_cardinality(math.ceil(count(builder, split, selection) / batch_size))
    )


def labelled_batches(builder: Cells, split: str, channels: tuple[str, ...], batch_size: int) -> tf.data.Dataset:
    """`id_batches` of the labelled cells of a split that have all `channels`."""
    return id_batches(builder, split, channels, batch_size, visible_to(channels))


def id_batches(
    builder: Cells, split: str, channels: tuple[str, ...], batch_size: int, selection: Selection
) -> tf.data.Dataset:
    """Batches of the selected cells of a split with their ids, in fixed order, not augmented.

    Returns:
        Batches ``{channel: float32 (B, H, W, 1) in [0, 1], "cell_id", "patient_id", "site": bytes, "label": int32}``,
        and "fold": int32 where there are folds.
    """
    cells = records(builder, split, channels, selection=selection)

    @as_written
    def select(batch):
        names = {name: batch[name] for name in (*IDS, "label", FOLD) if name in batch}
        return names | {channel: _to_unit(builder, batch[channel], channel) for channel in channels}

    return cells.batch(batch_size).map(select, tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


@lru_cache(maxsize=64)
def label_counts(builder: Cells, split: str, selection: Selection = ALL) -> tuple[int, int, int, int]:
    """Numbers of negative, positive, other and unlabelled cells among the selected cells of a split."""
    counts = [0, 0, 0, 0]
    if not builder.info.splits[split].num_examples:
        return 0, 0, 0, 0  # tensorflow-datasets cannot read a split without a record.
    cells = records(builder, split, (), ids=False, selection=selection)
    for batch in cells.map(as_written(lambda record: record["label"])).batch(1024).as_numpy_iterator():
        for i, value in enumerate((0, 1, OTHER_INDEX, UNLABELLED)):
            counts[i] += int((batch == value).sum())
    negative, positive, other, unlabelled = counts
    return negative, positive, other, unlabelled


def count(builder: Cells, split: str, selection: Selection = LABELLED) -> int:
    """Number of selected cells of a split."""
    return sum(label_counts(builder, split, selection))


def pass_length(builder: Cells, selection: Selection, soft_labels: SoftLabels | None = None) -> int:
    """Number of draws in one pass over the selected training cells: each once, or as often as `soft_labels` say."""
    if soft_labels and selection.labels == "unlabelled":
        return soft_labels.pass_length
    return count(builder, "train", selection)


def missing_classes(builder: Cells, split: str, selection: Selection = LABELLED) -> list[str]:
    """Names of the classes of which a split has no selected cell, the negative class first."""
    counts = label_counts(builder, split, selection)[:2]
    return [name for name, cells in zip(builder.facts.classes, counts, strict=True) if not cells]


def class_weights(builder: Cells, selection: Selection = LABELLED) -> tuple[float, ...]:
    """Sample weight of a cell of each class that gives all classes the same total weight.

    The formula is that of scikit-learn's `class_weight="balanced"`: cells / (classes * cells of the class). A class
    without a cell does not count; its weight is 1.
    """
    counts = label_counts(builder, "train", selection)[: len(builder.facts.labels)]
    share = sum(counts) / sum(map(bool, counts))
    return tuple(share / count if count else 1.0 for count in counts)


def network_prior(builder: Cells, selection: Selection, balanced: bool) -> tuple[float, float]:
    """Weights of the classes among the selected training cells, as a network is trained on them.

    Args:
        builder: the built data set.
        selection: labelled cells.
        balanced: whether the classes have the sample weights of `class_weights`; otherwise every cell has the same.

    Returns:
        The share of the weight that the positive cells have; and the logarithm of the weight of a negative cell over
        that of an other one, 0 without a class other.
    """
    counts = label_counts(builder, "train", selection)[: len(builder.facts.labels)]
    weights = class_weights(builder, selection) if balanced else (1.0,) * len(counts)
    total = sum(count * weight for count, weight in zip(counts, weights, strict=True))
    return counts[1] * weights[1] / total, math.log(weights[0] / weights[-1]) if builder.facts.other else 0.0


def _examples(
    builder: Cells, channels: tuple[str, ...], batch: Mapping[str, tf.Tensor]
) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
    facts = {name: batch[name] for name in (DAPI_PRESENT, FOLD, SOFT_LABEL) if name in batch}
    x = {channel: _to_unit(builder, batch[channel], channel) for channel in channels} | facts
    return x, tf.maximum(batch["label"], 0), tf.cast(batch["label"] != UNLABELLED, tf.float32)


def _to_unit(builder: Cells, pixels: tf.Tensor, channel: str) -> tf.Tensor:
    """Pixels in [0, 1]. Divided as in `tfctc.io.images.to_unit`: a product with the reciprocal rounds differently."""
    return tf.cast(pixels, tf.float32) / tf.constant(builder.facts.channel(channel).full_scale, tf.float32)
