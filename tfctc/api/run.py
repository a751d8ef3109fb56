"""A finished run, for use from Python: `tfctc.Run`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfctc.runs.folder import RunFolder

if TYPE_CHECKING:
    from tfctc.api.exporting import ExportedVersion
    from tfctc.evaluation.cross_validation import CrossValidation
    from tfctc.evaluation.evaluate import Evaluation


class Run(RunFolder):
    """A finished run: its folder and models, and the methods that evaluate and export it.

    Example:
        >>> run = tfctc.fit("cells", mode="distilled", backbone="compact")
        >>> print(run.evaluate())
        >>> version = run.export("exports", quantize="int8")
    """

    def evaluate(
        self, threshold: str | float | None = None, teacher: bool = False, **options: Any
    ) -> "Evaluation | CrossValidation":
        """Metrics on the patients of the test split; see `tfctc.evaluate`."""
        from tfctc.api.evaluating import evaluate

        return evaluate(self, threshold, teacher, **options)

    def report(self, **options: Any) -> Path:
        """Writes a page about the evaluated run into its folder; see `tfctc.write_report`."""
        from tfctc.api.reporting import write_report

        return write_report(self, **options)

    def export(self, output: str | Path = "exports", **options: Any) -> "ExportedVersion":
        """Writes the bright-field-only model as SavedModel and TFLite; see `tfctc.export`."""
        from tfctc.api.exporting import export

        return export(self, output, **options)
