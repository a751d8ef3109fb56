"""Reading of HTML pages: elements, headings, tables; and a browser that prints a page."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

VOID = {"meta", "img", "link", "br", "input", "hr"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Elements(HTMLParser):
    """Elements of a page, with their attributes; fails if a tag is closed that is not open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.text = [], [], ""
        self.tables, self.title = {}, ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "h3":
            self.title = ""
        elif tag == "table":
            self.tables[self.title] = []
        elif tag == "tr":
            self.tables[self.title].append([])
        elif tag in ("td", "th"):
            self.tables[self.title][-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] == "h3":
            self.title += data
        elif self.open and self.open[-1] in ("td", "th"):
            self.tables[self.title][-1][-1] += data


def browser():
    """Path of a Chromium; None if there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def opened(page, profile):
    """The page as Chromium has it after loading, and the lines of the page's console."""
    command = [
        browser(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        "--enable-logging=stderr",
        "--v=0",
        "--dump-dom",
        page.resolve().as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, re.findall(r"^.*CONSOLE.*$", done.stderr, re.MULTILINE)
