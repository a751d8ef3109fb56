"""Digests of the cells that a run has used."""

from small_runs import changed, config, plan

from tfctc.runs.cells import cell_digests


def digests(data):
    planned = plan(config(data, "brightfield"))
    return cell_digests(planned.manifest, planned.splits)


def test_digests_depend_on_the_cells_and_not_on_their_order(tiny_dataset, tmp_path):
    ours = digests(tiny_dataset)
    assert set(ours) == {"learnt_from", "chosen_by"} and ours["learnt_from"] != ours["chosen_by"]
    assert digests(changed(tiny_dataset, tmp_path / "turned", list.reverse)) == ours

    def rename(rows):
        training = plan(config(tiny_dataset, "brightfield")).splits.assignment
        next(row for row in rows if training[row["patient_id"]] == "train")["cell_id"] = "another"

    renamed = digests(changed(tiny_dataset, tmp_path / "renamed", rename))
    assert renamed["learnt_from"] != ours["learnt_from"] and renamed["chosen_by"] == ours["chosen_by"]
