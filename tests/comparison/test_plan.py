"""Plans: the settings of their runs, and the message for each mistake in one."""

import json
from pathlib import Path

import pytest

from tfctc.comparison.plan import Plan
from tfctc.config import CrossValidationConfig
from tfctc.data.manifest import Manifest
from tfctc.errors import ConfigError
from tfctc.training.cross_validation import fold_runs

PLAN = """
budgets = [8, "all"]
learning_rates = [0.001, 0.003]
rivals = ["self-training"]
[base.training]
epochs = 2
[base.student]
backbone = "compact"
[base.teacher]
backbone = "compact"
[arms.brightfield.settings]
mode = "brightfield"
[arms.self-training]
teachers = "brightfield"
settings.mode = "self-training"
[arms.distilled.settings]
training.batch_size = 4
"""


def load(tmp_path, text):
    (tmp_path / "plan.toml").write_text(text)
    return Plan.load(tmp_path / "plan.toml")


def test_settings_of_an_arm_override_those_of_the_base(tmp_path):
    plan = load(tmp_path, PLAN)
    config = plan.config("distilled", 8, 3, 0.01)
    assert (config.mode, config.student.backbone, config.seed) == ("distilled", "compact", 3)
    training = config.training
    assert (training.epochs, training.batch_size, training.label_budget, training.learning_rate) == (2, 4, 8, 0.01)
    assert plan.config("brightfield", "all", 0, 0.01).training.label_budget is None


def test_a_plan_without_a_backbone_has_that_of_fit(tmp_path):
    small, large = (load(tmp_path, PLAN.replace('backbone = "compact"', "")).on((size, size)) for size in (40, 96))
    for plan, backbone in ((small, "compact"), (large, "resnet50")):
        assert {getattr(plan.sample("distilled"), name).backbone for name in ("student", "teacher")} == {backbone}
    assert load(tmp_path, PLAN).on((96, 96)) == load(tmp_path, PLAN)


def test_each_arm_has_the_backbone_of_its_own_settings(tmp_path):
    text = """
budgets = ["all"]
[arms.brightfield.settings]
mode = "brightfield"
student.backbone = "resnet50"
[arms.published.settings]
student.weights = "imagenet"
[arms.self-training]
teachers = "brightfield"
settings = {mode = "self-training", distill = {losses = {logits = {}}}}
"""
    plan = load(tmp_path, text.replace('teachers = "brightfield"', "")).on((40, 40))
    backbones = [plan.sample(arm).student.backbone for arm in ("brightfield", "published", "self-training")]
    assert backbones == ["resnet50", "resnet50", "compact"]
    with pytest.raises(ConfigError, match="self-training asks for other teachers.*set teacher.backbone to 'resnet50'"):
        load(tmp_path, text).on((40, 40))


def test_all_arms_and_seeds_share_one_split(tmp_path):
    plan = load(tmp_path, PLAN)
    assert {plan.config(arm, 8, seed, 0.1).split.seed for arm in plan.arms for seed in (0, 7)} == {0}


def test_runs_are_float32_unless_the_plan_names_a_precision(tmp_path):
    assert load(tmp_path, PLAN).sample("distilled").training.precision == "float32"
    named = PLAN.replace("training.batch_size = 4", 'training = {precision = "bfloat16"}')
    assert load(tmp_path, named).sample("distilled").training.precision == "bfloat16"


