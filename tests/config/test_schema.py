"""Types and ranges of the settings. Whether a setting suits the training mode is tested with the recipes."""

import dataclasses
import typing

import pytest

from tfctc.config import RunConfig, from_dict
from tfctc.errors import ConfigError


def numbers(kind=RunConfig, prefix=""):
    """Yields the dotted key of every number among the settings."""
    for name, annotation in typing.get_type_hints(kind).items():
        if dataclasses.is_dataclass(annotation):
            yield from numbers(annotation, f"{prefix}{name}.")
        elif {int, float} & {annotation, *typing.get_args(annotation)}:
            yield f"{prefix}{name}"


def nested(key, value):
    table, _, name = key.rpartition(".")
    return {table: {name: value}} if table else {name: value}


def test_the_defaults_pass_their_own_checks():
    assert from_dict(RunConfig, dataclasses.asdict(RunConfig())) == RunConfig()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sede": 1}, "unknown key sede; known keys: data, seed"),
        ({"training": {"epoch": 1}}, "unknown key training.epoch; known keys: epochs, "),
        ({"training": {"epochs": "ten"}}, "training.epochs must be a whole number, got 'ten'"),
        ({"training": {"epochs": True}}, "training.epochs must be a whole number, got True"),
        ({"training": {"epochs": 2.0}}, "training.epochs must be a whole number, got 2.0"),
        ({"training": {"epochs": 0}}, "training.epochs must be a whole number >= 1, got 0"),
        ({"training": 3}, "training must be a table of keys, got 3"),
        ({"split": {"test": 0.9}}, "split.validation and split.test must sum to less than 1, got 0.2 and 0.9"),
        ({"split": {"test": 0}}, "split.test must be a number > 0.0, got 0"),
        ({"student": {"channels": ["brightfield", "dapi"]}}, "student.channels must be brightfield alone, got"),
        ({"student": {"channels": ["dapi"]}}, "student.channels must be brightfield alone, got"),
        ({"student": {"channels": "dapi"}}, "student.channels must be a list, got 'dapi'"),
        ({"teacher": {"channels": ["pe"]}}, "teacher.channels.0 must be one of brightfield, dapi, got 'pe'"),
        ({"teacher": {"channels": []}}, r"channels of a network must be one or more, each named once, got \[\]"),
        ({"teacher": {"channels": ["dapi", "dapi"]}}, "channels of a network must be one or more, each named once"),
        ({"teacher": {"dropout": 1}}, "teacher.dropout must be a number < 1.0, got 1"),
        ({"mode": 3}, "mode must be text, got 3"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
        ({"seed": 2**31}, "seed must be a whole number <= 2147483647, got 2147483648"),
        (
            {"training": {"monitor": "val_auc"}},
            "training.monitor must be one of last, val_auroc, val_loss, got",
        ),
        ({"training": {"steps_per_epoch": 0}}, "training.steps_per_epoch must be a whole number >= 1, got 0"),
        ({"training": {"labelled_share": 0}}, "training.labelled_share must be a number > 0.0, got 0"),
        ({"training": {"labelled_share": "x"}}, "training.labelled_share must be a number or empty, got 'x'"),
        ({"training": {"weight_decay": -1.0}}, "training.weight_decay must be a number >= 0.0, got -1.0"),
        ({"training": {"learning_rate": float("inf")}}, "training.learning_rate must be a finite number, got inf"),
        ({"student": {"batchnorm_momentum": 7.0}}, "student.batchnorm_momentum must be a number < 1.0, got 7.0"),
        ({"distill": {"student_weight": float("inf")}}, "distill.student_weight must be a finite number, got inf"),
        ({"distill": {"schedule": "soon"}}, "distill.schedule must be one of constant, fade-in, fade-out, got 'soon'"),
        ({"distill": {"folds": 0}}, "distill.folds must be a whole number >= 1, got 0"),
        ({"distill": {"teacher_epochs": 0}}, "distill.teacher_epochs must be a whole number >= 1, got 0"),
        ({"distill": {"dapi_dropout": 1}}, "distill.dapi_dropout must be a number < 1.0, got 1"),
        ({"distill": {"start": "nowhere"}}, "distill.start must be one of student, teacher, got 'nowhere'"),
        ({"distill": {"losses": {"logits": 2.0}}}, "distill.losses.logits must be a table, got 2.0"),
        ({"pretrain": {"epochs": -1}}, "pretrain.epochs must be a whole number >= 0, got -1"),
        ({"dapi_augmented": {"share": 2}}, "dapi_augmented.share must be a number <= 1.0, got 2"),
        ({"dapi_augmented": {"until": 0}}, "dapi_augmented.until must be a number > 0.0, got 0"),
        ({"augment": {"gain": 3}}, "augment.gain must be a table, got 3"),
        ({"augment": 5}, "augment must be a table or empty, got 5"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(values, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        from_dict(RunConfig, values)


def test_no_number_may_be_nan_or_infinite():
    keys = list(numbers())
    assert {"seed", "split.test", "training.weight_decay", "distill.student_weight", "teacher.dropout"} <= set(keys)
    for key in keys:
        for value in (float("nan"), float("inf"), -float("inf")):
            with pytest.raises(ConfigError, match=key.replace("split.validation", "split.(validation|test)")):
                from_dict(RunConfig, nested(key, value))
