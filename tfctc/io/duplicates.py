"""Search for repeated names among millions, on disk: it takes an eighth of a byte of memory for each name."""

import tempfile
from contextlib import ExitStack
from hashlib import blake2b

import numpy as np

from tfctc.io.files import temporary_file_errors

#: Number of files that the fingerprints are distributed over; one of them is in memory at a time.
FILES = 64


class Fingerprints(ExitStack):
    """Context manager that holds a 64-bit fingerprint of every added name, in temporary files.

    Two different names may share a fingerprint. So the names of a repeated fingerprint are still to be compared.

    Raises:
        OutputError: the temporary files cannot be created or written; every method may raise it.
    """

    def __init__(self):
        super().__init__()
        self._count = 0
        with temporary_file_errors():
            self._files = [self.enter_context(tempfile.TemporaryFile()) for _ in range(FILES)]  # noqa: SIM115

    def __exit__(self, *details):
        with temporary_file_errors():  # Closing writes what is still buffered.
            return super().__exit__(*details)

    def __len__(self) -> int:
        return self._count

    def add(self, name: str) -> None:
        """Adds the fingerprint of `name`."""
        digest = _digest(name)
        with temporary_file_errors():
            self._files[digest[0] % FILES].write(digest)
        self._count += 1

    def repeated(self) -> set[int]:
        """Fingerprints that were added twice or more."""
        found = set()
        for file in self._files:
            with temporary_file_errors():
                file.seek(0)
                seen = np.sort(np.frombuffer(file.read(), "<u8"))
            found.update(seen[1:][seen[1:] == seen[:-1]].tolist())
        return found


def fingerprint(name: str) -> int:
    """64-bit hash of a name (BLAKE2b), the same on every machine."""
    return int.from_bytes(_digest(name), "little")


def _digest(name: str) -> bytes:
    # A file's name need not be UTF-8; Python holds such bytes as surrogates.
    return blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()


def image_fingerprint(pixels: np.ndarray) -> int | None:
    """64-bit hash (BLAKE2b) of size and pixel values of an image, whatever its type and file format.

    Args:
        pixels: ``(H, W, 1)`` unsigned integers.

    Returns:
        The hash; None for an image whose pixels are all equal: two such images need not be of one cell.
    """
    if not len(pixels) or (pixels == pixels.flat[0]).all():
        return None
    digest = blake2b(repr(pixels.shape[:2]).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(pixels, "<u2").data)
    return int.from_bytes(digest.digest(), "little")
