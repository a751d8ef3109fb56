"""Shortcuts: single numbers, and the site or patient, from which the label can be guessed."""

from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

from tfctc.cells import DatasetFacts
from tfctc.data.inspect.check import CHECKS, Check
from tfctc.data.inspect.images import CellImages, border_mask, noise
from tfctc.data.inspect.section import Finding, Intervals, Part, Section, Table
from tfctc.data.inspect.survey import Survey
from tfctc.io.names import plural


class Quantity(NamedTuple):
    """A number of one cell.

    Args:
        title: its name.
        of_cell: whether it is a property of the cell; if not, it comes from the instrument or the preparation.
    """

    title: str
    of_cell: bool


QUANTITIES = {
    "cell_area": Quantity("cell size (area in bright-field)", True),
    "cell_contrast": Quantity("contrast of the cell in bright-field", True),
    "brightfield_mean": Quantity("mean of bright-field", True),
    "brightfield_background": Quantity("background of bright-field", False),
    "brightfield_noise": Quantity("noise of bright-field", False),
    "nucleus_area": Quantity("nucleus size (area in DAPI)", True),
    "dapi_total": Quantity("total DAPI", True),
    "dapi_mean": Quantity("mean DAPI of the nucleus", True),
    "dapi_background": Quantity("background of DAPI", False),
}
#: AUROC of a property of the cell from which it nearly replaces the image; nuclear size alone reaches 0.95 between
#: cultured tumor cells and leukocytes.
OF_CELL = 0.9
#: AUROC of a property of the instrument from which it is named. It should be 0.5. The halo of a large cell reaches the
#: border of a narrow image: the background of the Jurkat images, 40 px wide, has 0.72 by a difference of one count.
OF_INSTRUMENT = 0.8
#: Cramer's V between site and label from which the site is named: a large association (Cohen 1988, w = 0.5).
ASSOCIATION = 0.5
#: Share of the labelled cells, in patients with one class only, from which the patient is named.
ONE_CLASS = 0.9
#: Fewest labelled cells of a class and of a site for a judgement.
FEWEST = 20
#: Fewest patients with a class whose interval may take a finding back: that of two patients holds nearly everything.
FEWEST_PATIENTS = 4