def test_folds_are_the_same_for_every_arm_and_seed(tmp_path, tiny_dataset):
    """Seeds of the repeats do not overlap: seed S of the plan is S * 2 in the first repeat, S * 2 + 1 in the second."""
    plan, manifest = load(tmp_path, "folds = 3\nrepeats = 2\n" + PLAN), Manifest.open(tiny_dataset)
    sample = plan.sample("distilled")
    assert (sample.cross_validation.folds, sample.cross_validation.repeats) == (3, 2)
    folds, seeds = set(), []
    for arm in plan.arms:
        for seed in (0, 1, 2):
            runs = fold_runs(plan.config(arm, 8, seed, 0.1), Path("out"), manifest)
            folds.add(json.dumps([run.fold.assignment for run in runs]))
            seeds += [run.config.seed for run in runs if arm == "distilled"]
    assert len(folds) == 1 and seeds == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3 + [5] * 3
    tested = [patient for run in runs[:3] for patient in run.fold.patients("test")]
    assert sorted(tested) == manifest.index.names["patient_id"]


def test_a_plan_without_folds_has_the_runs_that_it_had(tmp_path):
    assert load(tmp_path, PLAN).config("distilled", 8, 3, 0.01).cross_validation == CrossValidationConfig()


@pytest.mark.parametrize(
    "old,new,message",
    [
        ("budgets = [8", "folds = 1\nbudgets = [8", 'folds must be a whole number of 2 or more, "patient" or "site"'),
        ("budgets = [8", 'folds = "site"\nrepeats = 2\nbudgets = [8',
         "plan.toml: repeats needs a number of folds, got folds 'site'; leave out repeats, or set folds to a number$"),
        ("budgets = [8", "repeats = 2\nbudgets = [8", "repeats needs a number of folds, got folds None"),
        ("[base.training]", 'folds = 3\n[base.split]\nfile = "splits.csv"\n[base.training]',
         "arm brightfield: folds tests every patient, and split.file says whom to test; leave out .*file, or folds"),
        ("[base.training]", "[base.cross_validation]\nfolds = 3\n[base.training]",
         "base cannot set cross_validation; use folds and repeats, of the plan"),
        ("epochs = 2", 'epochs = 2\nprecision = "auto"', "training.precision must be float32, bfloat16 or float16"),
        ('teachers = "brightfield"', 'teachers = "bright"', "unknown arm 'bright'.*arms are: brightfield"),
        ('rivals = ["self-training"]', 'rivals = ["none"]', "unknown arm 'none'"),
        ('budgets = [8, "all"]', "budgets = [8, 8]", "budgets must be one or more values, each once"),
        ('budgets = [8, "all"]', "budgets = [0]", "must be 1 or more labels or 'all', got 0"),
        ('budgets = [8, "all"]', "budgets = [[8, 20]]", r"must be 1 or more labels or 'all', got \[8, 20\]"),
        ("[arms.distilled.settings]", '[arms.more]\nteachers = "distilled"\n'
         "[arms.distilled.settings]\ndistill.losses = {staining = {}}",
         "arm distilled has no teacher: its mode has none, or no loss needs one"),
        ('settings.mode = "self-training"', "settings.distill.losses = {staining = {}}",
         "arm self-training has no teacher"),
        ("[base.training]", "tuned_at = 9\n[base.training]", "has no budget 9, at which learning rates"),
        ("[base.training]", "tuning_seeds = []\n[base.training]", "tuning_seeds must name a seed"),
        ("training.batch_size = 4", "training.batchsize = 4", "arm distilled: unknown key training.batchsize"),
        ("training.batch_size = 4", "split.test = 0.3", "arm distilled has a split of its own"),
        ("budgets = [8", "colour = 1\nbudgets = [8", "unknown key colour"),
        ("[arms.distilled.settings]", '[arms.distilled]\nteachers = "self-training"\n[arms.distilled.settings]',
         "trains none itself"),
        ("[arms.brightfield.settings]", "[arms.brightfield]\nbudgets = [8]\n[arms.brightfield.settings]",
         "arm brightfield has no teachers for arm self-training at budget all"),
        ("[arms.brightfield.settings]", "[arms.brightfield]\nlearning_rates = [0.0]\n[arms.brightfield.settings]",
         "arm brightfield: training.learning_rate must be a number > 0.0, got 0.0"),
        ("[arms.brightfield.settings]", "[arms.brightfield]\nlearning_rates = []\n[arms.brightfield.settings]",
         "learning_rates of arm brightfield must be one or more values"),
        ("[arms.brightfield.settings]",
         '[arms.brightfield]\nlearning_rates = [0.1]\nrate_of = "distilled"\n[arms.brightfield.settings]',
         "learning_rates or rate_of, not both"),
        ('settings.mode = "self-training"', 'settings.mode = "dapi-augmented"',
         "arm self-training has no teacher: its mode"),
        ('[base.teacher]\nbackbone = "compact"', "",
         "self-training asks for other teachers than arm brightfield has; set teacher.backbone to 'compact'"),
        ("[arms.distilled.settings]", '["arms"."../x".settings]', "arm '../x' cannot name a folder: use letters"),
        ("[arms.brightfield.settings]", "[arms.brightfield]\nbudgets = []\n[arms.brightfield.settings]",
         "budgets of arm brightfield must be one or more values"),
        ("[arms.brightfield.settings]", '[arms.brightfield]\nbudgets = [8, 8, "all"]\n[arms.brightfield.settings]',
         "budgets of arm brightfield must be one or more values, each once"),
        ("learning_rates = [0.001, 0.003]", "learning_rates = [0.001]\ntuning_seeds = []\n"
         "arms.more.learning_rates = [0.1, 0.2]", "tuning_seeds must name a seed"),
        ("learning_rates = [0.001, 0.003]", "learning_rates = [0.001, 0.0]", "learning_rate must be a number > 0.0"),
        ("learning_rates = [0.001, 0.003]", "learning_rates = [inf]", "learning_rate must be a finite number, got inf"),
        ("[base.training]", "seeds = [0, -1]\n[base.training]", "arm brightfield: seed must be a whole number >= 0"),
        ("training.batch_size = 4", 'student.backbone = "big"', "arm distilled: unknown backbone.*compact"),
        ("training.batch_size = 4", "distill.losses = {wish = {}}", "arm distilled: unknown distillation loss"),
        ("training.batch_size = 4", "training.batch_size = 1", "arm distilled: training.batch_size must be at least 2"),
        ('settings.mode = "self-training"', 'settings.mode = "self-training"\nsettings.distill.folds = 2',
         "another number of teachers.*set distill.folds to 1"),
        ('settings.mode = "self-training"', 'settings.mode = "self-training"\nsettings.distill.teacher_epochs = 3',
         "asks for other teachers than arm brightfield has; leave out distill.teacher_epochs, or set it for brightf"),
        ("training.batch_size = 4", 'student.weights = "no.keras"', "arm distilled: no.keras: no such weights file"),
        ("[arms.brightfield.settings]",
         '[arms.brightfield]\nrate_of = "self-training"\n[arms.brightfield.settings]', "which chooses none itself"),
        ("[base.training]", "[base]\nseed = 7\n[base.training]", "base cannot set seed; use seeds"),
        ("training.batch_size = 4", "training.learning_rate = 0.1",
         "arm distilled cannot set training.learning_rate; use learning_rates"),
        ("training.batch_size = 4", 'distill.teachers = "runs/x"', "cannot set distill.teachers; use teachers, of an"),
        ("epochs = 2", "label_budget = 30", "base cannot set training.label_budget; use budgets"),
        ("[base.training]", "further_seeds = {9 = [7]}\n[base.training]", "names budget 9, which no arm has"),
        ("[base.training]", "further_seeds = {8 = [7, 0]}\n[base.training]",
         r"must be different seeds, none of seeds.*\[7, 0\]"),
    ],
)  # fmt: skip
def test_a_plan_with_a_mistake_is_refused(tmp_path, old, new, message):
    assert old in PLAN
    with pytest.raises(ConfigError, match=message) as error:
        load(tmp_path, PLAN.replace(old, new))
    assert "plan.toml" in str(error.value)
