"""Text files of a version folder, from `templates/`: model card, README, files for TensorFlow Serving."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tfctc.cells import DatasetFacts
from tfctc.config import to_dict
from tfctc.exporters.parity import SAVED_MODEL
from tfctc.exporters.saved_model import MOST_SIDE

#: The newest release of TensorFlow Serving. Its TensorFlow is older than the one that writes the files, and can read
#: them (docs/server.md).
SERVING_IMAGE = "tensorflow/serving:2.20.0"
SERVING_FILES = ("models.config", "batching.config", "monitoring.config", "compose.yaml")


def model_card(manifest: Mapping[str, Any], evaluation: Mapping[str, Any] | None) -> str:
    """Model card in Markdown.

    Args:
        manifest: manifest of the version.
        evaluation: content of evaluation.json; None if the run has not been evaluated.
    """
    return _render("MODEL_CARD.md", **_facts(manifest), evaluation=evaluation)


def limits(facts: DatasetFacts, calibration: Mapping[str, Any] | None) -> list[str]:
    """Sentences of the model card on what the model must not be used for.

    Args:
        facts: facts of the data set of the training.
        calibration: facts of the calibration of the probability; None if it is not calibrated.
    """
    template = _templates().get_template("MODEL_CARD.md")
    # By way of asdict: to_dict leaves out defaults that the file of the facts did not name.
    dataset = to_dict(asdict(facts))
    context = template.new_context({"dataset": dataset, "classes": list(facts.labels), "calibration": calibration})
    lines = "".join(template.blocks["limits"](context)).splitlines()
    return [line.removeprefix("- ") for line in lines if line]


def readme(manifest: Mapping[str, Any]) -> str:
    """README in Markdown: how to classify an image with the model, for readers who do not know TensorFlow."""
    facts = _facts(manifest)
    # The file for an instrument: int8 if there is one, else the smallest.
    sizes = {name: manifest["files"][name]["bytes"] for name in facts["tflite"]}
    smallest = min(sizes, key=lambda name: ("int8" not in name, sizes[name]), default=None)
    return _render("README.md", **facts, smallest=smallest, folder=f"{manifest['name']}/{manifest['version']}")


def serving_files(name: str, version: int, facts: DatasetFacts) -> dict[str, str]:
    """Configuration files for TensorFlow Serving: file name -> content."""
    values = {"name": name, "version": version, "image": SERVING_IMAGE, "crop_or_pad": facts.crop_or_pad}
    return {file: _render(f"serving/{file}", **values) for file in SERVING_FILES}


def f1_lost(loss: Mapping[str, float]) -> str:
    """Loss of F1 with its interval, as text: "+0.0010 (-0.0020 to +0.0040)"."""
    return "{value:+.4f} ({low:+.4f} to {high:+.4f})".format(**loss)


def _facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "choice": None,
        "calibration": None,
        **manifest,
        "tflite": [name for name in manifest["files"] if name.endswith(".tflite")],
        "has_saved_model": SAVED_MODEL in manifest["parity"],
        "most_side": MOST_SIDE,
    }


def _render(template: str, **values: Any) -> str:
    text = _templates().get_template(template).render(values)
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines()) + "\n"


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("tfctc.exporters"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, Python and YAML, no HTML.
    )
    templates.filters |= {"origin": _origin, "plain": _plain, "number": _number, "versions": _versions}
    templates.filters |= {"f1_lost": f1_lost, "repr": repr}
    return templates


def _origin(point: Mapping[str, Any]) -> str:
    """Origin of a threshold: "rule f1, chosen on validation", or "given"."""
    parts = [f"{key.replace('_', ' ')} {point[key]}" for key in ("rule", "chosen_on") if key in point]
    return ", ".join(parts) or "given"


def _plain(value: Any) -> str:
    """A nested table as one line of text: "train (90 leukocyte, 90 ctc), test (...)"."""
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{key} ({_plain(v)})" if isinstance(v, Mapping) else f"{v} {key}" for key, v in value.items())


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _versions(libraries: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in libraries.items())