@CHECKS.register("shortcuts")
class Shortcuts(Check):
    """AUROC of simple numbers alone, and the association of site and patient with the label."""

    def measure(self, cell: CellImages) -> dict:
        border = border_mask(cell.brightfield.shape)
        values = dict.fromkeys(QUANTITIES, np.nan) | {
            "brightfield_mean": cell.brightfield.mean(),
            "brightfield_background": np.median(cell.brightfield[border]),
            "brightfield_noise": noise(cell.brightfield),
        }
        if cell.cell.any():
            values |= {"cell_area": cell.cell.sum(), "cell_contrast": cell.flat[cell.cell].std()}
        if cell.dapi is not None:
            background = np.median(cell.dapi[border])
            values |= {"dapi_background": background, "dapi_total": (cell.dapi - background).sum()}
            if cell.nucleus.any():
                mean = cell.dapi[cell.nucleus].mean() - background
                values |= {"nucleus_area": cell.nucleus.sum(), "dapi_mean": mean}
        return {name: np.float32(value) for name, value in values.items()}

    def section(self, survey: Survey) -> Section:
        facts, labels, patients = survey.manifest.facts, survey.labels, survey.column("patient_id")
        title, place = "Shortcuts", 70
        if min(np.bincount(labels[labels >= 0], minlength=2)) < 2:
            text = "Two labelled cells of each class are needed."
            return Section(title, place, text, "not measured: too few labels")
        found = {}
        for name in QUANTITIES:
            value = survey.values[name]
            known = (labels >= 0) & np.isfinite(value)
            if min(np.bincount(labels[known], minlength=2)) >= 2:
                found[name] = clustered_auroc(labels[known], value[known], patients[known])
        few = min(len(np.unique(patients[labels == i])) for i in (0, 1)) < FEWEST_PATIENTS
        findings = _number_findings(found, facts.positive, facts.negative, few)
        shown = {QUANTITIES[name].title: one for name, one in found.items()}
        parts: list[Part] = [Intervals("AUROC of one number alone", "AUROC; 0.5 is a guess", shown, 0.5, OF_CELL - 0.5)]
        values: dict[str, Any] = {"auroc": {name: _plain(one) for name, one in found.items()}}
        sites = survey.column("site")
        labelled = labels >= 0
        for by, groups in (("site", sites), (facts.group, patients)):
            names, counts = label_counts(groups[labelled], labels[labelled])
            if len(names) < 2:
                continue
            association = cramers_v(counts)
            values.setdefault("cramers_v", {})[by] = association
            if by == "site":
                rows = [
                    (name or "no site", *row, f"{row[1] / row.sum():.0%}")
                    for name, row in zip(names, counts, strict=True)
                ]
                headers = ("site", *facts.classes, f"share {facts.positive}")
                parts.append(Table(f"Labels by site: Cramer's V {association:.2f} (0 none, 1 complete)", headers, rows))
                findings += _site_findings(names, counts, association, facts.classes)
            else:
                findings += _patient_findings(names, counts, facts)
        text = (
            "AUROC of one number alone, with a 95 % interval by "
            f"{facts.group}. A size that separates the classes is biology as well as a shortcut: tumor cells are often "
            "larger, but a network that learns size alone fails on small tumor cells and large leukocytes. "
            "Background and noise should be at 0.5: a cell does not change them."
        )
        strongest = max(found, key=lambda name: abs(found[name][0] - 0.5))
        auroc = found[strongest][0]
        lower = f", lower in {facts.positive}" if auroc < 0.5 else ""
        summary = f"strongest single number: {QUANTITIES[strongest].title}, AUROC {max(auroc, 1 - auroc):.2f}{lower}"
        return Section(title, place, text, summary, parts, findings, values)


def clustered_auroc(labels: np.ndarray, values: np.ndarray, groups: np.ndarray) -> tuple[float, float, float]:
    """AUROC with a 95 % interval that takes cells of one patient as dependent (Obuchowski 1997, Biometrics 53:567).

    Args:
        labels: ``(N,)`` 0 or 1, each at least once.
        values: ``(N,)``.
        groups: ``(N,)`` the patient of each cell.

    Returns:
        AUROC, low and high; low and high are NaN for one patient or an AUROC of 0 or 1. The interval is symmetric in
        the logit of the AUROC, and has Student's t for the number of patients that hold the rarer class.
    """
    auroc = float(roc_auc_score(labels, values))
    names, members = np.unique(groups, return_inverse=True)
    if len(names) < 2 or auroc in (0.0, 1.0):
        return auroc, np.nan, np.nan
    positive = labels == 1
    # Share of the other class that a cell outranks, or that outranks it; ties count one half.
    ranks = stats.rankdata(values)
    of_class = np.zeros(len(values))
    for mask in (positive, ~positive):
        of_class[mask] = stats.rankdata(values[mask])
    placement = (ranks - of_class) / np.where(positive, (~positive).sum(), positive.sum())
    placement = np.where(positive, placement, 1 - placement) - auroc
    sums = [np.bincount(members[mask], placement[mask], minlength=len(names)) for mask in (positive, ~positive)]
    m, n = positive.sum(), (~positive).sum()
    holders = [len(np.unique(members[mask])) for mask in (positive, ~positive)]
    variance = 2 * len(names) / (len(names) - 1) * float(sums[0] @ sums[1]) / (m * n)
    for one, size, count in zip(sums, (m, n), holders, strict=True):
        variance += count / max(count - 1, 1) * float(one @ one) / float(size) ** 2
    quantile = stats.t.ppf(0.975, max(min(holders) - 1, 1))
    half = quantile * np.sqrt(max(variance, 0.0)) / (auroc * (1 - auroc))
    logit = np.log(auroc / (1 - auroc))
    low, high = 1 / (1 + np.exp(-(logit + np.array([-half, half]))))
    return auroc, float(low), float(high)


