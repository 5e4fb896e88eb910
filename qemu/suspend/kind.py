# SPDX-License-Identifier: GPL-2.0
"""Guests whose devices can be suspended: disks and entropy devices of a QEMU that has
qemu.patch, in real s2idle cycles, with buffers posted throughout.
"""

import collections
import dataclasses
import hashlib
import os
import re
import subprocess
import sys

import guest
from blk import kind, matrix, mkdisk
from tables import configs, read_table

HERE = os.path.dirname(os.path.abspath(__file__))
SETS = {
    "full": "all cases, and very many cycles", "default": "all cases",
    "soak": "each ring layout, for very many cycles"}
CYCLES = 20
MANY_CYCLES = 1000
PROGRAM = "test_of"
# An entropy device gets so much at a time, less than the buffers that are posted. Its
# source is a file, which must not end.
RNG_LIMIT = "max-bytes=64,period=500"
RNG_SECTORS = 4096
NINE_P_PLACE = 5
# The devices, by their places: even ones have a driver without callbacks for sleep, odd
# ones one with those of the noirq phase.
DEVICES = ("blk", "blk", "rng", "rng", "blk")
HEALTHY = 4  # the place of one that has no fault

# What QEMU says of a status that is written, and of accesses that are forbidden
LOG = "status.log"
STATUS_LINE = re.compile(
    r"virtio_mmio_status \S+ (\S+) 0x(..), 0x(..) written, 0x(..)$", re.MULTILINE)
FORBIDDEN = "virtio_mmio_forbidden"
SUSPEND, DRIVER_OK, FAILED = 0x10, 4, 0x80

# What is seen of a device: 0 is a reset, B that it becomes DRIVER_OK, S and R that it is
# suspended and resumed, s and r that this fails, F that it is given up. Before a driver has
# it, and after the end, it is reset.
BEGIN, END = "0+B", "0*$"
BARE = {"suspend": "s(F)+", "resume": "Sr(F)+", "lost": "S(F)+"}
# It is not suspended again, but reset
NOIRQ_AGAIN = "0+B"
NOIRQ = {"suspend": "s0+B", "resume": "Sr0+B", "lost": "S0+B"}

Case = collections.namedtuple("Case", "name program fault layouts")
CASES = {line[0]: Case(*line) for line in read_table(os.path.join(HERE, "cases"))}


@dataclasses.dataclass(frozen=True)
class Cell(matrix.Cell):
    """One case, of a ring layout."""

    @property
    def name(self):
        """The name of the guest."""
        return f"{self.layout}-{self.case}"

    @property
    def its(self):
        """What the table says of the case."""
        return CASES[self.case]


def cells():
    """Return all cells, by the names they can be asked for."""
    found = [Cell(layout, case=case.name) for case in CASES.values()
             for layout in case.layouts.split(",")]
    return {cell.name: cell for cell in found}


def guests(subset):
    """Return the (config, cell) of a set."""
    return [(config.name, cell) for config in configs("suspend", subset)
            for cell in cells().values() if subset != "soak" or cell.case == "cycles"]


def history(text, name):
    """Return what QEMU's log says of a device, a letter for each step."""
    found = ""
    for its, *values in STATUS_LINE.findall(text):
        before, written, after = (int(value, 16) for value in values)
        if its != name:
            continue
        if not written:
            found += "0"
        elif written & FAILED:
            found += "F"
        elif written & SUSPEND and before & (SUSPEND | DRIVER_OK):
            asked, wanted = ("R", DRIVER_OK) if before & SUSPEND else ("S", SUSPEND)
            done = after & (SUSPEND | DRIVER_OK | 0x40) == wanted
            found += asked if done else asked.lower()
        elif written & ~before & DRIVER_OK:
            found += "B"
    return found


