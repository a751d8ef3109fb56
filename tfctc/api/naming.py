"""Naming of image files, from the arguments of `import_images`, `predict` and `watch`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from tfctc.cells import FileNaming
from tfctc.data.importers.presets import PRESETS
from tfctc.errors import ConfigError
from tfctc.io.naming import Names


def naming_of(
    files: str | Sequence[str] = (),
    pattern: str | None = None,
    preset: str | None = None,
    cell_id: str = "",
    channels: Mapping[str, str] | None = None,
    planes: Literal["channels", "cells"] | None = None,
    first_plane: int | None = None,
) -> FileNaming | None:
    """The naming that the arguments describe, checked; None if they say nothing.

    If the names of the files tell no channel, but `channels` is given, the planes of a file are its channels.

    Raises:
        ConfigError: more than one of `files`, `pattern` and `preset`, a naming that cannot be used, or `first_plane`
            where planes are not cells.
    """
    templates = (files,) if isinstance(files, str) else tuple(files)
    options = (("--files", templates), ("--pattern", pattern), ("--preset", preset))
    given = [option for option, value in options if value]
    if len(given) > 1:
        fix = "give one of them; --files may be repeated"
        raise ConfigError(f"one of --files, --pattern and --preset is needed, got {' and '.join(given)}", fix=fix)
    if first_plane is not None and planes != "cells":
        raise ConfigError("--first-plane goes with --planes cells", fix="add it, or leave --first-plane out")
    if preset:
        return replace(
            PRESETS[preset].naming(cell_id, channels), planes=planes or "single", first_plane=first_plane or 0
        )
    naming = FileNaming(templates, pattern or "", cell_id, channels or {}, planes or "single", first_plane or 0)
    if not given:
        return naming if cell_id or channels else None
    if channels and planes is None and "channel" not in Names(naming).groups:
        return replace(naming, planes="channels")
    return naming
