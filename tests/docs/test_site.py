"""The site builds without a warning, and its own small tools do what they say."""

import importlib.util
import os
import subprocess
import sys

import pytest
from documentation import ROOT, pages

TOOLS = ROOT / "tools" / "documentation"


def tool(name):
    """A module of tools/documentation, which is not on Python's path."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    for library in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(library, reason="the extra `docs` is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    # Without TensorFlow: sources are read, not imported.
    (tmp_path / "empty" / "tensorflow").mkdir(parents=True)
    (tmp_path / "empty" / "tensorflow" / "__init__.py").write_text("raise ImportError('TensorFlow was imported')")
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(tmp_path / "empty")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    built = {path.relative_to(tmp_path).parent.as_posix() for path in tmp_path.rglob("index.html")}
    assert len(built) > len(pages()) - 10 and "notebook/from_simulation_to_tflite" in built
    settings = (tmp_path / "settings" / "index.html").read_text(encoding="utf-8")
    assert "labelled_share" in settings and "dapi_dropout" in settings


def test_an_argument_that_shares_its_description_gets_a_line_of_its_own():
    pytest.importorskip("griffe", reason="the extra `docs` is not installed")
    given = "Says.\n\nArgs:\n    a, b: the shares,\n        together.\n    c: another.\n\nx, y: not an argument."
    expected = (
        "Says.\n\nArgs:\n    a: the shares,\n        together.\n    b: the shares,\n        together.\n"
        "    c: another.\n\nx, y: not an argument."
    )
    assert tool("joined_arguments").separated(given) == expected


def test_a_notebook_becomes_a_page(tmp_path):
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["7\n"]},
        {"output_type": "display_data", "data": {"image/png": "AAAA\n"}},
    ]
    parts = tool("notebook_page").cell_parts({"cell_type": "code", "source": ["x = 7\n", "x"], "outputs": outputs})
    assert parts == [
        "```python\nx = 7\nx\n```",
        "```text\n7\n```",
        "![Output of the code above](data:image/png;base64,AAAA)",
    ]
    assert tool("notebook_page").cell_parts({"cell_type": "markdown", "source": ["# A\n", "b"]}) == ["# A\nb"]
