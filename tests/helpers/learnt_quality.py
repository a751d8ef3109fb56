"""Quality learnt from simulated cells of some patients, and images of the others."""

from functools import lru_cache

import numpy as np

from tfctc.data.simulate import SimulationOptions, simulate_cells, simulate_damaged
from tfctc.exporters.quality_model import learn_quality

OPTIONS = SimulationOptions(patients=12, sites=2, size=32, mpp=1.28)
FULL_SCALE, SEED, OTHERS = 4095, 1, (9, 10, 11)


def unit(counts):
    """Counts of 12 bits as the predictor has them."""
    return (np.asarray(counts) / np.float32(FULL_SCALE)).astype(np.float32)


@lru_cache
def simulated_cells():
    """Images ``(N, 32, 32)`` in [0, 1] and patients to learn from, and images of others. Change none of them."""
    cells = list(simulate_cells(800, seed=SEED, options=OPTIONS))
    images, patients = unit([cell.brightfield for cell in cells]), np.array([c.cell.patient_id for c in cells])
    ours = np.isin(patients, [f"patient{number:03d}" for number in OTHERS])
    return images[~ours], patients[~ours], images[ours]


@lru_cache
def simulated_quality():
    """The values in a record that are learnt from these cells."""
    images, patients, _ = simulated_cells()
    return learn_quality(images, patients)


def damaged(kind, n):
    """Damaged images ``(n, 32, 32)`` of the other patients."""
    return unit(list(simulate_damaged(kind, n, seed=SEED, options=OPTIONS, patients=OTHERS)))
