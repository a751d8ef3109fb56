"""Errors that a user can correct: one base class, and one class for each kind of mistake."""

from collections.abc import Sequence
from pathlib import Path


class TfctcError(Exception):
    """An error that a user can correct. A command prints it as one line and ends with exit code 2.

    Args:
        problem: one clause with what was expected and what was received.
        path: the file or folder that is wrong, if there is one.
        fix: one clause with the remedy.
        details: lines that list what is wrong, where that is more than one thing. A command prints them before the
            line of the error.
    """

    exit_code = 2

    def __init__(
        self, problem: str, *, path: str | Path | None = None, fix: str | None = None, details: Sequence[str] = ()
    ):
        self.problem, self.path, self.fix = problem, None if path is None else str(path), fix
        self.details = tuple(details)
        where = f"{self.path}: " if self.path else ""
        remedy = f"; {fix}" if fix else ""
        super().__init__(" ".join(f"{where}{problem}{remedy}".split()))


class ConfigError(TfctcError):
    """A setting that cannot be used."""


class UnknownNameError(ConfigError):
    """A name that is not registered."""


class ImageError(TfctcError):
    """An image file that is not a readable single-channel cell image of the declared kind."""


class ManifestError(TfctcError):
    """A manifest, label table or description of a data set that is invalid, or contradicts the files."""


class PairingError(ManifestError):
    """Image files that cannot be paired by cell id."""


class SplitError(TfctcError):
    """Patients that cannot be split into train, validation and test, or that would be in two of them."""


class RunError(TfctcError):
    """A run folder that is missing, incomplete, damaged, or in use."""


class ExportError(TfctcError):
    """A model that failed a check of the export (form, finiteness, parity), so that no file was written."""


class ArtefactError(TfctcError):
    """An exported file that tfctc did not write, or that has changed since then."""


class OutputError(TfctcError):
    """A file or folder that cannot be written."""


class DependencyError(TfctcError):
    """A library that the command needs and that is not installed."""
