"""Kind of teacher "network": the trained teacher network, or one network for each fold."""

import numpy as np
import tensorflow as tf

from tfctc.distill.teacher_kinds.base import TEACHER_KINDS, Opinion, TeacherKind, TeachingCells


def ask(cells: TeachingCells) -> Opinion:
    """Logits of the networks.

    A cell of a fold is judged by the network that was trained without this fold. Any other cell is judged by all
    networks: its logits are the logarithm of their mean probability.
    """
    networks = cells.networks
    runs = [tf.function(lambda x, network=network: network(x, training=False), autograph=False) for network in networks]
    found: list[list[np.ndarray]] = [[] for _ in networks]
    for batch in cells.batches(tuple(networks[0].input)):
        for run, parts in zip(runs, found, strict=True):
            parts.append(run({name: batch[name] for name in networks[0].input}).numpy())
    logits = np.stack([np.concatenate(parts) for parts in found]).astype(np.float64)
    if len(networks) == 1:
        return Opinion(logits[0], cells.label < 0)
    log_probability = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    mean = np.logaddexp.reduce(log_probability, axis=0) - np.log(len(networks))
    own = logits[np.maximum(cells.fold, 0), np.arange(len(cells.fold))]
    return Opinion(np.where(cells.fold[:, None] >= 0, own, mean), np.full(len(mean), True))


TEACHER_KINDS.register("network")(TeacherKind(ask, network=True))
