"""Building blocks of recipes, shared by the modes."""

from collections.abc import Mapping
from dataclasses import replace

from tfctc.augment.channels import ChannelChange, DapiDropout
from tfctc.augment.policy import Policy
from tfctc.cells import DAPI
from tfctc.config import DistillConfig, ModelConfig, RunConfig
from tfctc.data.selection import LABELLED, Selection, visible_to
from tfctc.distill.losses import LOSSES, DistillationLoss, build_losses
from tfctc.distill.teacher_kinds import TEACHER_KINDS
from tfctc.errors import ConfigError
from tfctc.recipes.recipe import STUDENT, Network, Recipe, Stage, stream_seed

#: Settings of `distill` that are used only with a teacher.
TEACHER_SETTINGS = ("folds", "teacher_epochs", "teachers", "dapi_dropout", "start")


def recipe_from_labels(
    config: RunConfig,
    channels: ChannelChange | None = None,
    required: Selection = LABELLED,
    can_teach: ModelConfig | None = None,
) -> Recipe:
    """A recipe whose student learns from labels alone, after pretraining if the settings ask for it.

    Args:
        config: settings of the training.
        channels: change of the channels of training batches.
        required: training cells that must include both classes.
        can_teach: kind of network of this run that other runs may use as their teacher.
    """
    for name in config.distill.losses:
        LOSSES[name]  # Raises for an unknown name, even if the mode does not use the loss.
    pretraining = _pretraining(config)
    return Recipe(
        mode=config.mode,
        networks={STUDENT: _student_network(config)},
        stages=(*pretraining, _student_stage(config, (LABELLED,), channels=channels, required=required)),
        augmentation=Policy.from_config(config.augment),
        can_teach=can_teach,
        precision=config.training.precision,
    )


def recipe_with_losses(config: RunConfig, teacher: ModelConfig) -> Recipe:
    """A recipe whose student learns from labels, and from `distill.losses` on labelled and unlabelled cells.

    Args:
        config: settings of the training.
        teacher: settings of the teachers' network; not used if no loss needs a teacher.

    Raises:
        ConfigError: settings that contradict each other, or that nothing would use.
    """
    if config.training.batch_size < 2:
        problem = (
            f"training.batch_size must be at least 2 in mode {config.mode}: labelled and unlabelled cells share a batch"
        )
        raise ConfigError(f"{problem}, got {config.training.batch_size}")
    losses = build_losses(config.distill.losses)
    kinds = _kinds_of_teachers(config, losses)
    with_taps = any(loss.needs_teacher for loss in losses.values())
    if not with_taps and not any(TEACHER_KINDS[kind].network for kind in kinds):
        return _taught_without_network(config, losses, kinds)
    names = teacher_names(config.distill)
    networks = {name: Network(teacher, stream_seed(config.seed, "teacher", fold)) for fold, name in enumerate(names)}
    stages = [] if config.distill.teachers else [_teacher_stage(config, teacher, fold) for fold in range(len(names))]
    student = _student_stage(config, _all_cells(losses), losses, names if with_taps else (), kinds)
    stages += [*_pretraining(config), student]
    if config.distill.start == "teacher":
        first = next(i for i, stage in enumerate(stages) if stage.network == STUDENT)
        stages[first] = replace(stages[first], start_from=names[0])
    return Recipe(
        mode=config.mode,
        networks=networks | {STUDENT: _student_network(config)},
        stages=tuple(stages),
        augmentation=Policy.from_config(config.augment),
        teachers=names,
        teachers_from=config.distill.teachers,
        can_teach=teacher,
        precision=config.training.precision,
    )


def teacher_names(distill: DistillConfig) -> tuple[str, ...]:
    """Names of the teachers: "teacher", or "teacher-0" and so on with several."""
    return ("teacher",) if distill.folds == 1 else tuple(f"teacher-{fold}" for fold in range(distill.folds))


def check_no_dapi(config: RunConfig) -> None:
    """Checks that no setting asks for DAPI, in a mode that never reads it.

    Raises:
        ConfigError: pretraining, which reads DAPI.
    """
    if config.pretrain.epochs:
        raise ConfigError(
            f"mode {config.mode} reads no DAPI, so pretrain.epochs must be 0, got {config.pretrain.epochs}"
        )


