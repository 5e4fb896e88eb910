#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Count the results in KTAP files and judge them.

Usage: scripts/lib/ktap_count.py NAME=FILE...
       scripts/lib/ktap_count.py --join NAME=FILE...
       scripts/lib/ktap_count.py --help

Every NAME=FILE is one part of a check. The leaf results of its KTAP are
counted: a line that sums up nested results counts only if it fails though
none of them did. These count as failures too: a part without a file, without
results or without a plan, a plan that was not kept, a skip that
configs/allowed-skips does not allow. Failures are named; the last line is
"N passed, N failed, N skipped". The exit code is 1 if anything failed.

--join prints all parts as one KTAP, every plan first, as kunit.py reads it.
"""

import fnmatch
import os
import re
import sys

from ktap import Printer, read_part

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ALLOWED = os.path.join(ROOT, "configs", "allowed-skips")


def read_allowed(path):
    """Pairs of patterns (part, test); a line without a reason is an error."""
    allowed = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            rule, _, reason = line.partition(" # ")
            words = rule.split()
            if len(words) != 2 or not reason.strip():
                sys.exit(f"error: {path}:{number} is not 'PART TEST # reason'; mend that line")
            allowed.append(words)
    return allowed


def judge_skips(part, allowed):
    """Skips that nobody allowed become failures; returns how many are fine."""
    fine = 0
    for test, reason in part.skips:
        if any(fnmatch.fnmatch(part.name, p) and fnmatch.fnmatch(test, t) for p, t in allowed):
            fine += 1
        else:
            part.fail(f"{test} was skipped ({reason})")
    return fine


def count(parts, allowed):
    """Prints what failed and the sums; returns the exit code."""
    passed = failed = skipped = 0
    for name, path in parts:
        part = read_part(name, path)
        skipped += judge_skips(part, allowed)
        passed += part.passed
        failed += len(part.failures)
        for text in part.failures:
            print(f"# FAILED: {text}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


def join(parts):
    """Prints all parts as one KTAP."""
    ktap = Printer(len(parts))
    for name, path in parts:
        lines = []
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = [line for line in file.read().splitlines() if not re.match("K?TAP", line)]
        inner = ktap.parts()
        for line in sorted(lines, key=lambda line: not line.startswith("1..")):
            inner.line(line)
        ktap.result(not read_part(name, path).failures, name)
    return 0


def main(args):
    if "--help" in args:
        print(__doc__.strip())
        return 0
    joining = args[:1] == ["--join"]
    args = args[joining:]
    if not args or not all("=" in arg for arg in args):
        sys.exit("error: ktap_count wants NAME=FILE...; see scripts/lib/ktap_count.py --help")
    parts = [arg.split("=", 1) for arg in args]
    return join(parts) if joining else count(parts, read_allowed(ALLOWED))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
