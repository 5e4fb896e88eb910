#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measure what the noirq phase buys virtio devices, and what it costs.

Boots guests under -icount, where time is an instruction count, and writes what
virtio_noirq_bench measured in them to DIR/figures.json. The devices answer
while the CPU stands still, so that the figures do not depend on the host.
"""

import argparse
import copy
import dataclasses
import json
import os
import re
import signal
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True  # keep the folder clean
# pylint: disable=wrong-import-position
import matrix  # noqa: E402
import registers  # noqa: E402
from guest import CPU, Guest, Kernel  # noqa: E402
from vmtest import Runner, check_qemu, interrupt  # noqa: E402

SERIAL = "virtio-noirq-bench"  # that the test module looks for
DEVICES = (1, 8, 31)
LAYOUTS = ("split", "packed")
PATHS = ("noirq", "normal")
MAX_QUEUES = 64
MANY = 31
TIMEOUT = 300  # seconds


@dataclasses.dataclass(frozen=True)
class BenchCell(matrix.Cell):
    """One guest that measures."""
    measures: str = ""
    queues: int = 1
    kernel: str = "series"

    @property
    def name(self):
        """The name of the guest."""
        return "-".join((self.layout, f"{self.devices}dev",
                         self.measures.replace(",", "-"), self.kernel))

    @property
    def properties(self):
        """The properties of each virtio-blk-device."""
        return (*super().properties, f"num-queues={self.queues}",
                f"serial={SERIAL}")

    @property
    def programs(self):
        """The selftests that run in the guest."""
        return ["virtio_noirq_bench"]


def readiness(layouts, devices):
    """Return the guests that tell when devices answer."""
    return [BenchCell(layout, devices=n, measures="readiness")
            for layout in layouts for n in devices]


# What a device costs, by its queues and their size
COSTS = [BenchCell(layout, measures="queues,allocations,rings",
                   queues=MAX_QUEUES) for layout in LAYOUTS]
REGISTERS = [BenchCell(layout, measures="registers", queues=2)
             for layout in ("legacy", *LAYOUTS)]
OVERHEAD = [BenchCell("split", devices=MANY, measures="overhead",
                      kernel=kernel) for kernel in ("base", "series")]
TIMELINE = [BenchCell("split", devices=8, measures="timeline",
                      kernel=kernel) for kernel in ("base", "series")]
SETS = {
    "all": readiness(LAYOUTS, DEVICES) + COSTS + REGISTERS + OVERHEAD,
    "check": readiness(["split"], [MANY]) + COSTS + REGISTERS[1:2],
    "timeline": TIMELINE,
}


class BenchGuest(Guest):
    """A guest whose devices answer at once, whatever the host does."""

    machine_type = "virt,dtb-randomness=off"

    def environment(self):
        """Return what init and the tests find in their environment."""
        path = "normal" if self.cell.kernel == "base" else "noirq"
        return [*super().environment(),
                f"VIRTIO_NOIRQ_BENCH={self.cell.measures}",
                f"VIRTIO_NOIRQ_BENCH_PATH={path}"]

    def disks(self):
        """Return QEMU's arguments for the disks, and their registers' log."""
        args = ["-global", "virtio-mmio.ioeventfd=off"]
        for place in range(self.cell.devices):
            device = ("virtio-blk-device", f"drive=disk{place}",
                      f"bus=virtio-mmio-bus.{place}", *self.cell.properties)
            args += ["-drive", f"if=none,id=disk{place},driver=null-co,"
                               "read-zeroes=on,size=1M",
                     "-device", ",".join(device)]
        if self.cell.measures == "registers":
            for event in registers.EVENTS:
                args += ["-trace", "enable=" + event]
            args += ["-D", self.path(registers.LOG)]
        return args

    def reproduce(self):
        """Return the command line that runs this guest alone."""
        return " ".join([*self.args.argv, "--only", self.cell.name])


def rows(guests, measure):
    """Return the lines of a measurement, with the guest that each is from."""
    return [(guest.cell, line) for guest in guests
            for line in guest.result["bench"] if line["measure"] == measure]


def grouped(lines, *keys):
    """Group (cell, line) by the layout and some values of the line."""
    groups = {}
    for cell, line in lines:
        key = (cell.layout, *(line[name] for name in keys))
        groups.setdefault(key, []).append(line)
    return groups


def median(lines, path, name):
    """Return the median of all cycles on a path."""
    return statistics.median_low(line[name] for line in lines
                                 if line["path"] == path)


def readiness_figures(guests):
    """Return when devices answered, one entry for each case."""
    names = {"first_ns": "first_at", "last_ns": "last_at",
             "consumer_noirq_ns": "consumer_noirq_at",
             "consumer_early_ns": "consumer_early_at",
             "consumer_ns": "consumer_at", "noirq_end_ns": "noirq_end_at",
             "early_end_ns": "early_end_at", "resume_end_ns": "resume_end_at"}
    return [{"layout": layout, "devices": devices, "sibling_us": sibling,
             **{path: {name: median(lines, path, field)
                       for name, field in names.items()} for path in PATHS}}
            for (layout, devices, sibling), lines
            in grouped(rows(guests, "readiness"), "devices",
                       "sibling_us").items()]


def cost_figures(guests, measure, *names):
    """Return sums over a device's PM callbacks, for each number of queues."""
    return [{"layout": layout, "queues": queues,
             **{path: {name: median(lines, path, name) for name in names}
                for path in PATHS}}
            for (layout, queues), lines
            in grouped(rows(guests, measure), "queues").items()]


