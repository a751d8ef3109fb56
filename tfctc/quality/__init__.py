"""Quality of an image: whether it looks like the images of single cells that the model was trained on. NumPy alone.

- `features`: numbers that describe an image.
- `density`: how likely these numbers are among the training images; learnt by `tfctc.exporters.quality_model`.
- `limits`: limits of four measures, in files of earlier versions.
- `faults`: "ok", or the names of what is wrong.
"""

from tfctc.quality.faults import OK, describe_quality, read_quality

__all__ = ["OK", "describe_quality", "read_quality"]
