#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Print what qemu/run.py found: one row for each device variant."""

import argparse
import json
import os
import sys
import textwrap

sys.path[0] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
from blk import matrix  # noqa: E402

ROW = "{:16} {:>6}  {:>13}  {:>14}  {:>9} {:>9} {:>7}   {}"
WIDTH = 92  # characters
NOTES = {
    "icount": "Times are guest time, an instruction count: they compare across runs and machines.",
    "smp": "Times are real time and depend on the load of this machine."}
NO_FIGURE = "-"


def load_results(folder):
    """Return the results below a folder of qemu/run.py, in table order."""
    results = []
    for name in matrix.cells():
        path = os.path.join(folder, name, "result.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                results.append(json.load(file))
    return results


def duration(nanoseconds):
    """Return "42.7 µs" or "1.05 ms"."""
    if nanoseconds is None:
        return NO_FIGURE
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1000:.1f} µs"
    return f"{nanoseconds / 1_000_000:.2f} ms"


def ratio(noirq, normal):
    """Return how many times earlier the noirq path answers, "4.9 x"."""
    return f"{normal / noirq:.1f} x" if noirq and normal else NO_FIGURE


def row(result):
    """Return a result's line of the table."""
    noirq = result["figures"].get("noirq", {})
    normal = result["figures"].get("normal", {})
    first = noirq.get("first_ns_min")
    first_normal = normal.get("first_ns_min")
    answered = compared = NO_FIGURE
    if noirq:
        answered = f"{noirq['noirq_requests']:,}"
        compared = f"{noirq['bytes']:,}"
    return ROW.format(
        result["variant"], noirq.get("cycles", NO_FIGURE), answered, compared,
        duration(first), duration(first_normal), ratio(first, first_normal), result["verdict"])


def faults(results, folder):
    """Yield what went wrong, and where to look."""
    for result in results:
        if result["verdict"] != "pass":
            yield (f"{result['variant']}: {result['reason']}; see "
                   + os.path.join(folder, result["variant"]))


def conclusion(results):
    """Return the last line."""
    noirq = [result["figures"].get("noirq", {}) for result in results]
    requests = sum(figure.get("noirq_requests", 0) for figure in noirq)
    size = sum(figure.get("bytes", 0) for figure in noirq)
    wrong = sum(figure.get("mismatches", 0) for figure in noirq)
    data = f"{wrong:,} words of them wrong" if wrong else "all equal"
    passed = sum(result["verdict"] == "pass" for result in results)
    return (f"{passed} of {len(results)} variants passed: {requests:,} "
            f"requests answered in noirq, {size:,} bytes compared, {data}.")


def report(results, folder):
    """Print the table and what to know about it."""
    print("Virtio devices in the noirq phase of real s2idle cycles")
    print()
    print(ROW.format("", "sleep", "requests", "bytes", "first answer after", "", "", "").rstrip())
    print(ROW.format("device variant", "cycles", "in noirq", "compared",
                     "noirq", "normal", "earlier", "verdict"))
    print("-" * WIDTH)
    for result in results:
        print(row(result))
    print()
    print(textwrap.fill(
        "First answer: from the start of resume to the first request that the "
        "device answered with the right data, in the best cycle (QEMU's disk "
        "works in host time and delays others). noirq: the driver polls "
        "in restore_noirq. normal: the same device and requests, but in "
        "restore, after its queue was deleted in freeze and found again. "
        + NOTES[results[0]["mode"]], WIDTH))
    print()
    for fault in faults(results, folder):
        print(fault)
    print(conclusion(results))


def main():
    parser = argparse.ArgumentParser(
        description="Print a table of the results of qemu/run.py. The exit "
        "status is 0 if all passed.")
    parser.add_argument("folder", help="the --out folder of qemu/run.py")
    args = parser.parse_args()

    results = load_results(args.folder)
    if not results:
        sys.exit(f"error: no results in {args.folder}; run make demo")
    report(results, args.folder)
    return 0 if all(r["verdict"] == "pass" for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
