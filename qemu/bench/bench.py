#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Collect and judge what virtio_noirq_bench measured in guests: see --help."""

import argparse
import collections
import json
import os
import re
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:1] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "..", "scripts", "lib")]
from bench import figures, kind, registers  # noqa: E402
from bench.figures import PATHS  # noqa: E402
from bench.picture import Picture  # noqa: E402
from guest import Kernel  # noqa: E402
from ktap import Printer  # noqa: E402

Guest = collections.namedtuple("Guest", "cell folder result")


def read_guests(folder, subset):
    """Return the guests of a set, as they ended."""
    found = []
    for cell in kind.CELLS[subset]:
        path = os.path.join(folder, cell.name)
        with open(os.path.join(path, "result.json"), encoding="utf-8") as file:
            found.append(Guest(cell, path, json.load(file)))
    return found


def rows(guests, measure):
    """Return the lines of a measurement, with the guest that each is from."""
    return [(guest.cell, line) for guest in guests
            for line in guest.result["bench"] if line["measure"] == measure]


def grouped(lines, *keys):
    """Group (cell, line) by the layout and some values of the line."""
    groups = {}
    for cell, line in lines:
        key = (cell.place, *(line[name] for name in keys))
        groups.setdefault(key, []).append(line)
    return groups


def median(lines, path, name):
    """Return the median of all cycles on a path."""
    return statistics.median_low(line[name] for line in lines if line["path"] == path)


def readiness_figures(guests):
    """Return when devices answered, one entry for each case."""
    names = {"first_ns": "first_at", "last_ns": "last_at",
             "consumer_noirq_ns": "consumer_noirq_at", "consumer_early_ns": "consumer_early_at",
             "consumer_ns": "consumer_at", "noirq_end_ns": "noirq_end_at",
             "early_end_ns": "early_end_at", "resume_end_ns": "resume_end_at"}
    return [{"layout": layout, "devices": devices, "sibling_us": sibling,
             **{path: {name: median(lines, path, field)
                       for name, field in names.items()} for path in PATHS}}
            for (layout, devices, sibling), lines
            in grouped(rows(guests, "readiness"), "devices", "sibling_us").items()]


def cost_figures(guests, measure, *names):
    """Return sums over a device's PM callbacks, for each number of queues."""
    return [{"layout": layout, "queues": queues,
             **{path: {name: median(lines, path, name) for name in names} for path in PATHS}}
            for (layout, queues), lines in grouped(rows(guests, measure), "queues").items()]


def mapping_figures(guests):
    """Return when a device answered, for each number of mappings."""
    return [{"layout": layout, "mappings": mappings, "last_ns": median(lines, "noirq", "last_at")}
            for (layout, mappings), lines
            in grouped(rows(guests, "mappings"), "mappings").items()]


def ring_figures(guests):
    """Return what the reset of a ring costs, for each size."""
    return [{"layout": cell.place,
             **{name: value for name, value in line.items() if name != "measure"}}
            for cell, line in rows(guests, "rings")]


def register_figures(guests):
    """Return the accesses of each bring-up, and what they are for."""
    return [{"layout": guest.cell.place, **entry}
            for guest in guests if guest.cell.measures == "registers"
            for entry in registers.analyse(
                os.path.join(guest.folder, registers.LOG), guest.cell.registers,
                [(line["path"], line["queues"]) for line in guest.result["bench"]])]


def overhead_figures(guests):
    """Return what a whole cycle takes on both kernels."""
    found = {cell.kernel: {} for cell, _ in rows(guests, "overhead")}
    for kernel, medians in found.items():
        lines = [line for cell, line in rows(guests, "overhead") if cell.kernel == kernel]
        for name in ("suspend_total_ns", "resume_total_ns"):
            medians[name] = median(lines, "normal", name)
        medians["devices"] = lines[0]["devices"]
    return found


def all_figures(guests, version):
    """Return all figures of the guests, on a kernel of this version."""
    kernel = Kernel(guests[0].result["kernel"])
    with open(kernel.config, encoding="utf-8") as file:
        compiler = re.search(r'^CONFIG_CC_VERSION_TEXT="(.*)"$', file.read(), re.MULTILINE)[1]
    return {
        "made_with": {"kernel": version, "compiler": compiler,
                      "qemu": guests[0].result["qemu"], "cpu": kernel.cpu},
        "readiness": readiness_figures(guests), "mappings": mapping_figures(guests),
        "queues": cost_figures(guests, "queues", "suspend_ns", "resume_ns"),
        "allocations": cost_figures(guests, "allocations", "suspend_allocs", "resume_allocs"),
        "rings": ring_figures(guests), "registers": register_figures(guests),
        "overhead": overhead_figures(guests)}


def write(folder, name, text):
    """Write a file of the results."""
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def main():
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(
        description="Write what the guests of a run measured (qemu/run.py run --kind bench "
        "--out DIR) to figures.json, figures.md and ready.svg of DIR. Print KTAP, whether it "
        "is what the series promises and, with STORED, whether it is as there.")
    parser.add_argument("set", choices=("all", "check"))
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("stored", metavar="STORED", nargs="?", help="a figures.json")
    parser.add_argument("--kernel-version", required=True, metavar="VERSION",
                        help="what to write about the kernel")
    args = parser.parse_args()
    stored = None
    try:
        guests = read_guests(args.folder, args.set)
        if args.stored:
            with open(args.stored, encoding="utf-8") as file:
                stored = json.load(file)
    except (OSError, ValueError) as err:
        sys.exit(f"error: {err}; run make bench")
    if bad := [guest for guest in guests if guest.result["verdict"] != "pass"]:
        sys.exit(f"error: {bad[0].cell.name} failed; see {bad[0].folder}")
    found = all_figures(guests, args.kernel_version)
    write(args.folder, "figures.json", json.dumps(found, indent=1) + "\n")
    write(args.folder, "figures.md", figures.markdown(found))
    write(args.folder, "ready.svg", Picture(found).draw())
    ktap = Printer()
    ktap.note(figures.tables(found))
    figures.check(ktap, found, stored)
    return ktap.end()


if __name__ == "__main__":
    sys.exit(main())
