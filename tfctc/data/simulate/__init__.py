"""Simulated paired cell images: bright-field and DAPI of leukocytes and CTCs, by the physics of the microscope.

The way of a cell: `population` draws the patient and the setup of the site, `anatomy` draws a cell and turns it
into maps of thickness and chromatin, `scene` puts it under the microscope, `optics` makes the two images a camera would
have seen, `generate` strings these together from one seed, `write` puts them into a folder.
Sources of the numbers: docs/simulation.md.
"""

from tfctc.data.simulate.generate import SimulatedCell, SimulationOptions, Truth, simulate_cells
from tfctc.data.simulate.write import write_dataset

__all__ = ["SimulatedCell", "SimulationOptions", "Truth", "simulate_cells", "write_dataset"]
