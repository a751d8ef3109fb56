"""Identity of patients across data sets: site and id together, because hospitals number their patients alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from tfctc.data.manifest import Manifest
from tfctc.evaluation.training_cells import population
from tfctc.io.names import spelling_key
from tfctc.runs.folder import RunFolder


@dataclass(frozen=True)
class Person:
    """A patient as one data set names it.

    Args:
        population: `REAL`, or the folder of a simulation: two simulations use the same names for different patients.
        patient_id: id of the patient in the data set.
        sites: sites of the patient's cells, "" among them for cells without a site; () if no site is known.
    """

    population: str
    patient_id: str
    sites: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Key that all spellings of a name in one population share."""
        return self.population, spelling_key(self.patient_id)

    def is_same(self, other: "Person") -> bool:
        """Whether two data sets may mean the same person: the same id, unless both name sites and these all differ."""
        if self.key != other.key:
            return False
        ours, theirs = ({spelling_key(site) for site in person.sites} for person in (self, other))
        unknown = not ours or not theirs or "" in ours or "" in theirs
        return unknown or bool(ours & theirs)


@dataclass
class KnownPatients:
    """Patients whose cells were used for a model, each with the split in which it was used, "train" or "validation".

    Args:
        splits: patient -> split.
    """

    splits: dict[Person, str] = field(default_factory=dict)
    _by_key: dict[tuple[str, str], list[Person]] = field(default_factory=dict, repr=False)

    def add(self, person: Person, split: str) -> None:
        """Adds a patient. One who was in "train" once and in "validation" another time counts as "train"."""
        if person not in self.splits:
            self._by_key.setdefault(person.key, []).append(person)
        # "train" comes before "validation".
        self.splits[person] = min(split, self.splits.get(person, split))

    def update(self, other: "KnownPatients") -> None:
        """Adds all patients of `other`."""
        for person, split in other.splits.items():
            self.add(person, split)

    def split_of(self, person: Person) -> str | None:
        """Split in which this patient was used; None for a patient who was not."""
        return min((self.splits[known] for known in self._same(person)), default=None)

    def sites_of(self, person: Person) -> list[str]:
        """Sites that this patient is known from, sorted; none if a site is not known."""
        same = self._same(person)
        if any(not known.sites or "" in known.sites for known in same):
            return []
        return sorted({site for known in same for site in known.sites})

    def has_namesake(self, person: Person) -> bool:
        """Whether another person of this id, at other sites, was used, and this one was not."""
        return person.key in self._by_key and not self._same(person)

    def _same(self, person: Person) -> list[Person]:
        return [known for known in self._by_key.get(person.key, ()) if known.is_same(person)]

    def to_list(self) -> list[dict[str, Any]]:
        """Plain values for run.json, one dictionary for each patient."""
        return [
            {"population": p.population, "patient_id": p.patient_id, "sites": list(p.sites), "split": split}
            for p, split in self.splits.items()
        ]

    @classmethod
    def from_list(cls, values: Iterable[Mapping[str, Any]]) -> Self:
        """Patients from the values of `to_list`."""
        known = cls()
        for value in values:
            known.add(Person(value["population"], value["patient_id"], tuple(value["sites"])), value["split"])
        return known


def population_of_run(run: RunFolder) -> str:
    """Population of the patients of a run."""
    return population(run.config.data, run.facts)


def persons(manifest: Manifest, population: str) -> list[Person]:
    """The patients of a data set, in the order of their first cells."""
    codes, names = manifest.index.codes, manifest.index.names
    sites: dict[int, list[str]] = {}
    for patient, site in np.unique(np.stack([codes["patient_id"], codes["site"]], axis=1), axis=0).tolist():
        sites.setdefault(patient, []).append(names["site"][site])
    return [
        Person(population, name, tuple(sites[code]) if any(sites[code]) else ())
        for code, name in enumerate(names["patient_id"])
    ]
