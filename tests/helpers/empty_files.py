"""Empty files, where only names count."""

from pathlib import Path


def touch(folder: Path, *names: str) -> Path:
    """Makes empty files of these paths below `folder`, and their folders; returns `folder`."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder
