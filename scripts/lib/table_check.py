#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Check that each row of a table of promises has a test that passed.

The table is a reST file, Documentation/tests/noirq.rst say. The last cell of each of
its rows names its proofs, in double backquotes:

  suite.test         a KUnit test, of kunit/
  program.test       a kselftest, of selftests/
  kind/cell          a guest of qemu/
  part: text         results of a part of `make check` whose names have the text
  file#text          a passage of the documentation or the patches

Each must exist. With the KTAP files of a check, each test must also have run and
passed, wherever it ran, but for guests that the set does not have, and for what make check
had no time for: a row that lacks a proof for that is a skip. Prints KTAP.
"""

import argparse
import functools
import glob
import os
import re
import subprocess
import sys

from ktap import Printer, read_part

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ALL = "full"  # the set that has all guests
NOT_RUN = "did not run"
ROW = re.compile(r"^   \* - ")
CELL = re.compile(r"^     - ")
GUEST = re.compile(r"^(\w+)/([^#:]+)$")
LITERAL = re.compile(r"``(.+?)``")
SUITE = re.compile(r'\.name = "(virtio_\w+)"')
CASE = re.compile(r"^\t(?:KUNIT_CASE\w*|\w*CASE\w*)\((\w+)", re.MULTILINE)
TEST_F = re.compile(r"^TEST(?:_F)?\w*\((?:\w+, )?(\w+)[,)]", re.MULTILINE)


def read(path):
    """Returns the text of a file."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def rows(text):
    """Yields (title of the table, cells) of each row but the headings."""
    title, table = None, []
    for line in text.splitlines() + [".. list-table::"]:
        if line.startswith(".. list-table::"):
            yield from ((title, row) for row in table[1:])
            title, table = line.removeprefix(".. list-table::").strip(), []
        elif ROW.match(line):
            table.append([line[7:]])
        elif CELL.match(line):
            table[-1].append(line[7:])
        elif line.startswith("       ") and table:
            table[-1][-1] += " " + line.strip()


@functools.cache
def cells(kind, wanted):
    """Returns the names of the guests of a kind in a set."""
    run = subprocess.run([os.path.join(ROOT, "qemu", "run.py"), "list", wanted, "--kind", kind],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return {line.split()[1] for line in run.stdout.splitlines()}


@functools.cache
def known_tests():
    """Returns {"suite.test", "program.test"} of the sources."""
    tests = set()
    for path in glob.glob(os.path.join(ROOT, "kunit", "*.c")):
        text = read(path)
        for suite in SUITE.findall(text):
            tests |= {f"{suite}.{name}" for name in CASE.findall(text)}
    for path in glob.glob(os.path.join(ROOT, "selftests", "*.c")):
        program = os.path.basename(path).removesuffix(".c")
        tests |= {f"{program}.{name}" for name in TEST_F.findall(read(path))}
    return tests


@functools.cache
def passages():
    """Returns {file name: its words} of the documentation and what patches add."""
    found = {}
    for path in glob.glob(os.path.join(ROOT, "Documentation", "**", "*.rst"), recursive=True):
        found[os.path.basename(path)] = " ".join(read(path).split())
    for path in sorted(glob.glob(os.path.join(ROOT, "patches", "**", "*.patch"), recursive=True)):
        for part in re.split(r"^diff --git a/", read(path), flags=re.MULTILINE)[1:]:
            name = os.path.basename(part.split(" ", 1)[0])
            added = re.findall(r"^\+(?:[ \t]*\*)?(.*)", part, re.MULTILINE)
            found[name] = " ".join([found.get(name, ""), *" ".join(added).split()])
    return found


def is_result_of(proof, part, name):
    """Whether a result is one of the test, or of what the text tells of a part."""
    if ": " in proof:
        where, text = proof.split(": ", 1)
        return where == part and text in name
    if guest := GUEST.match(proof):
        return part.startswith("selftests-") and f"{name}.".startswith(f"{guest[2]}.")
    program, test = proof.rsplit(".", 1)
    if part.startswith("kunit-"):
        return name == proof or name.startswith(proof + ".")
    return part.startswith("selftests-") and name.rsplit(".", 1)[-1] == test and \
        os.path.exists(os.path.join(ROOT, "selftests", program + ".c"))


def exists(proof):
    """Whether there is such a passage, guest or test; a part shows only when it runs."""
    if "#" in proof:
        name, text = proof.split("#", 1)
        return text in passages().get(name, "")
    if ": " in proof:
        return True
    if guest := GUEST.match(proof):
        return guest[2] in cells(guest[1], ALL)
    return proof in known_tests()


def was_late(proof, left_out):
    """Whether make check left out a part that would show it; KUnit's run on UML in time."""
    if ": " in proof:
        return proof.split(": ")[0] in left_out
    program = os.path.join(ROOT, "selftests", proof.rsplit(".", 1)[0] + ".c")
    return bool(GUEST.match(proof) or os.path.exists(program)) and \
        any(part.startswith("selftests-") for part in left_out)


def is_for(proof, wanted):
    """Whether a run of the guests of a set has to show it."""
    guest = GUEST.match(proof)
    return not guest or guest[2] in cells(guest[1], wanted)


def fault(proof, parts):
    """Returns what is wrong with a proof, or None."""
    if not exists(proof):
        return "no such passage, guest or test"
    if "#" in proof or not parts:
        return None
    results = [passed for part in parts for name, passed in part.results
               if is_result_of(proof, part.name, name)]
    if not results:
        return NOT_RUN
    return None if all(results) else "did not pass"


def check_row(ktap, name, proofs, parts, wanted):
    """Prints the result of a row."""
    left_out = [part.name for part in parts
                if any(test.startswith("no time for ") for test, _ in part.skips)]
    shown = [proof for proof in proofs if not parts or is_for(proof, wanted)]
    found = {proof: why for proof in proofs
             if (why := fault(proof, parts if proof in shown else []))}
    late = [proof for proof, why in found.items() if why == NOT_RUN and was_late(proof, left_out)]
    faults = [f"{proof}: {why}" for proof, why in found.items() if proof not in late]
    if not proofs:
        faults = ["names no test"]
    skip = None
    if not faults and late:
        skip = "there was no time for it"
    elif not faults and not shown:
        skip = f"no guest of it is in the set {wanted}"
    ktap.result(not faults, name, *faults, skip=skip)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="the reST file")
    parser.add_argument("parts", nargs="*", metavar="NAME=FILE", help="a part of a check")
    parser.add_argument("--set", default=ALL, help="the guests that the check runs")
    args = parser.parse_args()
    if not all("=" in text for text in args.parts):
        sys.exit("error: table_check wants NAME=FILE...; see scripts/lib/table_check.py --help")
    parts = [read_part(*text.split("=", 1)) for text in args.parts]
    try:
        table = rows(read(args.table))
    except OSError as error:
        sys.exit(f"error: no table {args.table}: {error.strerror}; name one of Documentation/tests")
    ktap = Printer()
    for title, row in table:
        check_row(ktap, f"{title}: {', '.join(row[:-1][:2])[:70]}", LITERAL.findall(row[-1]),
                  parts, args.set)
    return ktap.end()


if __name__ == "__main__":
    sys.exit(main())
