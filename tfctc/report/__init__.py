"""Self-contained HTML pages: styles, plots and pictures are part of the file, so that no request leaves the machine."""
