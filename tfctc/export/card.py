"""The model card: what the manifest says, for people."""

from collections.abc import Mapping
from typing import Any

from tfctc.export.parity import SAVED_MODEL


def model_card(manifest: Mapping[str, Any], evaluation: Mapping[str, Any] | None) -> str:
    """Markdown from a version's manifest and what `tfctc evaluate` wrote of the run, if it did."""
    sections = [
        f"# {manifest['model_version']}",
        _what(manifest),
        _data(manifest),
        "## Figures\n\n" + (_figures(evaluation) if evaluation else "Not evaluated: run `tfctc evaluate`."),
        _artefacts(manifest),
        _use(manifest),
        _limits(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def _what(manifest) -> str:
    negative, positive = manifest["classes"]
    point = manifest["operating_point"]
    origin = ", ".join(f"{key.replace('_', ' ')} {point[key]}" for key in ("rule", "chosen_on") if key in point)
    return (
        f"Tells {positive} from {negative} in one bright-field image of one cell. It answers with the probability of "
        f"{positive}; at {point['threshold']:.4f} or above ({origin or 'given'}) the cell is called {positive}.\n\n"
        "It sees bright-field only. If a DAPI image was used, then in training alone; no artefact has an input for it."
    )


def _data(manifest) -> str:
    data, training = manifest["dataset"], manifest["training"]
    lines = ["## Data", ""]
    if manifest["simulated"]:
        lines += ["**SIMULATED CELLS. Trained on no real cell: nothing here says anything about patients.**", ""]
    mpp = "pixel size not known" if data["mpp"] is None else f"{data['mpp']:g} µm a pixel"
    lines += [
        f"- Data set `{data['name']}`: no {data['group']} is in two splits.",
        f"- Images: {data['image_size'][0]} x {data['image_size'][1]} px, {data['bit_depth']} bit, {mpp}.",
        f"- Preprocessing: {manifest['preprocessing']}.",
        *(f"- {key.replace('_', ' ').capitalize()}: {_plain(value)}." for key, value in training.items()),
    ]
    return "\n".join(lines)


def _plain(value) -> str:
    """A nested table in one line: train (90 leukocyte, 90 ctc), test (...)."""
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{key} ({_plain(v)})" if isinstance(v, Mapping) else f"{v} {key}" for key, v in value.items())


def _figures(evaluation) -> str:
    kind = "SIMULATED cells" if evaluation["simulated"] else "cells"
    rows = [
        f"{evaluation['cells']} test {kind} ({evaluation['positives']} {evaluation['classes'][1]}) of "
        f"{evaluation['patients']} groups by {evaluation['interval_by']}, at threshold {evaluation['threshold']:.4f}.",
        "",
        f"| figure | value | {100 * evaluation['level']:.0f} % interval by {evaluation['interval_by']} |",
        "| --- | --- | --- |",
    ]
    for name, figure in evaluation["figures"].items():
        value, low, high = ("n/a" if figure[k] is None else f"{figure[k]:.3f}" for k in ("value", "low", "high"))
        rows.append(f"| {name.replace('_', ' ')} | {value} | {low} to {high} |")
    return "\n".join(rows)


def _artefacts(manifest) -> str:
    rows = [
        "## Artefacts",
        "",
        "Difference in probability from the Keras model on images of the validation split. Measured with "
        f"{', '.join(f'{name} {version}' for name, version in manifest['libraries'].items())}.",
        "",
        "| artefact | largest | mean | labels changed | images |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, p in manifest["parity"].items():
        rows.append(f"| {name} | {p['max_abs']:.1e} | {p['mean_abs']:.1e} | {p['labels_changed']} | {p['images']} |")
    if choice := manifest.get("choice"):
        rows += [
            "",
            f"{choice['chosen']} was chosen: the smallest of those that lose at most {choice['bound']:g} of F1 on",
        ]
        rows += ["validation cells, with the upper end of the 95 % interval by patient.", ""]
        rows += ["| tried | bytes | F1 lost |", "| --- | --- | --- |"]
        for name, tried in choice["tried"].items():
            lost = tried.get("problem") or f1_lost(tried["loss"])
            size = f"{tried['bytes']:,}" if "bytes" in tried else ""
            rows.append(f"| {name} | {size} | {lost} |")
    rows += [f"\n{name} was left out: {problem}." for name, problem in manifest["left_out"].items()]
    return "\n".join(rows)


def f1_lost(loss: Mapping[str, float]) -> str:
    return "{value:+.4f} ({low:+.4f} to {high:+.4f})".format(**loss)


def _use(manifest) -> str:
    lines = ["## Use", ""]
    files = [name for name in manifest["files"] if name.endswith(".tflite")]
    if files:
        lines += ["On LiteRT, without TensorFlow:", "", f"    tfctc predict {files[0]} IMAGES", ""]
    if SAVED_MODEL in manifest["parity"]:
        name = manifest["name"]
        lines += [
            f"With TensorFlow Serving, where EXPORTS holds `{name}/{manifest['version']}/`:",
            "",
            f"    tensorflow_model_server --rest_api_port=8501 --model_name={name} --model_base_path=EXPORTS/{name}",
            "",
            "Signature `serving_default` takes `brightfield`, float32 in [0, 1]; `serving_bytes` takes `image_bytes`,",
            "grey PNG files. Both answer with `probability`; what is beyond that, or of another size, is an error.",
        ]
    return "\n".join(lines).rstrip()


def _limits(manifest) -> str:
    return (
        "## Limits\n\n"
        "- No clinical claim. Not a medical device, not validated for diagnosis.\n"
        "- Only images of the kind above: other sizes and bit depths are refused; nothing but `quality` tells of "
        f"another microscope, magnification or preparation than `{manifest['dataset']['name']}` was taken with, and "
        "only where images are darker, brighter, flatter, harsher, more saturated, blurred or noisy than those seen.\n"
        "- Every image is taken to hold one whole cell; what is neither class is called one of the two all the same.\n"
        "- The probability is the network's own, not calibrated."
    )
