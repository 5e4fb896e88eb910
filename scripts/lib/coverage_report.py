#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Print which of the lines and branches that a series adds have run.

Compares the kernel files of --base (without the series) and --tree (with it). Each
--build is one kernel: the gcov of its compiler, and folders with .gcda and .gcno files
of its runs. Prints KTAP: each added line has run; each branch of an added line that
no run took has a reason in the file --reasons; no reason there is stale.
"""

import argparse
import collections
import glob
import json
import os
import re
import subprocess
import sys

from ktap import Printer

HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


def added_lines(base, tree):
    """Returns {file: {number: text}} of the C files of base that get lines."""
    added = {}
    for path in sorted(glob.glob(os.path.join(base, "**", "*.[ch]"), recursive=True)):
        name = os.path.relpath(path, base)
        new = os.path.join(tree, name)
        diff = subprocess.run(["git", "diff", "--no-index", "--histogram", "-U0", path, new],
                              check=False, stdout=subprocess.PIPE, text=True).stdout
        with open(new, encoding="utf-8") as file:
            text = file.read().splitlines()
        numbers = [number for start, count in HUNK.findall(diff)
                   for number in range(int(start), int(start) + int(count or 1))]
        if numbers:
            added[name] = {number: text[number - 1].strip() for number in numbers}
    return added


def run_gcov(gcov, data, tree):
    """Yields (file, line of gcov's JSON) of one .gcda file."""
    output = subprocess.run([gcov, "--branch-probabilities", "--json-format", "--stdout", data],
                            check=True, stdout=subprocess.PIPE).stdout
    result = json.loads(output)
    for file in result["files"]:
        path = os.path.join(result["current_working_directory"], file["file"])
        for line in file["lines"]:
            yield os.path.relpath(path, tree), line


def read_build(gcov, folders, tree):
    """Returns {(file, number): (count, [count of each branch])} of each object."""
    objects = collections.defaultdict(dict)
    for folder, data in ((folder, path) for folder in folders for path in
                         glob.glob(os.path.join(folder, "**", "*.gcda"), recursive=True)):
        run = collections.defaultdict(lambda: [0, []])
        for name, line in run_gcov(gcov, data, tree):
            place = run[name, line["line_number"]]
            place[0] += line["count"]
            place[1] += [branch["count"] for branch in line["branches"]]
        total = objects[os.path.relpath(data, folder)]
        for key, (count, branches) in run.items():
            before = total.get(key, (0, [0] * len(branches)))
            total[key] = (before[0] + count,
                          [a + b for a, b in zip(before[1], branches, strict=True)])
    return list(objects.values())


def best_branches(key, objects):
    """Returns the branches of a line in the object that took most of them.

    A compiler orders branches as it likes, so those of two objects (of two kernels,
    or of a header in two files) cannot be put together: one of them has to take all.
    Functions are not inlined in these objects, so that a branch of the source is
    there once.
    """
    candidates = [lines[key][1] for lines in objects if key in lines]
    return min(candidates, key=lambda branches: branches.count(0), default=[])


def read_reasons(path):
    """Returns {source text: reason}; "source text | reason" in each line."""
    reasons = {}
    if not os.path.exists(path):
        return reasons
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip() and not line.startswith("#"):
                text, found, reason = line.strip().rpartition(" | ")
                if not found:
                    sys.exit(f"error: {path}:{number} is not 'source text | reason'; "
                             "mend that line")
                reasons[text] = reason
    return reasons


def report_lines(ktap, name, added, objects):
    """Prints the lines of one file that have not run."""
    known = [number for number in added if any((name, number) in lines for lines in objects)]
    missed = [number for number in known
              if not any(lines.get((name, number), (0, 0))[0] for lines in objects)]
    ktap.result(known and not missed,
                f"{name}: {len(known) - len(missed)} of {len(known)} added lines have run",
                *(f"{name}:{number}: {added[number]}: has not run" for number in missed))


def report_branches(ktap, name, added, objects, reasons):
    """Prints the branches of one file not taken; returns their texts."""
    count = missed = unexplained = 0
    used = set()
    for number, text in sorted(added.items()):
        taken = best_branches((name, number), objects)
        count += len(taken)
        missed += taken.count(0)
        if 0 in taken:
            unexplained += text not in reasons
            used.add(text)
            ktap.note(f"{name}:{number}: {text}: {taken.count(0)} of {len(taken)} branches "
                      f"not taken: {reasons.get(text, 'NO REASON')}")
    ktap.result(not unexplained, f"{name}: {count - missed} of {count} branches of added lines "
                f"taken, {unexplained} others without a reason")
    return used


def parse_args():
    """Returns the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, metavar="DIR",
                        help="the kernel's files without the series")
    parser.add_argument("--tree", required=True, metavar="DIR", help="the patched kernel tree")
    parser.add_argument("--reasons", required=True, metavar="FILE",
                        help="why branches are not taken")
    parser.add_argument("--build", required=True, nargs="+", action="append", metavar="ARG",
                        help="GCOV DIR...: the gcov of a kernel, folders with its data")
    return parser.parse_args()


def main():
    args = parse_args()
    tree = os.path.realpath(args.tree)
    objects = [lines for gcov, *folders in args.build for lines in read_build(gcov, folders, tree)]
    reasons, used, ktap = read_reasons(args.reasons), set(), Printer()
    for name, added in added_lines(args.base, tree).items():
        if name.endswith(".c") or any((name, number) in lines
                                      for number in added for lines in objects):
            report_lines(ktap, name, added, objects)
            used |= report_branches(ktap, name, added, objects, reasons)
    ktap.result(reasons.keys() <= used, f"{os.path.basename(args.reasons)}: none is stale",
                *(f"{text}: all branches taken, or gone; remove its reason"
                  for text in sorted(reasons.keys() - used)))
    return ktap.end()


if __name__ == "__main__":
    sys.exit(main())
