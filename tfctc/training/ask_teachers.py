"""Soft labels for a data set: teachers are trained or asked, combined, and their probabilities given to the cells."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.data import pipeline
from tfctc.data.builder import Cells
from tfctc.data.selection import FOLD, Selection, visible_to
from tfctc.data.soft_labels import SoftLabels
from tfctc.distill.stacking import balancing_weights, combine, whole_draws
from tfctc.distill.teacher_kinds import TEACHER_KINDS, TeachingCells
from tfctc.evaluation.prevalence import estimated_prevalence
from tfctc.recipes import Stage

log = logging.getLogger(__name__)
BATCH = 256
#: Share of positive cells among those without a label below which a warning is given. The comparisons in docs/evidence
#: have pools with 40 % positive cells or more, except for one of simulated cells with 2 %.
RARE = 0.2


@dataclass(frozen=True)
class Taught:
    """N cells with the probabilities that the teachers give them.

    Args:
        cell_id, patient_id, split: text ``(N,)``.
        label: class index, int ``(N,)``; -1 for a cell without a label that may be used.
        probability: of each class, float64 ``(N, K)``; all 0 for a training cell whose label a teacher has seen.
        aurocs: kind of teacher -> AUROC on the labelled training and validation cells that no teacher has seen.
    """

    cell_id: np.ndarray
    patient_id: np.ndarray
    split: np.ndarray
    label: np.ndarray
    probability: np.ndarray
    aurocs: Mapping[str, float] = field(default_factory=dict)

    def of(self, chosen: np.ndarray) -> "Taught":
        """Some of the cells, by a bool or integer index ``(M,)``."""
        names = ("cell_id", "patient_id", "split", "label", "probability")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})


@dataclass(frozen=True)
class Teaching:
    """Teachers of one run, and what they need to be trained or asked.

    Args:
        kinds: names of the kinds of teachers.
        builder: the run's data.
        cells: selection of the labelled training cells, with the kept labels and the folds of the run.
        networks: trained teacher networks; () if no kind needs one.
        balanced: whether classes have equal weight; otherwise the probabilities hold at the training cells' prevalence.
        seed: seed of the teachers that are trained here, and of the draws.
    """

    kinds: Sequence[str]
    builder: Cells
    cells: Selection
    networks: Sequence[keras.Model]
    balanced: bool
    seed: int

    @classmethod
    def of_stage(cls, stage: Stage, builder: Cells, networks: Sequence[keras.Model]) -> "Teaching":
        """The teaching of a stage whose losses read soft labels.

        Args:
            stage: the stage, of the recipe for the split of the data set.
            builder: the run's data.
            networks: trained teacher networks; () if no kind needs one.
        """
        balanced = stage.training.class_weights == "balanced"
        return cls(stage.soft_labels, builder, stage.cells[0], networks, balanced, stage.seed)

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that the teachers read."""
        read = set(self.networks[0].input if self.networks else ())
        read |= {channel for kind in self.kinds for channel in TEACHER_KINDS[kind].channels}
        return tuple(channel for channel in (BRIGHTFIELD, DAPI) if channel in read)

    def ask(self, *splits: str) -> Taught:
        """Probabilities for the training cells, the labelled validation cells, and the labelled cells of `splits`."""
        names = ("train", "validation", *splits)
        rows = [row for split in names for row in self._rows(split)]
        cell_id, patient_id, group, split, label, fold = (np.array(column) for column in zip(*rows, strict=True))
        training = split == "train"
        cells = TeachingCells(
            lambda channels: (batch for split in names for batch in self._batches(split, channels)),
            label=np.where(training, label, -1),
            group=group,
            fold=np.where(training, fold, -1),
            classes=len(self.builder.facts.labels),
            networks=self.networks,
            seed=self.seed,
        )
        opinions = {kind: TEACHER_KINDS[kind].ask(cells) for kind in self.kinds}
        fitted_on = np.isin(split, ("train", "validation"))
        probability = combine(list(opinions.values()), np.where(fitted_on, label, -1), self.prior)
        judged = fitted_on & probability.any(1) & (label >= 0)
        positive = label[judged] == 1
        aurocs = {kind: roc_auc_score(positive, _log_odds(one.logits[judged])) for kind, one in opinions.items()}
        return Taught(cell_id, patient_id, split, label, probability, aurocs)

    def soft_labels(self, balanced_draws: bool) -> SoftLabels:
        """Soft labels of the training cells.

        Args:
            balanced_draws: whether cells without a label are drawn so that, by the teachers, half of them are positive.
        """
        taught = self.ask()
        found = ", ".join(f"{kind} {auroc:.3f}" for kind, auroc in taught.aurocs.items())
        log.info("AUROC of the teachers on labelled cells that they have not seen: %s", found)
        taught = taught.of(taught.split == "train")
        probability = taught.probability
        pool = (taught.label < 0) & probability.any(1)
        draws = pool.astype(np.int64)
        prevalence = 0.5
        if pool.any():
            at, _ = pipeline.network_prior(self.builder, self.cells, self.balanced)
            prevalence = estimated_prevalence(probability[pool, 1], at)
            tell_prevalence(prevalence, self.builder.facts.positive)
            if balanced_draws:
                draws[pool] = whole_draws(balancing_weights(probability[pool, 1], prevalence, at), self.seed)
        return SoftLabels(taught.cell_id, probability.astype(np.float32), draws, prevalence)

    @property
    def prior(self) -> np.ndarray | None:
        """Prevalence of the classes at which the probabilities hold, ``(K,)``; None if it is the same for all."""
        if self.balanced:
            return None
        counts = np.array(pipeline.label_counts(self.builder, "train", self.cells)[: len(self.builder.facts.labels)])
        return counts / counts.sum()

    def _selection(self, split: str) -> Selection:
        if split == "train":
            return replace(self.cells, labels="all", with_dapi=DAPI in self.channels)
        return visible_to(self.channels)

    def _batches(self, split: str, channels: tuple[str, ...]) -> Iterator[dict]:
        if pipeline.count(self.builder, split, self._selection(split)):
            yield from pipeline.id_batches(self.builder, split, channels, BATCH, self._selection(split))

    def _rows(self, split: str) -> Iterator[tuple]:
        for batch in self._batches(split, ()):
            texts = [np.char.decode(batch[name].numpy().astype(bytes), "utf-8") for name in ("cell_id", "patient_id")]
            group = np.char.decode(batch[self.cells.by].numpy().astype(bytes), "utf-8")
            label = batch["label"].numpy()
            fold = batch[FOLD].numpy() if FOLD in batch else np.full(len(label), -1)
            yield from zip(*texts, group, [split] * len(label), label, fold, strict=True)


def _log_odds(logits: np.ndarray) -> np.ndarray:
    """Log-odds of the positive class, ``(N,)``, of logits ``(N, K)``."""
    return logits[:, 1] - np.logaddexp.reduce(np.delete(logits, 1, axis=1), axis=1)


def tell_prevalence(share: float, positive: str) -> None:
    """Logs the estimated share of positive cells among those without a label, as a warning if it is small."""
    text = f"By the teachers, about {100 * share:.0f} % of the cells without a label are {positive}."
    if share < RARE:
        log.warning(
            "%s With so few of them the gain from distillation is small, if any: train with --mode brightfield too, "
            "and compare.",
            text,
        )
    else:
        log.info(text)
