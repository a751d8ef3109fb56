"""Settings to plain values and files, and back."""

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tfctc import config as configs
from tfctc.cells import DatasetFacts
from tfctc.config import DistillConfig, ModelConfig, RunConfig, SplitConfig, TrainingConfig
from tfctc.errors import ConfigError, ManifestError


@pytest.fixture
def config():
    """A configuration in which every table differs from its defaults."""
    return RunConfig(
        data="cells",
        seed=7,
        augment={"gain": {"log": 0.1}},
        student=ModelConfig("compact", batchnorm_momentum=None),
        split=SplitConfig("site", 0.25, 0.25, 3),
        distill=DistillConfig(losses={"feature": {"tap": "stage2", "weight": 0.5}}, folds=3),
        training=TrainingConfig(epochs=2, labelled_share=0.5, learning_rate=3e-3),
    )


def test_every_field_survives_json(config, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(configs.to_dict(config)))
    assert configs.load(RunConfig, path) == config


def test_plain_values_are_those_of_the_dataclass(config):
    """`dataclasses.asdict` is the oracle; JSON has no tuples."""
    plain = json.loads(json.dumps(configs.to_dict(config)))
    assert plain == json.loads(json.dumps(dataclasses.asdict(config)))


def test_toml_says_what_its_own_reader_says(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('mode = "brightfield"\n[training]\nepochs = 3\nlearning_rate = 1\n[augment.gain]\nlog = 0.5\n')
    config, values = configs.load(RunConfig, path), tomllib.loads(path.read_text())
    assert (config.mode, config.augment) == (values["mode"], values["augment"])
    assert (config.training.epochs, config.training.learning_rate) == (3, 1.0)
    assert type(config.training.learning_rate) is float
    untouched = dataclasses.replace(config, mode=RunConfig().mode, augment=None, training=TrainingConfig())
    assert untouched == RunConfig()


def test_toml_is_known_by_its_name_in_any_letters_and_with_a_byte_order_mark(tmp_path):
    """Editors on Windows write files like these."""
    (tmp_path / "RUN.TOML").write_text("\ufeffseed = 3\n", encoding="utf-8")
    (tmp_path / "run.json").write_text('\ufeff{"seed": 3}', encoding="utf-8")
    assert {configs.load(RunConfig, path).seed for path in tmp_path.iterdir()} == {3}


def test_a_table_that_names_one_key_leaves_the_others_as_they_were():
    """A teacher of another backbone still sees DAPI, although a network by itself sees bright-field alone."""
    config = configs.from_dict(RunConfig, {"teacher": {"backbone": "compact"}})
    assert config.teacher == dataclasses.replace(RunConfig().teacher, backbone="compact")
    assert config.teacher.channels == ("brightfield", "dapi")


@dataclass(frozen=True)
class Inner:
    size: int
    name: str = "inner"


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner(1, "outer")
    entries: Mapping[str, Inner] = field(default_factory=dict)
    numbers: Mapping[str, tuple[int, ...]] | None = None


def test_an_entry_of_a_table_of_any_keys_has_the_defaults_of_its_own_kind():
    config = configs.from_dict(Outer, {"inner": {"size": 2}, "entries": {"a b": {"size": 3}}, "numbers": {"x": [1, 2]}})
    assert config == Outer(Inner(2, "outer"), {"a b": Inner(3, "inner")}, {"x": (1, 2)})
    assert configs.from_dict(Outer, {"inner": {}}) == Outer()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"entries": {"a b": {"size": "x"}}}, "entries.a b.size must be a whole number, got 'x'"),
        ({"entries": {"a": {}}}, "missing key entries.a.size"),
        ({"entries": {"a": {"size": 1, "length": 2}}}, "unknown key entries.a.length; known keys: size, name"),
        ({"entries": {"a": 3}}, "entries.a must be a table of keys, got 3"),
        ({"entries": {4: {"size": 1}}}, "keys of entries must be text, got 4"),
        ({"numbers": {"x": 1}}, "numbers.x must be a list, got 1"),
        ({"numbers": {"x": [1, "a"]}}, "numbers.x.1 must be a whole number, got 'a'"),
        ({"numbers": 5}, "numbers must be a table or empty, got 5"),
        ([1], r"the settings must be a table of keys, got \[1\]"),
    ],
)
def test_the_key_of_a_wrong_value_is_named_at_any_depth(values, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        configs.from_dict(Outer, values)


def test_a_missing_key_is_named_with_its_prefix():
    for where, name in (("", "size"), ("augment.gain.", "augment.gain.size")):
        with pytest.raises(ConfigError, match=f"^missing key {name}$"):
            configs.from_dict(Inner, {}, where)


@pytest.mark.parametrize("name", ["config.json", "config.toml"])
@pytest.mark.parametrize("content", ["{", "[1, 2]", "\xff"])
def test_a_damaged_file_is_one_line_with_its_name(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=name) as caught:
        configs.load(RunConfig, path)
    assert "\n" not in str(caught.value) and caught.value.path == str(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere.toml: no such file"):
        configs.load(RunConfig, tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match=f"{tmp_path}: cannot be read .*directory.*; give a file in TOML if"):
        configs.load(RunConfig, tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bit_depth": 20}, "bit_depth must be 8 to 16, got 20"),
        ({"mpp": -1}, "mpp must be micrometres per pixel above 0"),
        ({"mpp": float("nan")}, "mpp must be micrometres per pixel above 0"),
        ({"classes": ["a", "a"]}, "classes must be two different names"),
        ({"classes": ["a", "b", "c"]}, "classes must be a list of length 2, got"),
        ({"name": "a b"}, "name must be letters"),
    ],
)
def test_a_value_that_no_data_set_can_have_is_told_with_its_file(tmp_path, values, message):
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"name": "few"} | values))
    with pytest.raises((ConfigError, ManifestError), match=f"dataset.json: {message}"):
        configs.load(DatasetFacts, path)
