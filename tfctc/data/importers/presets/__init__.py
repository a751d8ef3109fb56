"""Presets: the file names of known sources. Each is one TOML file of this folder, which also says what it rests on.

Another package adds one as an entry point in the group ``tfctc.presets``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from tfctc.cells import FileNaming
from tfctc.config import load
from tfctc.registry import Registry


@dataclass(frozen=True)
class Preset:
    """File names of one source.

    Args:
        note: one line for the user. It says so if the preset was never checked against a real export.
        example: paths of the bright-field and the DAPI image of one cell.
        source: instrument or program that writes the files.
        evidence: origin of what is known about the file names, for whoever wants to check it.
        files, pattern, channels: as in `FileNaming`.
        example_channels: channels of the example, where the user must name them, because the files only number them.
    """

    note: str
    example: tuple[str, str]
    source: str = ""
    evidence: str = ""
    files: tuple[str, ...] = ()
    pattern: str = ""
    channels: Mapping[str, str] = field(default_factory=dict)
    example_channels: Mapping[str, str] = field(default_factory=dict)

    def naming(self, cell_id: str = "", channels: Mapping[str, str] | None = None) -> FileNaming:
        """The naming of its files; `channels` adds names of channels."""
        return FileNaming(self.files, self.pattern, cell_id, {**self.channels, **(channels or {})})


PRESETS: Registry[Preset] = Registry("preset", group="presets")

for _file in sorted(resources.files(__package__).iterdir(), key=lambda file: file.name):
    if _file.name.endswith(".toml"):
        with resources.as_file(_file) as _path:
            PRESETS.register(_file.name.removesuffix(".toml"))(load(Preset, _path))
