"""Everything that can go wrong for a user. One root, and what went wrong is data on the exception."""

from pathlib import Path


class TfctcError(Exception):
    """A mistake a user can mend. Printed as one line, ends a command with exit code 2.

    Args:
        problem: what was expected and what was received, in one clause.
        path: the file or folder concerned, if there is one.
        fix: what to do about it, in one clause.
    """

    exit_code = 2

    def __init__(self, problem: str, *, path: str | Path | None = None, fix: str | None = None):
        self.problem, self.path, self.fix = problem, None if path is None else str(path), fix
        where = f"{self.path}: " if self.path else ""
        remedy = f"; {fix}" if fix else ""
        super().__init__(" ".join(f"{where}{problem}{remedy}".split()))


class ConfigError(TfctcError):
    """A configuration value or key that cannot be used."""


class UnknownNameError(ConfigError):
    """A name that no registry entry answers to."""


class ImageError(TfctcError):
    """An image file that is not a readable single-channel cell image of the declared kind."""


class ManifestError(TfctcError):
    """A manifest, label table or data-set description that contradicts itself or the files."""


class PairingError(ManifestError):
    """Channel images that do not pair one to one by cell id."""


class SplitError(TfctcError):
    """Patients that cannot be dealt to, or that overlap between, train, validation and test."""


class RunError(TfctcError):
    """A run folder that is missing, incomplete, or in the way."""


class ExportError(TfctcError):
    """An artefact that failed its gates (size, finiteness, parity) and was not written."""


class ArtefactError(TfctcError):
    """An exported file that is not, or is no longer, what tfctc wrote."""


class OutputError(TfctcError):
    """A place that cannot be written to."""


class DependencyError(TfctcError):
    """A library that the chosen command needs and this installation lacks."""
