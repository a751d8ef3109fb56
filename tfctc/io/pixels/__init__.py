"""Grey planes of PNG and TIFF files, read without loss and never wrongly in silence, by NumPy and Pillow alone.

`reader` is the entrance. A TIFF goes through `tags` (directories), `stack` (which planes there are; `ome` and `imagej`
read the descriptions), `layout` and `blocks` (strips and tiles; `compression` and `lzw`), `colour` and `counts`. A PNG
goes through `png`. `kinds` names any other file.
"""

from tfctc.io.pixels.plane import NOTES, Plane
from tfctc.io.pixels.reader import plane_count, plane_names, read_plane

__all__ = ["NOTES", "Plane", "plane_count", "plane_names", "read_plane"]