def _kinds_of_teachers(config: RunConfig, losses: Mapping[str, DistillationLoss]) -> tuple[str, ...]:
    """Kinds of teachers that give soft labels; () if no loss reads soft labels."""
    kinds = config.distill.teacher_kinds
    for kind in kinds:
        TEACHER_KINDS[kind]  # Raises for an unknown name, even if no loss needs soft labels.
    if len(set(kinds)) < len(kinds):
        raise ConfigError(f"distill.teacher_kinds must name each kind once, got {list(kinds)}")
    return kinds if any(loss.needs_soft_labels for loss in losses.values()) else ()


def _taught_without_network(
    config: RunConfig, losses: Mapping[str, DistillationLoss], kinds: tuple[str, ...]
) -> Recipe:
    """The recipe of a student without a teacher network: from soft labels of other teachers, or from DAPI itself."""
    for setting in TEACHER_SETTINGS:
        if getattr(config.distill, setting) != getattr(DistillConfig, setting):
            problem = f"distill.{setting} is about teacher networks, and no loss of distill.losses needs one"
            fix = 'add "network" to distill.teacher_kinds' if kinds else "add the loss soft-labels"
            raise ConfigError(problem, fix=f"leave out distill.{setting}, or {fix}")
    stages = (*_pretraining(config), _student_stage(config, _all_cells(losses), losses, kinds=kinds))
    return Recipe(
        mode=config.mode,
        networks={STUDENT: _student_network(config)},
        stages=stages,
        augmentation=Policy.from_config(config.augment),
        precision=config.training.precision,
    )


def _all_cells(losses: Mapping[str, DistillationLoss]) -> tuple[Selection, ...]:
    return (LABELLED, Selection("unlabelled")) if losses else (LABELLED,)


def _student_network(config: RunConfig) -> Network:
    return Network(config.student, stream_seed(config.seed, "student"))


def _student_stage(
    config: RunConfig,
    cells: tuple[Selection, ...],
    losses: Mapping[str, DistillationLoss] | None = None,
    teachers: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
    channels: ChannelChange | None = None,
    required: Selection = LABELLED,
) -> Stage:
    return Stage(
        name=STUDENT,
        network=STUDENT,
        cells=cells,
        training=config.training,
        monitor=config.training.monitor,
        seed=stream_seed(config.seed, "student"),
        losses=losses or {},
        label_weight=config.distill.student_weight if losses else 1.0,
        schedule=config.distill.schedule,
        teachers=teachers,
        soft_labels=kinds,
        balanced_draw=bool(kinds) and config.distill.draw == "balanced",
        channels=channels,
        required=required,
        saved_as=f"{STUDENT}.keras",
    )


def _teacher_stage(config: RunConfig, teacher: ModelConfig, fold: int) -> Stage:
    name = teacher_names(config.distill)[fold]
    without_fold = None if config.distill.folds == 1 else fold
    cells = replace(visible_to(teacher.channels), without_fold=without_fold)
    hides_dapi = DAPI in teacher.channels and config.distill.dapi_dropout
    return Stage(
        name=name,
        network=name,
        cells=(cells,),
        validation=visible_to(teacher.channels),
        training=replace(config.training, epochs=config.distill.teacher_epochs or config.training.epochs),
        monitor=config.training.monitor,
        seed=stream_seed(config.seed, "teacher", fold),
        channels=DapiDropout(config.distill.dapi_dropout) if hides_dapi else None,
        required=cells,
        saved_as=f"{name}.keras",
    )


def _pretraining(config: RunConfig) -> tuple[Stage, ...]:
    """The stage that trains the student without labels, by losses that read the DAPI image; () without pretraining."""
    epochs = config.pretrain.epochs
    if not epochs:
        for name in config.pretrain.losses:
            LOSSES[name]  # Raises for an unknown name, even though the loss is not used.
        return ()
    losses = build_losses(config.pretrain.losses)
    unsuited = [
        name for name, loss in losses.items() if loss.needs_teacher or loss.needs_soft_labels or loss.needs_own_logits
    ]
    if unsuited or not losses:
        problem = "pretrain.losses must be losses that need no teacher and no labels"
        raise ConfigError(f"{problem}, got {', '.join(unsuited) or 'none'}", fix="choose staining or alignment")
    # No labels are used: classes cannot be balanced, and the best epoch is chosen by the loss.
    training = replace(config.training, epochs=epochs, patience=epochs, class_weights="none")
    return (
        Stage(
            name="pretraining",
            network=STUDENT,
            cells=(Selection("all", with_dapi=True),),
            training=training,
            monitor="loss",
            seed=stream_seed(config.seed, "pretraining"),
            losses=losses,
            label_weight=0.0,
        ),
    )
