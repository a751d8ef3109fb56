"""Colours of plots that stand for those of the page's styles."""

#: Number of colours of the series that the page's styles define.
SERIES = 8
#: Matplotlib draws these colours, and `tfctc.report.plots.draw` replaces them by those of the page.
INK, MUTED, LIMIT = "#010203", "#010204", "#010205"
COLOURS = {INK: "var(--ink)", MUTED: "var(--muted)", LIMIT: "var(--limit)"} | {
    f"#0a0b{i:02x}": f"var(--series-{i})" for i in range(SERIES)
}


def series(i: int) -> str:
    """Colour of series `i`, to be replaced by the page's."""
    return f"#0a0b{i % SERIES:02x}"
