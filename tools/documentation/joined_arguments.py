"""Extension of griffe for the site: "a, b: text" in an Args section describes two arguments."""

import re

import griffe

#: First line of a section that lists arguments.
SECTION = re.compile(r"^( *)(Args|Attributes):\s*$")
JOINED = re.compile(r"^( *)(\w+(?:, \w+)+): (.*)$")


class JoinedArguments(griffe.Extension):
    """Repeats a description that several arguments share, so that each has a line of its own."""

    def on_object(self, *, obj: griffe.Object, **options) -> None:
        if obj.docstring:
            obj.docstring.value = separated(obj.docstring.value)


def separated(docstring: str) -> str:
    """The docstring with one argument in each line."""
    lines, result, indent = docstring.splitlines(), [], None
    position = 0
    while position < len(lines):
        line = lines[position]
        position += 1
        if section := SECTION.match(line):
            indent = len(section[1])
        elif line.strip() and indent is not None and len(line) - len(line.lstrip()) <= indent:
            indent = None
        joined = JOINED.match(line) if indent is not None else None
        if not joined or len(joined[1]) != indent + 4:
            result.append(line)
            continue
        more = []
        while position < len(lines) and lines[position].startswith(joined[1] + " "):
            more.append(lines[position])
            position += 1
        for name in joined[2].split(", "):
            result += [f"{joined[1]}{name}: {joined[3]}", *more]
    return "\n".join(result)
