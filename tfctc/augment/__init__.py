"""Augmentation of batches in the tf.data graph: one geometry for all channels, then light and noise for each channel.

Importing this package does not import TensorFlow; the first use of `Policy` or `AUGMENTATIONS` does.
"""

from typing import Any

__all__ = ["AUGMENTATIONS", "Policy"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tfctc.augment import policy

    return getattr(policy, name)
