"""Intensities of both channels, by site."""

from typing import Any

import numpy as np

from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.data.inspect.check import CHECKS, Check
from tfctc.data.inspect.images import CellImages
from tfctc.data.inspect.section import Finding, Histograms, Part, Section, Table
from tfctc.data.inspect.survey import Survey

#: Edges of the bins of pixel values in [0, 1]; finer where it is dark, because DAPI is.
EDGES = np.linspace(0, 1, 129) ** 2
#: Number of groups that one plot shows.
MOST_GROUPS = 8
#: Largest pixel of a whole group, in bright-field, below which the declared bit depth is doubted: a 12-bit camera
#: whose images are declared to have 16 bits reaches 1/16.
DARK = 1 / 15
#: Share of a cell's pixels is stored in this many steps.
STEPS = 65_535


@CHECKS.register("intensities")
class Intensities(Check):
    """Histograms of the pixels, and the brightest pixel."""

    def measure(self, cell: CellImages) -> dict:
        return {
            "brightfield_histogram": _histogram(cell.brightfield),
            "dapi_histogram": np.zeros(len(EDGES) - 1, np.uint16) if cell.dapi is None else _histogram(cell.dapi),
            "brightfield_maximum": np.float32(cell.brightfield.max()),
            "dapi_maximum": np.float32(np.nan if cell.dapi is None else cell.dapi.max()),
        }

    def section(self, survey: Survey) -> Section:
        by, groups = survey.places()
        names, members = np.unique(groups, return_inverse=True)
        parts: list[Part] = []
        rows = []
        values: dict[str, dict[str, Any]] = {}
        for channel, title in ((BRIGHTFIELD, "Bright-field"), (DAPI, "DAPI")):
            histograms = survey.values[f"{channel}_histogram"]
            sums = np.zeros((len(names), histograms.shape[1]))
            np.add.at(sums, members, histograms)
            with np.errstate(invalid="ignore"):
                shares = sums / sums.sum(axis=1, keepdims=True)
            shown = np.flatnonzero(sums.any(axis=1))[:MOST_GROUPS]
            if len(shown):
                more = f", first {MOST_GROUPS} groups" if len(shown) < len(names) else ""
                lines = {str(names[i]): shares[i] for i in shown}
                parts.append(Histograms(f"{title} by {by}{more}", "pixel, share of full scale", EDGES, lines))
            for i in np.flatnonzero(sums.any(axis=1)):
                low, middle, high = np.interp([0.01, 0.5, 0.99], np.cumsum(shares[i]), EDGES[1:])
                rows.append((str(names[i]), title, f"{low:.3f}", f"{middle:.3f}", f"{high:.3f}"))
                values.setdefault(channel, {})[str(names[i])] = {"p01": low, "median": middle, "p99": high}
        if len(rows) <= 4 * MOST_GROUPS:
            parts.append(Table("Pixels, share of full scale", (by, "channel", "1 %", "median", "99 %"), rows))
        text = (
            "All pixels of the cells, divided by the full scale of the declared bit depth. Curves that differ between "
            "groups are no fault as such: but a network can tell the groups apart by them."
        )
        medians = [one["median"] for one in values[BRIGHTFIELD].values()]
        summary = f"median of bright-field {min(medians):.3f} to {max(medians):.3f} of full scale, by {by}"
        return Section("Intensities", 30, text, summary, parts, _dark_groups(survey, by, names, members), values)


def _histogram(image: np.ndarray) -> np.ndarray:
    # Bins of equal width in the root are found by a multiplication, far faster than by a search.
    bins = np.minimum((np.sqrt(image) * (len(EDGES) - 1)).astype(np.intp), len(EDGES) - 2)
    counts = np.bincount(bins.ravel(), minlength=len(EDGES) - 1)
    return np.rint(counts * (STEPS / image.size)).astype(np.uint16)


def _dark_groups(survey: Survey, by: str, names: np.ndarray, members: np.ndarray) -> list[Finding]:
    brightest = np.zeros(len(names))
    np.maximum.at(brightest, members, survey.values["brightfield_maximum"])
    dark = [str(name) for name in names[brightest < DARK]]
    if not dark:
        return []
    top, depth = brightest[brightest < DARK].max(), survey.manifest.facts.bit_depth
    return [
        Finding(
            f"No bright-field pixel is above {top:.1%} of full scale in {len(dark)} group(s) by {by}",
            f"Check the bit depth, which is {depth} here: a 12-bit camera needs --bit-depth 12 at the import.",
            groups=dark,
        )
    ]