def ring_figures(guests):
    """Return what the reset of a ring costs, for each size."""
    return [{"layout": cell.layout,
             **{name: value for name, value in line.items()
                if name != "measure"}}
            for cell, line in rows(guests, "rings")]


def register_figures(guests):
    """Return the accesses of each bring-up, and what they are for."""
    return [{"layout": guest.cell.layout, **entry}
            for guest in guests if guest.cell.measures == "registers"
            for entry in registers.analyse(
                guest.path(registers.LOG), guest.cell.layout == "legacy",
                [(line["path"], line["queues"])
                 for line in guest.result["bench"]])]


def overhead_figures(guests):
    """Return what a whole cycle takes on both kernels."""
    found = {cell.kernel: {} for cell, _ in rows(guests, "overhead")}
    for kernel, figures in found.items():
        lines = [line for cell, line in rows(guests, "overhead")
                 if cell.kernel == kernel]
        for name in ("suspend_total_ns", "resume_total_ns"):
            figures[name] = median(lines, "normal", name)
        figures["devices"] = lines[0]["devices"]
    return found


def figures(guests, args):
    """Return all figures of the guests."""
    with open(guests[0].kernel.config, encoding="utf-8") as file:
        compiler = re.search(r'^CONFIG_CC_VERSION_TEXT="(.*)"$', file.read(),
                             re.MULTILINE)[1]
    return {
        "made_with": {"kernel": args.kernel_version, "compiler": compiler,
                      "qemu": args.qemu_version, "cpu": args.cpu},
        "readiness": readiness_figures(guests),
        "queues": cost_figures(guests, "queues", "suspend_ns", "resume_ns"),
        "allocations": cost_figures(guests, "allocations", "suspend_allocs",
                                    "resume_allocs"),
        "rings": ring_figures(guests),
        "registers": register_figures(guests),
        "overhead": overhead_figures(guests),
    }


def parse_args():
    """Return the checked command line."""
    parser = argparse.ArgumentParser(
        description="Measure virtio devices in the noirq phase of system "
        "sleep, in QEMU guests whose time is an instruction count.")
    parser.add_argument("set", choices=SETS, help="check: few guests, those "
                        "whose figures make check compares; timeline: one "
                        "traced cycle on each kernel")
    parser.add_argument("--kernel", metavar="IMAGE", required=True,
                        help="kernel with the series; its .config lies "
                        "beside it")
    parser.add_argument("--rootfs", metavar="CPIO", required=True,
                        help="initramfs, see mkrootfs.py")
    parser.add_argument("--base-kernel", metavar="IMAGE",
                        help="the same without the series")
    parser.add_argument("--base-rootfs", metavar="CPIO",
                        help="the same, with modules for it")
    parser.add_argument("--kernel-version", required=True, metavar="VERSION",
                        help="what to write about the kernel")
    parser.add_argument("--out", metavar="DIR", required=True,
                        help="folder for the results")
    parser.add_argument("--only", metavar="NAME",
                        help="only the guest of this name")
    parser.add_argument("--cycles", type=int, default=5, metavar="N",
                        help="sleep cycles for each figure (default 5)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N",
                        help="guests at the same time (default 2)")
    args = parser.parse_args()
    for path in (args.kernel, args.rootfs, args.base_kernel,
                 args.base_rootfs):
        if path and not os.access(path, os.R_OK):
            sys.exit(f"error: cannot read {path}; build it first")
    args.cells = [cell for cell in SETS[args.set]
                  if args.only in (None, cell.name)]
    if not args.cells:
        parser.error(f"no guest \"{args.only}\" in this set: "
                     + ", ".join(cell.name for cell in SETS[args.set]))
    if not args.base_kernel and any(cell.kernel == "base"
                                    for cell in args.cells):
        parser.error("a guest wants --base-kernel and --base-rootfs")
    args.out = os.path.abspath(args.out)
    args.argv = [os.path.abspath(__file__), *sys.argv[1:]]
    args.cpu, args.append, args.keep = CPU, "", False
    args.verbose_guest, args.timeout = False, TIMEOUT
    return args


def make_guests(args):
    """Return the guests, each on its kernel."""
    base = copy.copy(args)
    base.rootfs = args.base_rootfs
    images = {"series": (args.kernel, args), "base": (args.base_kernel, base)}
    kernels = {name: (Kernel(image), its_args)
               for name, (image, its_args) in images.items() if image}
    return [BenchGuest(cell, *kernels[cell.kernel]) for cell in args.cells]


def main():
    """Run the guests and write the figures."""
    args = parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    args.qemu_version = check_qemu()
    try:
        os.makedirs(args.out, exist_ok=True)
        guests = make_guests(args)
        Runner(guests, args.jobs, False).run()
    except KeyboardInterrupt:
        if "VN_TOP" not in os.environ:  # else scripts/run says so
            print("interrupted; QEMU was stopped", file=sys.stderr)
        return 130
    except (OSError, subprocess.SubprocessError) as err:
        sys.exit(f"error: {err}; free some space or choose another --out")

    if any(guest.result["verdict"] != "pass" for guest in guests):
        return 1
    if args.set != "timeline":
        with open(os.path.join(args.out, "figures.json"), "w",
                  encoding="utf-8") as file:
            json.dump(figures(guests, args), file, indent=1)
            file.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
