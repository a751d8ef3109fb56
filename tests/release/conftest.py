"""An exported version, and environments of their own, for the checks before a release."""

import subprocess
import sys
import venv

import pytest
import runner

import tfctc


@pytest.fixture(scope="session")
def version(tiny_dataset, tmp_path_factory):
    """Folder of an exported compact student: SavedModel, float32 and int8 TFLite."""
    room = tmp_path_factory.mktemp("release")
    training = {"epochs": 2, "steps_per_epoch": 20, "batch_size": 8, "precision": "float32"}
    run = tfctc.fit(tiny_dataset, output=room / "run", mode="brightfield", backbone="compact", training=training)
    return run.export(room / "exports", tflite=True, saved_model=True).folder


@pytest.fixture
def environment(tmp_path):
    """A function that makes a virtual environment with these packages, and gives the path of its Python."""

    def make(*packages):
        folder = tmp_path / "environment"
        venv.create(folder, with_pip=True)
        python = folder / "bin" / "python"
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"pip cannot install {' '.join(packages)}: {done.stderr.strip().splitlines()[-1]}")
        return python

    return make


@pytest.fixture
def reachable(tmp_path):
    """Skips the test where pip reaches no package index."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", tmp_path / "wheels", "click"]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("pip reaches no package index")


@pytest.fixture
def evidence():
    """A function that runs a check of tools/evidence, by its command line, and gives its result."""

    def check(*words):
        module, options = runner.parse([str(word) for word in words])
        found = module.check(options)
        assert not hasattr(module, "problem") or module.problem(found) == ""
        return found

    return check
