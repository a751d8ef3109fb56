"""Self-contained HTML pages: styles, plots and pictures are part of the file, so that no request leaves the machine."""

#: Test cells on which robustness is measured, at most, if the caller does not say. Here, where it imports nothing.
CELLS = 300
