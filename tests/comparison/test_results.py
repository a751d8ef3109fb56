"""results.csv: what is read is what was written."""

import pytest

from tfctc.comparison.results import Job, Outcome, read_results, write_results
from tfctc.errors import RunError

RESULTS = {
    Job("distilled", 8, 3, 3e-3): Outcome("abc", 0.9123456789, 3, 5, 61.5, 0.8, 0.7, 0.9, 0.85),
    Job("brightfield", "all", 3, 1e-3): Outcome("abd", 0.5, 1, 5, 10.0),
}


def test_results_are_read_as_they_were_written(tmp_path):
    write_results(tmp_path, RESULTS)
    assert read_results(tmp_path) == RESULTS
    assert [outcome.tested for outcome in read_results(tmp_path).values()] == [True, False]


def test_results_of_folds_name_their_number_and_the_patients(tmp_path):
    results = {Job("distilled", 8, 3, 3e-3): Outcome("abc", 0.9, 7, 9, 61.5, 0.8, 0.7, folds=5, patients=12)}
    write_results(tmp_path, results)
    assert read_results(tmp_path) == results


def test_results_from_before_there_were_folds_are_read(tmp_path):
    write_results(tmp_path, RESULTS)
    path = tmp_path / "results.csv"
    path.write_text("".join(line.rsplit(",", 2)[0] + "\n" for line in path.read_text().splitlines()))
    assert path.read_text().splitlines()[0].endswith("teacher_f1") and read_results(tmp_path) == RESULTS


def test_a_folder_without_results_has_none(tmp_path):
    assert read_results(tmp_path) == {}


def test_a_damaged_file_is_named(tmp_path):
    write_results(tmp_path, RESULTS)
    path = tmp_path / "results.csv"
    path.write_text(path.read_text().replace("0.5", "half"))
    with pytest.raises(RunError, match="results.csv: cannot be read.*half"):
        read_results(tmp_path)
