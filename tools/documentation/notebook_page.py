"""A hook of MkDocs: each notebook in docs/notebook becomes a page of the site.

Text cells are Markdown already. Code cells become code blocks, followed by their stored output: text and pictures.
"""

import json
from pathlib import Path

from mkdocs.structure.files import File

FOLDER = "notebook"


def on_files(files, config):
    for path in sorted(Path(config.docs_dir, FOLDER).glob("*.ipynb")):
        files.append(File.generated(config, f"{FOLDER}/{path.stem}.md", content=page(path)))
    return files


def page(path: Path) -> str:
    """The notebook as Markdown."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [part for cell in cells for part in cell_parts(cell)]
    return "\n\n".join([*parts, f"[Download the notebook](../{FOLDER}/{path.name})"]) + "\n"


def cell_parts(cell: dict) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    parts = [f"```python\n{source}\n```"]
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            picture = "".join(data["image/png"]).replace("\n", "")
            parts.append(f"![Output of the code above](data:image/png;base64,{picture})")
        elif text := "".join(output.get("text", data.get("text/plain", ""))).rstrip():
            parts.append(f"```text\n{text}\n```")
    return parts
