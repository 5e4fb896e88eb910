#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Check what README.md and the cover letters quote against what was printed.

Usage: scripts/lib/readme_check.py [COMMAND=FILE...]
       scripts/lib/readme_check.py --help

A quoted block behind the line "<!-- printed by: COMMAND -->" must be in FILE, the
output of that COMMAND ("make demo", say), line by line: blanks and "# " in front may
differ, guest times and ratios (39.9 µs, 4.9 x) by a factor of two, all else not at all. A
block without a FILE is a skip. Lines "VARIANT N us N us" of a cover letter have to be
columns of the table of `make demo`; single figures are checked as CLAIMS says. Prints
KTAP.
"""

import glob
import os
import re
import sys

from ktap import Printer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
README = os.path.join(ROOT, "README.md")
MARK = re.compile(r"^<!-- printed by: (.+) -->$")
MEASURED = re.compile(r"\d[\d,]*\.\d+(?= ?(?:ns|µs|ms|x)\b)")
COLUMNS = re.compile(r"^ +(\w+) +([\d,.]+) us +([\d,.]+) us$")
CLAIMS = (  # (file, where the figure is, files and the lines there that it counts or is in)
    ("README.md", r"break the code in (\d+) ways", "patches/mutants/*", r"^== "),
    ("README.md", r"soak of (\d+) cycles", "scripts/run", r"LINT=--quick SOAK=(\d+)"),
    ("patches/cover-letter.txt", r"normal phase, (\d+)\s+times", "Documentation/figures/figures.md",
     r"^\| split, 1 queue, (?:noirq|normal) +\| +\d+ \| +(\d+)"))
# QEMU's disk works in host time: on a busy host the best of 20 cycles took 22.1 µs instead
# of 17.3, as many turns of a loop that polls, and the ratio went from 10.0 to 7.8. What is
# exact, bench compares.
FACTOR = 2


def blocks(lines):
    """Yields (command, lines) of each marked block; no lines if none follows."""
    for at, line in enumerate(lines):
        if mark := MARK.match(line):
            rest = lines[at + 1:]
            while rest and not rest[0]:
                rest.pop(0)
            fenced = rest[:1] == ["```"] and "```" in rest[1:]
            yield mark[1], rest[1:rest.index("```", 1)] if fenced else []


def words(line):
    """Returns a line with single blanks, measured numbers replaced, and those numbers."""
    line = " ".join(line.removeprefix("# ").split())
    return MEASURED.sub("N", line), [float(number.replace(",", ""))
                                     for number in MEASURED.findall(line)]


def is_near(quoted, printed):
    """Whether two measured numbers are about the same."""
    return quoted <= FACTOR * printed and printed <= FACTOR * quoted


def is_same(quoted, printed):
    """Whether two lines are the same, measured numbers about."""
    (text, numbers), (other, others) = words(quoted), words(printed)
    return text == other and all(map(is_near, numbers, others))


def differences(quoted, printed):
    """Returns the lines of a block that were not printed there."""
    starts = [at for at, line in enumerate(printed) if is_same(quoted[0], line)]
    if not starts:
        return [f"not printed: {quoted[0]}"]
    found = printed[starts[-1]:] + [""] * len(quoted)
    return [f"quoted:  {line}\nprinted: {other}"
            for line, other in zip(quoted, found) if not is_same(line, other)]


def claim_fault(path, where, files, pattern):
    """Returns what is wrong with a single figure, or nothing."""
    claimed = re.search(where, "\n".join(read(os.path.join(ROOT, path))))
    lines = [line for name in glob.glob(os.path.join(ROOT, files)) for line in read(name)]
    found = [match for line in lines if (match := re.search(pattern, line))]
    figures = {match[1] for match in found} if found and found[0].groups() else {str(len(found))}
    return [] if claimed and figures == {claimed[1]} else [f"it is {', '.join(sorted(figures))}"]


def cover_rows(path):
    """Yields (line, variant, its two figures) of each row of figures in a cover letter."""
    for line in read(path):
        if row := COLUMNS.match(line):
            yield line, row[1], [float(figure.replace(",", "")) for figure in row.groups()[1:]]


def has_row(printed, variant, figures):
    """Whether the table of make demo has these figures in its first columns."""
    return any(line.split()[:1] == [variant] and all(map(is_near, figures, words(line)[1]))
               for line in printed)


def read(path):
    """Returns the lines of a file, or the end."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError as error:
        sys.exit(f"error: cannot read {path} ({error.strerror}); name a file with the output")


def main(args):
    if "--help" in args:
        print(__doc__.strip())
        return 0
    if not all("=" in arg for arg in args):
        sys.exit("error: readme_check wants COMMAND=FILE...; "
                 "see scripts/lib/readme_check.py --help")
    printed = {command: read(path) for command, path in (arg.rsplit("=", 1) for arg in args)}
    ktap = Printer()
    quoted = list(blocks(read(README)))
    for command, lines in quoted:
        name = f"README.md: what {command} prints"
        if not lines:
            ktap.result(False, name, "no quoted block follows the mark")
        elif command not in printed:
            ktap.result(True, name, skip="it did not run here")
        else:
            why = differences(lines, printed[command])
            ktap.result(not why, name, *why)
    for claim in CLAIMS:
        why = claim_fault(*claim)
        ktap.result(not why, f"{claim[0]}: {claim[1]}", *why)
    covers = os.path.join(ROOT, "patches", "**", "cover-letter.txt")
    for path in sorted(glob.glob(covers, recursive=True)):
        if rows := list(cover_rows(path)):
            name = f"{os.path.relpath(path, ROOT)}: what make demo prints"
            if "make demo" not in printed:
                ktap.result(True, name, skip="it did not run here")
                continue
            why = [line for line, *row in rows if not has_row(printed["make demo"], *row)]
            ktap.result(not why, name, *why)
    for command in sorted(printed.keys() - {command for command, _ in quoted}):
        ktap.result(False, f"README.md: what {command} prints", "no block has its mark")
    return ktap.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