def label_counts(groups: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Names of the groups, and cells of both classes in each, ``(G, 2)``."""
    names, members = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), 2), int)
    np.add.at(counts, (members, labels), 1)
    return names, counts


def cramers_v(counts: np.ndarray) -> float:
    """Cramer's V of a table of counts, corrected for small samples (Bergsma 2013, J Korean Stat Soc 42:323).

    Args:
        counts: ``(G, 2)``, no row of zeros.
    """
    if (counts.sum(axis=0) == 0).any():
        return 0.0
    (rows, columns), n = counts.shape, counts.sum()
    chi2 = stats.chi2_contingency(counts, correction=False).statistic
    phi2 = max(0.0, chi2 / n - (rows - 1) * (columns - 1) / (n - 1))
    least = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return float(min(1.0, np.sqrt(phi2 / least))) if least > 0 else 0.0


def _number_findings(found: dict, positive: str, negative: str, few: bool) -> list[Finding]:
    findings = []
    for of_cell, limit in ((True, OF_CELL), (False, OF_INSTRUMENT)):
        named = {}
        for name, (auroc, low, high) in found.items():
            # The interval must exclude 0.5; without an interval, or with few patients, the value alone counts.
            apart = few or not (low <= 0.5 <= high)
            if QUANTITIES[name].of_cell == of_cell and max(auroc, 1 - auroc) >= limit and apart:
                named[QUANTITIES[name].title] = max(auroc, 1 - auroc)
        if named:
            listed = ", ".join(
                f"{title} {auroc:.2f}" for title, auroc in sorted(named.items(), key=lambda one: -one[1])
            )
            if of_cell:
                problem = f"One number alone nearly separates {positive} from {negative} (AUROC: {listed})"
                advice = "Check afterwards that the network also tells cells of equal size and brightness apart."
            else:
                problem = f"The instrument, not the cell, tells {positive} from {negative} (AUROC: {listed})"
                advice = "Find out what differed when the classes were imaged; image both classes in the same way."
            findings.append(Finding(problem, advice))
    return findings


def _site_findings(
    names: np.ndarray, counts: np.ndarray, association: float, classes: tuple[str, str]
) -> list[Finding]:
    advice = (
        "A network can learn the site in place of the cell: add cells of the missing class from each site, or train on "
        "sites that have both."
    )
    findings = []
    for label, name in enumerate(classes):
        holders = np.flatnonzero(counts[:, label])
        others = counts[:, 1 - label].sum() - counts[holders, 1 - label].sum() if len(holders) else 0
        if len(holders) == 1 and counts[:, label].sum() >= FEWEST and others >= FEWEST:
            problem = f"All {name} cells are from one site"
            findings.append(Finding(problem, advice, groups=[str(names[holders[0]])]))
    if not findings and association >= ASSOCIATION and counts.sum(axis=0).min() >= FEWEST:
        problem = f"The site predicts the label (Cramer's V {association:.2f})"
        findings.append(Finding(problem, advice))
    return findings


def _patient_findings(names: np.ndarray, counts: np.ndarray, facts: DatasetFacts) -> list[Finding]:
    one_class = (counts > 0).sum(axis=1) == 1
    share = counts[one_class].sum() / counts.sum()
    if share < ONE_CLASS or counts.sum(axis=0).min() < FEWEST:
        return []
    group, groups = facts.group, plural(facts.group)
    problem = f"{share:.0%} of the labelled cells are of {groups} with one class only: the {group} tells the label"
    advice = (
        f"Label cells of both classes in some {groups}. Until then a network can learn what differs between {groups} "
        "in place of the cell, and the metrics do not show it."
    )
    return [Finding(problem, advice)]


def _plain(found: tuple[float, float, float]) -> dict:
    value, low, high = found
    return {"auroc": value, "low": None if np.isnan(low) else low, "high": None if np.isnan(high) else high}
