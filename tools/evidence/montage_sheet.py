"""Picture for the README: test cells of a run, bright-field above DAPI, with the student's probability below.

    python tools/evidence montage-sheet RUN --out docs/montage.png

The cells are drawn at random from the run's test split, as many CTCs as leukocytes. First run `tfctc evaluate RUN`.
"""

import csv
from pathlib import Path

import numpy as np
from common import CheckError
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from tfctc.data.manifest import Manifest
from tfctc.io.images import read_channel
from tfctc.runs.folder import PREDICTIONS, RunFolder

DPI = 110
RIGHT, WRONG = "#1a7f37", "#b42318"


def add_options(parser) -> None:
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--cells", type=int, default=8, help="number of cells, half of them CTCs (default: 8)")
    parser.add_argument("--seed", type=int, default=0)


def grey(counts: np.ndarray, low: float, high: float) -> np.ndarray:
    """Image ``(H, W)`` in [0, 1] from pixels ``(H, W, 1)``, with black at `low` and white at `high`."""
    return np.clip((counts[..., 0].astype(float) - low) / (high - low), 0, 1)


def chosen(rows: list[dict[str, str]], classes: tuple[str, str], number: int, seed: int) -> list[dict[str, str]]:
    """Random rows of the table of predictions, half of each class, the positive class first."""
    rng, found = np.random.default_rng(seed), []
    for label in reversed(classes):
        own = [row for row in rows if row["truth"] == label]
        found += [own[i] for i in rng.choice(len(own), number // 2, replace=False)]
    return found


def draw(options) -> Image.Image:
    run = RunFolder.open(options.run)
    if not (run.folder / PREDICTIONS).exists():
        raise CheckError(f"{run.folder} has no {PREDICTIONS}; first: tfctc evaluate {run.folder}")
    manifest = Manifest.open(run.config.data)
    facts, threshold = manifest.facts, run.operating_point["threshold"]
    with (run.folder / PREDICTIONS).open(newline="", encoding="utf-8") as file:
        rows = chosen(list(csv.DictReader(file)), facts.classes, options.cells, options.seed)
    wanted = {row["cell_id"] for row in rows}
    cells = {cell.cell_id: cell for cell in manifest.cells() if cell.cell_id in wanted}
    images = {
        channel: [read_channel(getattr(cells[row["cell_id"]], channel), facts) for row in rows]
        for channel in ("brightfield", "dapi")
    }
    figure = Figure(figsize=(1.15 * len(rows) + 0.9, 3.1), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(rows))
    for row, (channel, title) in zip(axes, (("brightfield", "bright-field"), ("dapi", "DAPI")), strict=True):
        low, high = np.percentile(np.stack(images[channel]), (0.2, 99.8))
        for axis, counts in zip(row, images[channel], strict=True):
            axis.imshow(grey(counts, low, high), cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(title, fontsize=11)
    for above, axis, row in zip(axes[0], axes[1], rows, strict=True):
        probability = float(row[f"p_{facts.positive}"])
        right = (probability >= threshold) == (row["truth"] == facts.positive)
        above.set_title("CTC" if row["truth"] == "ctc" else row["truth"], fontsize=11)
        axis.set_xlabel(f"{probability:.2f}", fontsize=12, color=RIGHT if right else WRONG, fontweight="bold")
    kind = "simulated cells; " if facts.simulated else ""
    figure.supxlabel(
        f"{kind}probability of a CTC from bright-field alone; threshold {threshold:.2f}, green: right, red: wrong",
        fontsize=10,
    )
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
