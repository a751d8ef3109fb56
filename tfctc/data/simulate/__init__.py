"""Simulated pairs of cell images: bright-field and DAPI of leukocytes and CTCs, by the physics of the microscope.

The modules, in the order in which a cell passes them:

- `population`: random patients, and random microscopes of the sites.
- `anatomy`: a random cell, and its maps of thickness and chromatin.
- `scene`: the cell, its neighbours and debris in the field of view.
- `optics`: the images that the microscope and the camera make of them.
- `generate`: all of these from one seed.
- `damage`: images of something else than one whole, sharp cell.
- `write`: the images in a data set folder.

Sources of the numbers: docs/simulation.md.
"""

from tfctc.data.simulate.damage import DAMAGE, simulate_damaged
from tfctc.data.simulate.generate import SimulatedCell, SimulationOptions, Truth, simulate_cells
from tfctc.data.simulate.write import write_dataset

__all__ = [
    "DAMAGE",
    "SimulatedCell",
    "SimulationOptions",
    "Truth",
    "simulate_cells",
    "simulate_damaged",
    "write_dataset",
]
