"""Splits: train, validation and test, and the folds of cross-fitting. Whole patients are assigned, never cells."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tfctc.cells import NO_LABEL, SPLITS, Cell
from tfctc.config import RunConfig
from tfctc.data.assignment import assign_folds, assign_groups, assign_rest, assign_validation, check_classes, group_name
from tfctc.data.folds import find_fold
from tfctc.data.label_budget import KeptLabels, keep_labels
from tfctc.data.manifest import Manifest
from tfctc.data.pinned import groups_of_site, pinned_patients
from tfctc.io.names import plural


@dataclass(frozen=True)
class Splits:
    """Assignment of groups (patients or sites) to the splits, with the folds and the labels that a training may use.

    Args:
        by: manifest column of the groups.
        assignment: group -> "train", "validation" or "test".
        folds: training group -> number of its fold, for cross-fitted teachers; empty for a single teacher.
        kept_labels: training labels that may be used; None for all.
    """

    by: str = "patient_id"
    assignment: Mapping[str, str] = field(default_factory=dict, repr=False)
    folds: Mapping[str, int] = field(default_factory=dict, repr=False)
    kept_labels: KeptLabels | None = None

    @classmethod
    def make(
        cls,
        manifest: Manifest,
        config: RunConfig,
        folds: int = 1,
        label_seed: int = 0,
        pinned: Mapping[str, str] | None = None,
    ) -> "Splits":
        """Splits the groups of a data set; the same seed gives the same split.

        Args:
            manifest: the data set.
            config: settings of the training; `split`, `seed`, `training.label_budget` and `cross_validation` are used.
                With cross-validation the splits are those of one fold, or of the final model, which has no test split.
            folds: number of folds of the training groups.
            label_seed: seed of the choice of labels that `training.label_budget` keeps.
            pinned: group -> its given split; None for those that settings and data set give. `split.of` needs it:
                see `tfctc.runs.splitting.make_splits`.

        Raises:
            ConfigError, SplitError: as `pinned_patients`, `assign_groups`, `assign_rest`, `assign_folds` and
                `keep_labels`.
        """
        seed = config.seed if config.split.seed is None else config.split.seed
        by, assignment = config.split.by, _assignment(manifest, config, seed, pinned)
        if config.cross_validation.fold:
            by = "patient_id"
        splits = cls(by, assignment)
        groups = manifest.groups(by)
        if folds > 1:
            training = {group: counts for group, counts in groups.items() if assignment[group] == "train"}
            splits = replace(splits, folds=assign_folds(training, manifest.facts, folds, seed, by))
        return splits.with_budget(manifest, config.training.label_budget, label_seed)

    def with_budget(self, manifest: Manifest, budget: int | None, label_seed: int) -> "Splits":
        """A copy with the training labels that `training.label_budget` keeps; arguments and errors as of `make`."""
        if budget is None:
            return self
        return replace(self, kept_labels=keep_labels(manifest, self.mask(manifest, "train"), budget, label_seed))

    @property
    def digest(self) -> str:
        """SHA-256 of the assignment and the folds."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def of(self, cell: Cell) -> str:
        """Name of the split of a cell."""
        return self.assignment[getattr(cell, self.by)]

    def mask(self, manifest: Manifest, split: str) -> np.ndarray:
        """Whether each cell is in `split`: bool ``(N,)`` in the order of the manifest."""
        inside = {group: 1 for group, name in self.assignment.items() if name == split}
        return manifest.index.coded(self.by, inside, 0) == 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for splits.json. The kept labels are left out: they follow from the settings."""
        values: dict[str, Any] = {"by": self.by, "groups": dict(self.assignment)}
        return values | ({"folds": dict(self.folds)} if self.folds else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Splits":
        """Splits from the values of `to_dict`."""
        return cls(values["by"], values["groups"], values.get("folds", {}))

    def counts(self, manifest: Manifest) -> dict[str, dict[str, int]]:
        """Size of each split: "groups", then the number of cells of each class and "unlabelled"."""
        columns = [*manifest.facts.labels, NO_LABEL]
        found = {split: dict.fromkeys(["groups", *columns], 0) for split in SPLITS}
        for group, labels in manifest.groups(self.by).items():
            sizes = found[self.assignment[group]]
            sizes["groups"] += 1
            for label, count in labels.items():
                sizes[label or NO_LABEL] += count
        return found

    def table(self, manifest: Manifest) -> str:
        """Text of `counts`, one line for each split."""
        counts = self.counts(manifest)
        heads = [plural(group_name(manifest.facts, self.by)), *manifest.facts.labels, NO_LABEL]
        widths = [max(len(head), 7) for head in heads]
        rows = [["split", *heads], *([split, *map(str, sizes.values())] for split, sizes in counts.items())]
        return "\n".join(
            "  ".join([f"{first:10}", *(f"{text:>{width}}" for text, width in zip(values, widths, strict=True))])
            for first, *values in rows
        )


def _assignment(
    manifest: Manifest, config: RunConfig, seed: int, pinned: Mapping[str, str] | None
) -> Mapping[str, str]:
    """Group -> split, by the first of these that there is: a fold, given splits, a test site, the shares.

    The groups of a fold are patients, whatever `split.by` is.
    """
    split, facts = config.split, manifest.facts
    groups = manifest.groups(split.by)
    given = pinned_patients(manifest, config) if pinned is None else pinned
    if config.cross_validation.fold:
        return find_fold(manifest, config).assignment
    if config.cross_validation.folds:
        return assign_validation(groups, facts, split.validation, seed, split.by)
    if given is not None:
        return assign_rest(groups, given, facts, split, seed)
    if split.test_site:
        test = groups_of_site(manifest, split.test_site, split.by)
        rest = {group: counts for group, counts in groups.items() if group not in test}
        home = assign_validation(rest, facts, split.validation / (1 - split.test), seed, split.by)
        assignment = {group: home.get(group, "test") for group in groups}
        check_classes(groups, assignment, facts, split.by)
        return assignment
    return assign_groups(groups, facts, split, seed)
