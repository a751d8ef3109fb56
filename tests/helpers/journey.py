"""The commands in the order that users type them, on a few cells."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from tfctc.cli import main

#: Options of the journey's `tfctc fit`.
QUICK = ["--backbone", "tiny", "--epochs", "2", "--set", "training.batch_size=8"]
#: A forest and a network give the soft labels.
QUICK += ["--set", 'distill.teacher_kinds=["dapi-forest", "network"]']


@dataclass
class Journey:
    """Folders of data set, run and exported version, and what the commands printed."""

    data: Path
    run: Path
    version: Path
    output: str


def tfctc(*arguments):
    """Output of a command that must succeed."""
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def travel(dataset, folder):
    """fit, evaluate and export below `folder`, on a copy of the data set."""
    data, run = folder / "data", folder / "run"
    shutil.copytree(dataset, data, ignore=shutil.ignore_patterns("tfrecords"))
    output = tfctc("fit", data, *QUICK, "-o", run)
    output += tfctc("evaluate", run)
    output += tfctc("evaluate", run, "--teacher")
    output += tfctc("export", run, "--name", "tiny", "--output", folder / "exports", "--accept")
    return Journey(data, run, folder / "exports" / "tiny" / "1", output)
