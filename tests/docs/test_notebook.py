"""The notebook runs from the first cell to the last."""

import pytest
from documentation import DOCS, blocks

NOTEBOOK = DOCS / "notebook" / "from_simulation_to_tflite.ipynb"


@pytest.fixture
def notebook():
    nbformat = pytest.importorskip("nbformat", reason="the extra `docs` is not installed")
    return nbformat.read(NOTEBOOK, as_version=4)


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.fixture
def quick(notebook):
    """The notebook with half of the training steps: with fewer, int8 may change too many of the close calls."""
    (cell,) = (cell for cell in notebook.cells if '"steps_per_epoch": 30' in cell.source)
    cell.source = cell.source.replace('"steps_per_epoch": 30', '"steps_per_epoch": 15')
    return notebook


@pytest.mark.slow
def test_the_notebook_runs(quick, tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="the extra `docs` is not installed")
    pytest.importorskip("ipykernel", reason="the extra `docs` is not installed")
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(quick, timeout=300, kernel_name="python3", resources=resources).execute()
    code = [cell for cell in quick.cells if cell.cell_type == "code"]
    text = "\n".join(map(printed, code))
    for expected in ("SIMULATED cells", "auroc", "model_int8.tflite: ", "simulated test cells get the right label"):
        assert expected in text
    assert sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs) == 2


def test_the_stored_outputs_are_small_and_name_no_folder(notebook):
    assert NOTEBOOK.stat().st_size < 150_000
    text = "\n".join(printed(cell) for cell in notebook.cells if cell.cell_type == "code")
    assert "/tmp" not in text and "/home" not in text and "Warning" not in text


def test_the_page_on_evaluating_shows_the_output_of_the_notebook(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert blocks(DOCS / "evaluating.md", "text")[0] in [printed(cell) for cell in code]
