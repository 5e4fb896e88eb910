#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Print the results of guests as KTAP.

Usage: scripts/lib/results_ktap.py DIR CELL...
       scripts/lib/results_ktap.py --help

Reads DIR/CELL/result.json, as qemu/run.py writes it, for each cell named. One that
has none, or whose verdict is not "pass", fails. The exit code is 3 if one failed.
"""

import json
import os
import sys

from ktap import Printer


def read_result(folder):
    """Returns what a guest left, or that it left nothing."""
    try:
        with open(os.path.join(folder, "result.json"), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        return {"verdict": "no result", "reason": str(error), "tests": []}


def print_guest(ktap, folder, name):
    """Prints a guest, after its own tests."""
    result = read_result(folder)
    if result["tests"]:
        tests = ktap.parts(len(result["tests"]))
        for test in result["tests"]:
            skip = test.get("why", "") if test["result"] == "skip" else None
            tests.result(test["result"] != "fail", test["name"], skip=skip)
    passed = result["verdict"] == "pass" and bool(result["tests"])
    ktap.result(passed, name, *[] if passed else
                [f"{result['verdict']}: {result['reason']}; see {folder}"])


def main(args):
    if "--help" in args or len(args) < 2:
        print(__doc__.strip())
        return 0 if "--help" in args else 3
    folder, names = args[0], args[1:]
    ktap = Printer(len(names))
    for name in names:
        print_guest(ktap, os.path.join(folder, name), name)
    return ktap.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
