"""Augmentation in the tf.data graph: geometry shared by the channels, then illumination and noise on each one's terms.

Importing this package does not import TensorFlow; touching `Policy` or `AUGMENTATIONS` does.
"""

from typing import Any

__all__ = ["AUGMENTATIONS", "Policy"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tfctc.augment import policy

    return getattr(policy, name)
