"""Single settings laid over a table of settings."""

import pytest

from tfctc import config as configs
from tfctc.config import RunConfig
from tfctc.errors import ConfigError


def test_changes_win_over_a_file(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('mode = "brightfield"\n[training]\nepochs = 3\nlearning_rate = 1\n')
    changes = {"training.epochs": 5, "student.backbone": "compact"}
    base = configs.to_dict(configs.load(RunConfig, path))
    config = configs.from_dict(RunConfig, configs.with_changes(base, changes))
    assert config.training.epochs == 5 and config.training.learning_rate == 1.0
    assert config.mode == "brightfield" and config.student.backbone == "compact"


def test_the_values_changed_are_a_copy():
    base = {"training": {"epochs": 3}}
    assert configs.with_changes(base, {"training.epochs": 5}) == {"training": {"epochs": 5}}
    assert configs.merged(base, {"training": {"patience": 2}}) == {"training": {"epochs": 3, "patience": 2}}
    assert base == {"training": {"epochs": 3}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"a": {"y": 3}}, {"a": {"x": 1, "y": 3}, "b": 5, "c": None}),
        ({"a": {"x": {"z": 4}}}, {"a": {"x": {"z": 4}, "y": 2}, "b": 5, "c": None}),
        ({"b": {"new": 1}}, {"a": {"x": 1, "y": 2}, "b": {"new": 1}, "c": None}),
        ({"a": None, "c": {"d": 1}}, {"a": None, "b": 5, "c": {"d": 1}}),
    ],
)
def test_tables_are_merged_and_any_other_value_is_replaced(changes, expected):
    assert configs.merged({"a": {"x": 1, "y": 2}, "b": 5, "c": None}, changes) == expected


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


def test_a_table_begins_where_there_was_no_value():
    changed = configs.with_changes({"augment": None}, {"augment.gain.log": 1, "split.by": "site"})
    assert changed == {"augment": {"gain": {"log": 1}}, "split": {"by": "site"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training.epochs=5", ("training.epochs", 5)),
        ("mode=brightfield", ("mode", "brightfield")),
        ('augment={"gain": {}}', ("augment", {"gain": {}})),
        ("data=a=b", ("data", "a=b")),
        ("data=", ("data", "")),
        ("training.precision=null", ("training.precision", None)),
    ],
)
def test_an_assignment_is_json_or_text(text, expected):
    assert configs.parse_assignment(text) == expected


@pytest.mark.parametrize("text", ["epochs", "=5", ""])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(ConfigError, match=f"expected key=value, got {text!r}; for example training.epochs=20"):
        configs.parse_assignment(text)
