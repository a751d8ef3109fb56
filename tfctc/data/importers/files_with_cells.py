"""Files that hold many cells: the importer that reads them, and the cells of all files of a folder."""

from pathlib import Path

from tfctc.cells import FileNaming
from tfctc.data.importers.pairing import EXAMPLES, Pairing
from tfctc.data.importers.sources import IMPORTERS, Importer
from tfctc.errors import ImageError, PairingError
from tfctc.io.folders import image_files, is_file, is_folder
from tfctc.io.names import check_encodable
from tfctc.io.naming import Match, Names


def importer_of(source: str | Path, naming: FileNaming | None = None) -> Importer | None:
    """The importer for a file or for the files of a folder; None if they are PNG and TIFF files.

    Args:
        source: a file, or a folder.
        naming: names of the files: the ending of a template decides. Without a naming, a folder must hold files of one
            importer, and no PNG or TIFF image.
    """
    source = Path(source)
    texts = [*naming.files, naming.pattern] if naming else []
    endings = [str(source)] if is_file(source, ImageError) else list(filter(None, texts))
    for name in IMPORTERS:
        importer = IMPORTERS[name]
        if any(ending.lower().endswith(importer.suffixes) for ending in endings):
            return importer
        if not endings and is_folder(source, ImageError) and any(image_files(source, importer.suffixes)):
            return None if any(image_files(source)) else importer
    return None


def cells_of_files(source: str | Path, naming: FileNaming, importer: Importer) -> Pairing:
    """The cells of all files of an importer; the id of a cell is that of its file, and its number there.

    Args:
        source: a file, or a folder.
        naming: names of the files, for patient, site and label; without templates the id is the path of the file.
        importer: their importer.

    Raises:
        PairingError: no file with such a name.
        TfctcError: as the importer.
    """
    source = Path(source)
    found = Pairing(naming)
    folder, files = (source.parent, [source]) if source.is_file() else (source, image_files(source, importer.suffixes))
    names = Names(naming) if naming.files or naming.pattern else None
    for path in files:
        check_encodable(str(path.absolute()), path)
        relative = path.relative_to(folder).as_posix()
        match = names.match(relative) if names else Match({"cell": relative[: -len(path.suffix)]})
        if match is None:
            found.unmatched.append(relative)
            continue
        if len(found.examples) < EXAMPLES:
            found.examples.append((relative, match))
        base = names.compose(match.groups) if names else match.groups["cell"]
        told = {name: match.groups.get(name, "") for name in ("patient", "site", "label")}
        for number, cell in importer.cells(path, naming.channels):
            for name, value in told.items():
                setattr(cell, name, getattr(cell, name) or value)
            if (cell_id := f"{base}/{number}") in found.cells:
                problem = f"cell {cell_id} is there twice"
                raise PairingError(problem, path=path, fix="give --cell-id so that every file has an id of its own")
            found.cells[cell_id] = cell
    if not found.cells:
        what = f"with a name like {names.option}" if names else f"that ends in {' or '.join(importer.suffixes)}"
        raise PairingError(f"holds no cell in a file {what}", path=source, fix="correct --files, or the path")
    return found
