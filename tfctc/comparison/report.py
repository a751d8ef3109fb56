"""Report of a comparison: summary.json, table.md, plot.png and index.html beside results.csv."""

import base64
import io
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape
from matplotlib.figure import Figure

from tfctc.cells import DatasetFacts
from tfctc.comparison.plan import ALL, Plan
from tfctc.comparison.results import METRICS, RESULTS
from tfctc.io.files import atomic_file, write_json
from tfctc.io.names import plural

TITLES = {"auroc": "AUROC", "f1": "F1"}


def write_report(folder: Path, plan: Plan, facts: DatasetFacts, entries: list[dict]) -> list[Path]:
    """Writes the report of the finished runs.

    Args:
        folder: folder of the comparison.
        plan: the plan.
        facts: facts of the data set.
        entries: summary of the finished runs, as `tfctc.comparison.summary.summarise` returns it.

    Returns:
        Paths of the files of the report, the HTML page first.
    """
    kind = f"SIMULATED cells ({facts.name})" if facts.simulated else facts.name
    source = _source(plan, facts, entries)
    image = _plot(plan, entries, f"{kind}: {source}")
    report = {
        "data": facts.name,
        "simulated": facts.simulated,
        "baseline": plan.baseline,
        "rivals": list(plan.rivals),
        "metrics": source,
        "folds": plan.folds,
        "repeats": plan.repeats,
        "interval": f"95 %, Student's t over seeds, on {_patients_of(plan)}: it says nothing about other patients",
        "arms": entries,
    }
    templates = Environment(
        loader=PackageLoader("tfctc.comparison"),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"interval": _interval, "difference": lambda found: _interval(found, "+.3f")}
    templates.filters |= {"gap": _gap, "efficiency": _efficiency, "more": _more}
    values = {
        "report": report,
        "kind": kind,
        "titles": TITLES,
        "results": RESULTS,
        "split": _patients_of(plan),
        "one": facts.group,
    }
    values["plot"] = base64.b64encode(image).decode()
    write_json(folder / "summary.json", report)
    with atomic_file(folder / "plot.png") as temporary:
        temporary.write_bytes(image)
    for name in ("table.md", "index.html"):
        with atomic_file(folder / name) as temporary:
            temporary.write_text(templates.get_template(name).render(values) + "\n", encoding="utf-8")
    return [folder / name for name in ("index.html", "table.md", "plot.png", "summary.json", RESULTS)]


def _source(plan: Plan, facts: DatasetFacts, entries: list[dict]) -> str:
    """The predictions that the metrics are of: "test split", or those of the folds."""
    if plan.folds is None:
        return "test split"
    counts = {(entry["folds"] // plan.repeats, entry["patients"]) for entry in entries if entry["folds"]}
    folds, patients = (f"{number} " for number in counts.pop()) if len(counts) == 1 else ("", "")
    again = f", {plan.repeats} repeats" if plan.repeats > 1 else ""
    return f"out-of-fold over {folds}folds{again}, all {patients}{plural(facts.group)}"


def _patients_of(plan: Plan) -> str:
    """Part of the patients that all runs share."""
    return "one split of the patients" if plan.folds is None else "the same folds of the patients"


def _interval(found: dict | None, form: str = ".3f") -> str:
    if found is None:
        return ""
    if found["low"] is None:
        return f"{found['mean']:{form}}"
    return f"{found['mean']:{form}} ({found['low']:{form}} to {found['high']:{form}})"


def _gap(found: dict | None, seeds: list[int]) -> str:
    if found is None or found["value"] is None:
        return ""
    interval = f" ({found['low']:.2f} to {found['high']:.2f})" if found["low"] is not None else ""
    return f"{found['value']:.2f}{interval}{_fewer(found, seeds)}"


def efficiency_text(found: dict) -> str:
    """Text of a label efficiency and its interval, such as "3.5 (2.3 to above 4.0)"; see `label_efficiency`."""
    if found["seeds"] == 1:
        return f"{found['value']:.1f}"
    low = f"below {found['least']:.1f}" if found["low"] is None else f"{found['low']:.1f}"
    high = f"above {found['most']:.1f}" if found["high"] is None else f"{found['high']:.1f}"
    return f"{found['value']:.1f} ({low} to {high})"


def _efficiency(found: dict | None, seeds: list[int]) -> str:
    return "" if found is None else f"{efficiency_text(found)}{_fewer(found, seeds)}"


def _more(found: dict | None, seeds: list[int]) -> str:
    return "" if found is None else f"{_interval(found, '+.3f')}, {found['labels']} labels{_fewer(found, seeds)}"


def _fewer(found: dict, seeds: list[int]) -> str:
    count = found["seeds"]
    return f", {count} seed{'s' if count > 1 else ''}" if count < len(seeds) else ""


def _plot(plan: Plan, entries: list[dict], title_of_all: str) -> bytes:
    """PNG file: each metric over the label budget, with intervals, above its paired differences from the baseline."""
    counts = {entry["budget"] for entry in entries} - {ALL}
    end = 2 * max(counts, default=1)
    drawn = Figure(figsize=(11, 8), layout="constrained")
    axes = drawn.subplots(2, len(METRICS), sharex=True, squeeze=False)
    for row, title in enumerate(("{}", f"{{}}: difference from {plan.baseline}")):
        for column, metric in enumerate(METRICS):
            ax = axes[row][column]
            for place, arm in enumerate(plan.arms):
                # Arms are shifted a little, so that their intervals do not overlap.
                apart = 1.03 ** (place - len(plan.arms) / 2)
                points = []
                for entry in (entry for entry in entries if entry["arm"] == arm):
                    found = entry[metric]["against"].get(plan.baseline) if row else entry[metric]
                    if found:
                        half = found["mean"] - found["low"] if found["low"] is not None else 0.0
                        points.append(
                            ((end if entry["budget"] == ALL else entry["budget"]) * apart, found["mean"], half)
                        )
                if points:
                    ax.errorbar(*zip(*points, strict=True), label=arm, marker="o", capsize=3, color=f"C{place}")
            ax.set_xscale("log")
            ax.set_title(title.format(TITLES[metric]))
            ax.set_xticks([*counts, end], [*counts, ALL])
            ax.minorticks_off()
            if row:
                ax.axhline(0, color="black", linewidth=0.8)
                ax.set_xlabel("labelled training cells")
    axes[0][0].legend()
    drawn.suptitle(f"{title_of_all}, mean over seeds with 95 % interval")
    file = io.BytesIO()
    # Without Matplotlib's version, so that the same results give the same file.
    drawn.savefig(file, format="png", dpi=100, metadata={"Software": None})
    return file.getvalue()
