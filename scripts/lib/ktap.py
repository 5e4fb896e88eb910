# SPDX-License-Identifier: GPL-2.0
"""Reads and prints KTAP: what the kernel, the selftests and the scripts here print."""

import re
import sys

INDENT = re.compile(r"^((?:# |#(?=ok|not ok|1\.\.)|    |  )*)(.*)$")
TIME = re.compile(r"^\[ *\d+\.\d+\] ")
RESULT = re.compile(r"^(not )?ok (\d+)(?:\s+(?:- )?(.*?))?"
                    r"(?:\s+# *(SKIP|TODO|XFAIL|TIMEOUT)\b *(.*))?$", re.IGNORECASE)
PLAN = re.compile(r"^1\.\.(\d+)(?:\s+# *SKIP\b *(.*))?$", re.IGNORECASE)
EXPECTED = ("TODO", "XFAIL")  # directives of a failure that is none


class Level:
    """The results seen at one depth of nesting since its plan started."""

    def __init__(self):
        self.plan = None    # number of results announced
        self.seen = 0       # number of results read
        self.bad = 0        # failures read, at this depth or below


class Part:
    """The leaf results of one KTAP file.

    `results` has ("suite.test.parameter", passed) of each leaf.
    """

    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.skips = []     # (test, reason)
        self.failures = []  # text
        self.levels = {}    # depth -> Level
        self.results = []   # (name, passed)
        self.depths = []    # of the results, until what they are part of is named

    def fail(self, text):
        """Notes a failure."""
        self.failures.append(f"{self.name}: {text}")

    def close(self, depth):
        """Ends the level at `depth`; returns how many failures it had."""
        level = self.levels.pop(depth)
        if depth == 0 and level.plan is None:
            self.fail("no plan, so that it did not come to its end")
            level.bad += 1
        elif level.plan is not None and level.plan != level.seen:
            self.fail(f"{level.seen} results where {level.plan} were planned")
            level.bad += 1
        return level.bad

    def close_below(self, depth):
        """Ends all deeper levels; None if there were none, else their failures."""
        deeper = sorted((d for d in self.levels if d > depth), reverse=True)
        if not deeper:
            return None
        return sum(self.close(d) for d in deeper)

    def name_parts(self, depth, name):
        """Puts the name of a result before those of its parts."""
        for at in reversed(range(len(self.depths))):
            if self.depths[at] <= depth:
                break
            self.results[at] = (f"{name}.{self.results[at][0]}", self.results[at][1])
            self.depths[at] = depth

    def plan_line(self, depth, count, reason):
        """Reads "1..N"."""
        self.close_below(depth)
        level = self.levels.get(depth)
        # A plan may come first or last; a second one starts a new test.
        if level and (level.plan is not None):
            self.close(depth)
            level = None
        level = self.levels.setdefault(depth, level or Level())
        level.plan = count
        if count == 0:
            self.skips.append(("(all)", reason or "no reason"))

    def result_line(self, depth, failed, number, test, directive, reason):
        """Reads "ok N name" or "not ok N name"."""
        below = self.close_below(depth)
        level = self.levels.setdefault(depth, Level())
        level.seen += 1
        # A console that is too slow loses lines, and a parameterised test has no plan.
        if number > level.seen:
            self.fail(f"{number - level.seen} results are lost before {test}")
            level.seen = number
            level.bad += 1
        directive = (directive or "").upper()
        if below is None:
            self.results.append((test, not failed and not directive))
            self.depths.append(depth)
            self.leaf(level, failed, test, directive, reason)
        elif failed and below == 0 and directive not in EXPECTED:
            level.bad += 1
            self.fail(f"{test} (none of its parts failed)")
        else:
            level.bad += below
        self.name_parts(depth, test)

    def leaf(self, level, failed, test, directive, reason):
        """Counts a result that has no parts."""
        if directive == "SKIP":
            self.skips.append((test, reason or "no reason"))
        elif failed and directive not in EXPECTED:
            level.bad += 1
            self.fail(test)
        else:
            self.passed += 1


def depth_of(prefix):
    """Depth of nesting; "# " (kselftest) and blanks (KUnit) both nest."""
    hashes = prefix.count("#")
    blanks = len(prefix.replace("# ", "").replace("#", ""))
    return hashes * 100 + blanks


def read_part(name, path):
    """Reads one KTAP file; what is missing becomes a failure."""
    part = Part(name)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError as error:
        part.fail(f"no results ({error.strerror}: {path})")
        return part
    for line in lines:
        prefix, text = INDENT.match(TIME.sub("", line.rstrip())).groups()
        if match := RESULT.match(text):
            failed, number, test, directive, reason = match.groups()
            part.result_line(depth_of(prefix), bool(failed), int(number),
                             test or f"test {number}", directive, reason)
        elif match := PLAN.match(text):
            part.plan_line(depth_of(prefix), int(match.group(1)), match.group(2))
    complete = 0 in part.levels or not part.levels
    part.close_below(-1)
    if not complete:
        part.fail("no result and no plan of its own, so that it did not come to its end")
    if not (part.passed or part.skips or part.failures):
        part.fail(f"no results in {path}")
    return part


FAILED = 3  # the exit code of a part that has said what failed


class Printer:
    """Prints results, numbered; those that are part of one by a printer of their own.

    With `planned` the plan comes first, else last.
    """

    def __init__(self, planned=None, indent="", file=None):
        self.indent = indent
        self.file = file or sys.stdout
        self.planned = planned
        self.number = 0
        self.bad = 0
        self.line("KTAP version 1")
        if planned is not None:
            self.line(f"1..{planned}")

    def line(self, text):
        """Prints a line as it is."""
        print(f"{self.indent}{text}".rstrip(), file=self.file)

    def note(self, *texts):
        """Prints what is no result."""
        for text in texts:
            for line in text.splitlines():
                self.line(f"# {line}")

    def result(self, passed, name, *why, skip=None):
        """Prints a result, after why it is so; `skip` is the reason of a skip."""
        self.note(*why)
        self.number += 1
        self.bad += not passed
        self.line(f"{'' if passed else 'not '}ok {self.number} {name}"
                  + (f" # SKIP {skip}" if skip is not None else ""))

    def parts(self, planned=None):
        """Returns the printer of what the next result consists of."""
        return Printer(planned, self.indent + "    ", self.file)

    def end(self):
        """Prints the plan if it comes last; returns the exit code."""
        if self.planned is None:
            self.line(f"1..{self.number}")
        return FAILED if self.bad or not self.number else 0
