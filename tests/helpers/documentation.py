"""The pages of the documentation, and what is written in them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Fenced block with its language, at the start of a line or inside a list.
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^\n)((?:^ {4}\S.*\n?)+)", re.MULTILINE)


def pages() -> list[Path]:
    """Every page of the site that is written by hand."""
    return sorted(DOCS.rglob("*.md"))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """Fenced code blocks of one language, "" for none, in order."""
    return [code for _, name, code in FENCED.findall(text_of(page)) if name == language]


def without_blocks(page: Path) -> str:
    """A page without its code blocks."""
    return INDENTED.sub("\n", FENCED.sub("", text_of(page)))


def inline_code(page: Path) -> list[str]:
    """Code within sentences and tables."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", without_blocks(page))


def command_lines(page: Path) -> Iterator[str]:
    """Every line that a reader would type, comments and continued lines included."""
    shell = [*blocks(page, ""), *INDENTED.findall(FENCED.sub("", text_of(page)))]
    for block in shell:
        yield from (line.strip() for line in block.replace("\\\n", " ").splitlines())
    yield from inline_code(page)


def sections(page: Path, level: int = 2) -> dict[str, str]:
    """Heading -> text up to the next heading of the same or a higher level."""
    parts = re.split(rf"^(#{{1,{level}}}) (.+)$", text_of(page), flags=re.MULTILINE)
    return {title: body for marks, title, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True) if marks}
