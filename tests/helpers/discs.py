"""Images of one disc, for tests of measurements."""

import numpy as np


def disc(size=32, radius=6.0, down=0.0, right=0.0, level=0.3, height=0.4, noise=0.01, seed=0):
    """A disc on a flat background, with noise: ``(size, size)``, values in [0, 1] for the defaults."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    inside = np.clip(radius + 0.5 - np.hypot(rows - down, columns - right), 0, 1)
    return level + height * inside + np.random.default_rng(seed).normal(0, noise, (size, size))
