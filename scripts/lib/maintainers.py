#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Merge MAINTAINERS.snippet into the MAINTAINERS file of a kernel tree.

Each line of the snippet goes to its place in the entry of that name: after the
last line with the same letter that sorts before it. Doing it again changes
nothing. Exits with one line if the tree has no such entry.
"""

import argparse
import os
import pathlib
import sys

SNIPPET = pathlib.Path(__file__).resolve().parent.parent.parent / "MAINTAINERS.snippet"


def entries(lines):
    """Yield (name, [line, ...]) of each entry of the snippet."""
    name, wanted = None, []
    for line in [*lines, ""]:
        if line[1:2] == ":":
            wanted.append(line)
        else:
            if wanted:
                yield name, wanted
            name, wanted = line, []


def place(lines, name, wanted):
    """Return the index at which a line belongs, or None if it is there already."""
    start = lines.index(name) + 1
    end = lines.index("", start)
    if wanted in lines[start:end]:
        return None
    before = [i for i in range(start, end)
              if lines[i][0] == wanted[0] and lines[i] < wanted]
    return before[-1] + 1 if before else end


def merge(path):
    """Add the lines that are missing."""
    lines = path.read_text(encoding="utf-8").split("\n")
    for name, wanted_lines in entries(SNIPPET.read_text(encoding="utf-8").splitlines()):
        if name not in lines:
            sys.exit(f"error: {path} has no entry \"{name}\"; is this a v7.3 tree?")
        for wanted in wanted_lines:
            at = place(lines, name, wanted)
            if at is not None:
                lines.insert(at, wanted)
    text = "\n".join(lines)
    if text != path.read_text(encoding="utf-8"):
        new = path.with_name(path.name + ".vn-new")
        new.write_text(text, encoding="utf-8")
        new.chmod(path.stat().st_mode)
        os.replace(new, path)  # the file may be a hard link


def main():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tree", type=pathlib.Path, help="the kernel tree")
    path = parser.parse_args().tree / "MAINTAINERS"
    try:
        merge(path)
    except OSError as err:
        sys.exit(f"error: {err}; name a kernel tree that can be written")


if __name__ == "__main__":
    main()
