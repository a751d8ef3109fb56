"""The configuration file."""

import dataclasses
import json

import pytest

from tfctc import config as configs
from tfctc.cells import DatasetFacts
from tfctc.config import ModelConfig, RunConfig, SplitConfig
from tfctc.errors import ConfigError, ManifestError


def test_every_field_survives_json(tmp_path):
    config = RunConfig(
        data="cells",
        seed=7,
        augment={"gain": {"strength": 0.1}},
        student=ModelConfig("compact", batchnorm_momentum=None),
        split=SplitConfig("site", 0.25, 0.25),
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps(configs.to_dict(config)))
    assert configs.load(RunConfig, path) == config


def test_toml_is_read_and_changes_win(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('mode = "brightfield"\n[training]\nepochs = 3\nlearning_rate = 1\n')
    changes = {"training.epochs": 5, "student.backbone": "compact"}
    base = configs.to_dict(configs.load(RunConfig, path))
    config = configs.from_dict(RunConfig, configs.with_changes(base, changes))
    assert config.training.epochs == 5 and config.training.learning_rate == 1.0
    assert config.mode == "brightfield" and config.student.backbone == "compact"


def test_toml_is_known_by_its_name_in_any_letters_and_with_a_byte_order_mark(tmp_path):
    """As editors on Windows write it."""
    (tmp_path / "RUN.TOML").write_text("\ufeffseed = 3\n", encoding="utf-8")
    (tmp_path / "run.json").write_text('\ufeff{"seed": 3}', encoding="utf-8")
    assert {configs.load(RunConfig, path).seed for path in tmp_path.iterdir()} == {3}


def test_a_table_that_names_one_key_leaves_the_others_as_they_were():
    """A teacher of another backbone sees DAPI still, though a network by itself sees bright-field alone."""
    config = configs.from_dict(RunConfig, {"teacher": {"backbone": "compact"}})
    assert config.teacher == dataclasses.replace(RunConfig().teacher, backbone="compact")
    assert config.teacher.channels == ("brightfield", "dapi")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sede": 1}, "unknown key sede; known keys: data, seed"),
        ({"teacher": {"channels": ["brightfield"]}}, "teacher of mode distilled sees dapi.*mode self-training"),
        ({"training": {"epoch": 1}}, "unknown key training.epoch"),
        ({"training": {"epochs": "ten"}}, "training.epochs must be int, got 'ten'"),
        ({"training": {"epochs": True}}, "training.epochs must be int"),
        ({"training": {"epochs": 0}}, "at least 1"),
        ({"training": 3}, "must be a table"),
        ({"split": {"test": 0.9}}, "sum below 1"),
        ({"student": {"channels": ["brightfield", "dapi"]}}, "student sees brightfield alone"),
        ({"teacher": {"channels": ["pe"]}}, "channels must be some of"),
        ({"mode": "magic"}, "mode must be"),
        ({"seed": -1}, "seed must be"),
        ({"training": {"monitor": "val_auc"}}, "monitor must be val_auroc or val_loss"),
        ({"training": {"steps_per_epoch": 0}}, "steps_per_epoch must be at least 1"),
        ({"training": {"labelled_share": 0}}, "labelled_share must be in"),
        ({"training": {"weight_decay": -1.0}}, "weight_decay must be in"),
        ({"student": {"batchnorm_momentum": 7.0}}, "batchnorm_momentum must be in"),
        ({"distill": {"student_weight": float("nan")}}, "student_weight must be 0 or more"),
        ({"distill": {"schedule": "soon"}}, "schedule must be constant, fade-in or fade-out"),
        ({"distill": {"folds": 0}}, "folds must be at least 1"),
        ({"distill": {"teacher_epochs": 0}}, "teacher_epochs must be at least 1"),
        ({"distill": {"dapi_dropout": 1}}, "dapi_dropout must be in"),
        ({"distill": {"start": "nowhere"}}, "start must be student or teacher"),
        ({"pretrain": {"epochs": -1}}, "pretrain.epochs must be 0 or more"),
        ({"mode": "brightfield", "pretrain": {"epochs": 1}}, "mode brightfield shows no DAPI"),
        ({"dapi_augmented": {"share": 2}}, "dapi_augmented.share must be in"),
        ({"augment": {"gain": 3}}, "augment.gain must be a table, got 3"),
        ({"augment": 5}, "augment must be a table, got 5"),
        ({"student": {"channels": "dapi"}}, "student.channels must be a list, got 'dapi'"),
    ],
)
def test_what_is_wrong_is_named(values, message):
    with pytest.raises(ConfigError, match=message):
        configs.from_dict(RunConfig, values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epochs.max", "training.epochs is 60, not a table: training.epochs.max cannot be set"),
        ("mode.x", "mode is 'distilled', not a table"),
        ("seed.x", "seed is 0, not a table"),
        ("student.channels.x", "student.channels is "),
    ],
)
def test_nothing_can_be_set_below_a_plain_value(change, message):
    with pytest.raises(ConfigError, match=message):
        configs.with_changes(configs.to_dict(RunConfig()), {change: 1})


def test_below_nothing_a_table_begins():
    changed = configs.with_changes({"augment": None}, {"augment.gain.strength": 1, "split.by": "site"})
    assert changed == {"augment": {"gain": {"strength": 1}}, "split": {"by": "site"}}


def test_a_missing_key_is_named():
    @dataclasses.dataclass(frozen=True)
    class Needs:
        name: str

    with pytest.raises(ConfigError, match="missing key name"):
        configs.from_dict(Needs, {})


@pytest.mark.parametrize("content", ["{", "[1, 2]", "\xff"])
def test_a_damaged_file_is_one_line_with_its_name(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match="config.json") as caught:
        configs.load(RunConfig, path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bit_depth": 20}, "bit_depth must be 8 to 16, got 20"),
        ({"mpp": -1}, "mpp must be micrometres per pixel above 0"),
        ({"mpp": float("nan")}, "mpp must be micrometres per pixel above 0"),
        ({"classes": ["a", "a"]}, "classes must be two different names"),
        ({"classes": ["a", "b", "c"]}, "classes must be a list of 2, got"),
        ({"name": "a b"}, "name must be letters"),
    ],
)
def test_a_value_that_no_data_set_can_have_is_told_with_its_file(tmp_path, values, message):
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"name": "few"} | values))
    with pytest.raises((ConfigError, ManifestError), match=f"dataset.json: {message}"):
        configs.load(DatasetFacts, path)


def test_assignments_from_the_command_line():
    assert configs.parse_assignment("training.epochs=5") == ("training.epochs", 5)
    assert configs.parse_assignment("mode=brightfield") == ("mode", "brightfield")
    assert configs.parse_assignment('augment={"gain": {}}') == ("augment", {"gain": {}})
    with pytest.raises(ConfigError, match="expected key=value"):
        configs.parse_assignment("epochs")
