"""Patients and images that a model was trained on, as fingerprints, to find them in another data set. No TensorFlow."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfctc.cells import DatasetFacts
from tfctc.data.manifest import Manifest
from tfctc.errors import ArtefactError
from tfctc.io.duplicates import fingerprint
from tfctc.io.names import spelling_key

#: The population of all real patients. Every simulation is a population of its own, named by its folder.
REAL = ""


@dataclass(frozen=True)
class TrainingCells:
    """Fingerprints of the training and validation cells of a model, each array sorted, uint64.

    Names are not in it, but a name that is guessed can be checked against it.

    Args:
        patients: all patients, by population and id.
        without_site: those of them with a cell whose site is not known.
        at_sites: patients by population, id and site.
        images: bright-field images, by their pixels; None if they are not known.
    """

    patients: np.ndarray
    without_site: np.ndarray
    at_sites: np.ndarray
    images: np.ndarray | None = None

    @classmethod
    def of(cls, persons: Iterable[tuple[str, str, tuple[str, ...]]], images: np.ndarray | None) -> "TrainingCells":
        """The fingerprints of patients and images.

        Args:
            persons: population (empty for real patients), id and sites of each patient.
            images: fingerprints of the images, uint64; None if they are not known.
        """
        everyone, unknown, at_sites = [], [], []
        for where, patient, sites in persons:
            everyone.append(_mark(where, patient))
            if not sites or "" in sites:
                unknown.append(everyone[-1])
            at_sites += [_mark(where, patient, site) for site in sites if site]
        patients, without_site, sited = (np.unique(np.array(m, np.uint64)) for m in (everyone, unknown, at_sites))
        return cls(patients, without_site, sited, None if images is None else np.unique(images.astype(np.uint64)))

    def known_patients(self, manifest: Manifest) -> list[str]:
        """Patients of a data set that the model was trained on, sorted.

        An id is the same person unless the sites are known on both sides, and all differ.
        """
        here = population_of(manifest)
        codes, names = manifest.index.codes, manifest.index.names
        found = set()
        for patient, site in np.unique(np.stack([codes["patient_id"], codes["site"]], axis=1), axis=0).tolist():
            name, place = names["patient_id"][patient], names["site"][site]
            mark = _mark(here, name)
            if place:
                same = _holds(self.without_site, mark) or _holds(self.at_sites, _mark(here, name, place))
            else:
                same = _holds(self.patients, mark)
            if same:
                found.add(name)
        return sorted(found)

    def knows_image(self, mark: int | None) -> bool:
        """Whether an image with this fingerprint was among the training images; False for None."""
        return mark is not None and self.images is not None and _holds(self.images, mark)

    def to_bytes(self) -> bytes:
        """Content of a NumPy archive (.npz)."""
        file = io.BytesIO()
        arrays = {name: values for name, values in vars(self).items() if values is not None}
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    @classmethod
    def read(cls, path: str | Path) -> "TrainingCells":
        """The fingerprints in a file of `to_bytes`.

        Raises:
            ArtefactError: the file is damaged.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as saved:
                arrays = {name: saved[name].astype(np.uint64) for name in saved.files}
            return cls(**arrays)
        except Exception as error:  # On a damaged archive, zipfile and NumPy raise many types of error.
            problem = f"cannot be read ({type(error).__name__}: {str(error)[:100]})"
            raise ArtefactError(problem, path=path, fix="copy the whole version folder again") from None


def population_of(manifest: Manifest) -> str:
    """Population of the patients of a data set."""
    return population(manifest.folder, manifest.facts)


def population(folder: str | Path, facts: DatasetFacts) -> str:
    """Population of the patients of the data set in a folder: `REAL`, or the folder of a simulation."""
    return str(Path(folder).resolve()) if facts.simulated else REAL


def _mark(where: str, patient: str, site: str = "") -> int:
    return fingerprint("\x00".join([where, spelling_key(patient), spelling_key(site)]))


def _holds(marks: np.ndarray, mark: int) -> bool:
    place = int(np.searchsorted(marks, np.uint64(mark)))
    return place < len(marks) and int(marks[place]) == mark
