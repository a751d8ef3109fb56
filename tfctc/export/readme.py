"""The README of a version folder: how to ask the model about an image, for people who never saw TensorFlow."""

from collections.abc import Mapping
from typing import Any

from tfctc.export.parity import SAVED_MODEL

WITH_TFCTC = """\
```python
from tfctc import Predictor

predictor = Predictor("{folder}/{file}")
probability, label, quality = predictor("cell.png")
```"""
#: Integer networks have a scale and a zero point on both sides; real ones are their own scale.
WITHOUT = """\
```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

network = Interpreter("{folder}/{file}")
network.allocate_tensors()
(takes,), (gives,) = network.get_input_details(), network.get_output_details()
# {height} x {width} px, {bit_depth} bit
image = np.float32(Image.open("cell.png")).reshape(takes["shape"]) / {full_scale}
{ask}
print(probability, {positive!r} if probability >= {threshold!r} else {negative!r})
```"""
REAL = """\
network.set_tensor(takes["index"], image)
network.invoke()
probability = float(network.get_tensor(gives["index"])[0])"""
INTEGER = """\
scale, zero = takes["quantization"]
network.set_tensor(takes["index"], np.clip(np.rint(image / scale + zero), -128, 127).astype(np.int8))
network.invoke()
scale, zero = gives["quantization"]
probability = float((network.get_tensor(gives["index"])[0] - np.float32(zero)) * np.float32(scale))"""
SERVER = """\
## On a server

`cd serving && docker compose up` starts TensorFlow Serving with this version. Then

```
IMAGE=$(base64 -w0 cell.png)
curl -d '{{"signature_name": "serving_bytes", "instances": [{{"image_bytes": {{"b64": "'$IMAGE'"}}}}]}}' \\
     http://localhost:8501/v1/models/{name}:predict
```

answers with the probability of {positive}."""


def readme(manifest: Mapping[str, Any]) -> str:
    """Markdown from a version's manifest."""
    negative, positive = manifest["classes"]
    data, files = manifest["dataset"], [name for name in manifest["files"] if name.endswith(".tflite")]
    sections = [
        f"# {manifest['model_version']}: {positive} or {negative}?",
        "One bright-field image of one cell in, one probability out. `MODEL_CARD.md` says what the model is worth and "
        "what it is not for; `manifest.json` says the same to programs.",
    ]
    if files:
        # What an instrument would take: integers, or else the smallest.
        file = min(files, key=lambda name: ("int8" not in name, manifest["files"][name]["bytes"]))
        height, width = data["image_size"]
        folder = f"{manifest['name']}/{manifest['version']}"
        code = WITHOUT.format(
            folder=folder,
            file=file,
            full_scale=f"{2 ** data['bit_depth'] - 1}",
            height=height,
            width=width,
            bit_depth=data["bit_depth"],
            ask=INTEGER if file == "model_int8.tflite" else REAL,
            threshold=manifest["operating_point"]["threshold"],
            positive=positive,
            negative=negative,
        )
        sections += [
            f"## On an instrument, without TensorFlow\n\n    tfctc predict {folder}/{file} IMAGES",
            "or in Python",
            WITH_TFCTC.format(folder=folder, file=file),
            "This refuses a damaged file and an image of another kind, and says in `quality` what is unlike the images "
            "trained on. Without tfctc, and without those checks (`pip install ai-edge-litert pillow`):",
            code,
        ]
    if SAVED_MODEL in manifest["parity"]:
        sections.append(SERVER.format(name=manifest["name"], positive=positive))
    sections.append(
        "## Is it whole?\n\n`tfctc export --verify` with this folder checks every file and the answers of every "
        "artefact on this machine; `sha256sum --check SHA256SUMS` checks the files. Keep other files out of it."
    )
    return "\n\n".join(sections) + "\n"
