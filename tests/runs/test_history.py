"""The history of a run."""

from tfctc.runs.history import read_history, write_history


def test_metrics_of_every_epoch_are_rows_and_stages_may_have_other_metrics(tmp_path):
    path = tmp_path / "history.csv"
    write_history(path, {"teacher": [{"loss": 0.5}], "student": [{"loss": 0.4, "kd": 1.0}, {"loss": 0.3, "kd": None}]})
    assert path.read_text().splitlines() == [
        "stage,epoch,loss,kd", "teacher,1,0.5,", "student,1,0.4,1.0", "student,2,0.3,",
    ]  # fmt: skip
    assert [row["epoch"] for row in read_history(path, "student")] == ["1", "2"]
    assert read_history(path, "pretraining") == []