class Guest(kind.Guest):
    """One cell, on one kernel."""

    root = "suspend"
    selftests = False
    needs_host = "its QEMU is one of its own"

    @classmethod
    def prepare_all(cls, settings, cells):
        """Write what is read; exit with one line if QEMU cannot do it."""
        emulator = settings.kernel.emulator
        known = subprocess.run([emulator, "-device", "virtio-rng-device,help"], check=False,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if "x-suspend-fault=" not in known.stdout:
            sys.exit(f"error: {emulator} has no devices with VIRTIO_F_SUSPEND; run make qemu, "
                     "which builds one that has, or name one by QEMU=")
        os.makedirs(os.path.dirname(cls.source(settings, "rng")), exist_ok=True)
        mkdisk.write_disk(cls.source(settings, "disk0"), 0)
        with open(cls.source(settings, "rng"), "wb") as file:
            file.writelines(mkdisk.sector(mkdisk.SEED, number) for number in range(RNG_SECTORS))

    @staticmethod
    def source(settings, name):
        """Return the path of what devices read."""
        return os.path.join(settings.out, "files", name + ".img")

    def own_cycles(self):
        """Return the sleep cycles."""
        return MANY_CYCLES if self.settings.set == "full" and self.cell.case == "cycles" else CYCLES

    def programs(self):
        """Return the names of all programs that run in the guest."""
        return [PROGRAM]

    def sleep_fault(self, log):
        """Return what is wrong if the devices saw something else than they should, or ""."""
        with open(self.path(LOG), encoding="utf-8", errors="replace") as file:
            text = file.read()
        if FORBIDDEN in text:
            return "a device that was suspended was accessed, see " + self.path(LOG)
        for place in self.places():
            seen, wanted = history(text, self.id_of(place)), self.wanted(place)
            if not re.match(wanted, seen):
                return f"{self.id_of(place)} saw {seen}, not {wanted}"
        return ""

    def wanted(self, place):
        """Return what a device has to see, as a pattern for its history."""
        fault = self.cell.its.fault.partition("-")[0]  # before "-", or "" for "-"
        cycle = f"(SR){{{self.cycles}}}"
        if self.cell.case == "hibernate":
            return f"{BEGIN}SR(0+B)+{END}"
        if not fault:
            return BEGIN + cycle + END
        if place == HEALTHY:
            return f"{BEGIN}(SR){{3}}{BEGIN}{cycle}{END}"
        after = NOIRQ[fault] + NOIRQ_AGAIN if place % 2 else BARE[fault]
        return f"{BEGIN}SR{after}{BEGIN}{cycle}{END}"

    def environment(self):
        """Return what init finds in its environment."""
        with open(self.source(self.settings, "disk0"), "rb") as file:
            digest = hashlib.md5(file.read()).hexdigest()
        return {"vst_program": self.cell.its.program, "vst_cycles": self.cycles,
                "vst_sum": digest}

    def places(self):
        """Return the places of the devices."""
        if self.cell.case == "files":
            return [NINE_P_PLACE]
        # Hibernation leaves a driver without callbacks with a device that is dead.
        return [place for place in range(len(DEVICES))
                if place % 2 or self.cell.case != "hibernate"]

    @staticmethod
    def id_of(place):
        """Return what QEMU calls a device."""
        return f"device{place}"

    def disks(self):
        """Return QEMU's arguments for the devices under test, and their log."""
        args = ["-trace", "enable=virtio_mmio_status", "-trace", "enable=" + FORBIDDEN,
                "-D", self.path(LOG)]
        for place in self.places():
            args += self.one_device(place)
        return args

    def one_device(self, place):
        """Return QEMU's arguments for a device."""
        folder = os.path.dirname(self.source(self.settings, "disk0"))
        properties = [f"id={self.id_of(place)}", "suspend=on", *self.cell.properties]
        if self.cell.its.fault != "-" and place != HEALTHY:
            properties += ["x-suspend-fault=" + self.cell.its.fault, "x-suspend-fault-at=2"]
        if place == NINE_P_PLACE:
            return ["-fsdev", f"local,id=files,path={folder},security_model=none,readonly=on",
                    *self.attach("9p", place, "fsdev=files", "mount_tag=files", *properties)]
        if DEVICES[place] == "rng":
            # QEMU 10 sizes its in-order bookkeeping by a queue size that this one has not.
            properties = [name for name in properties if not re.match("queue-size|in_order", name)]
            return ["-object", f"rng-random,id=rng{place},filename={folder}/rng.img",
                    *self.attach("rng", place, f"rng=rng{place}", RNG_LIMIT, *properties)]
        return [*guest.drive(f"disk{place}", f"{folder}/disk0.img,readonly=on"),
                *self.attach("blk", place, f"drive=disk{place}", *properties)]
