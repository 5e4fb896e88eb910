#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The test matrix: which guests there are, and which of them run where.

A guest is named after what it is made of, what is usual left out:
LAYOUT[_FEATURES][-31dev][-smp][-iommu][-CASE], "packed_noevent-31dev-smp" say.
The layouts are those of qemu/variants, the cases those of qemu/cases.
"""

import argparse
import dataclasses
import itertools
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FEATURES = {  # properties of a QEMU device
    "": (),
    "noevent": ("event_idx=off",),
    "noindirect": ("indirect_desc=off",),
    "plain": ("event_idx=off", "indirect_desc=off"),
}
MANY = 31  # devices, of the 32 places for them on the virt machine
DEVICES = (1, MANY)
MODES = ("icount", "smp")
KERNELS = ("arm64", "arm64-16k", "arm64-64k", "arm64-debug", "arm64-64k-debug",
           "arm64-kcsan")  # of configs/list
CASE_CONFIGS = ("arm64", "arm64-debug")
CHECK_CONFIGS = ("arm64", "arm64-64k", "arm64-debug")
ONE_EACH = {"layouts": "arm64", "coverage": "arm64-coverage"}
NO_IOMMU = "legacy"  # QEMU wants VIRTIO_F_VERSION_1 for it


def read_table(path):
    """Return the words of each line of a table, comments left out."""
    with open(path, encoding="ascii") as table:
        return [line.split() for line in table
                if line.strip() and not line.startswith("#")]


LAYOUTS = {name: (legacy, () if properties == "-" else (properties,))
           for name, legacy, properties
           in read_table(os.path.join(HERE, "variants"))}
CASES = {name: (mode, kernels, programs.split(","))
         for name, mode, kernels, programs
         in read_table(os.path.join(HERE, "cases"))}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One guest of the matrix, on a kernel to be named."""
    layout: str
    features: str = ""
    devices: int = 1
    mode: str = "icount"
    iommu: bool = False
    case: str = ""

    @property
    def variant(self):
        """The name of the FIXTURE_VARIANT in the selftests."""
        return "_".join(filter(None, (self.layout, self.features)))

    @property
    def name(self):
        """The name of the guest."""
        return "-".join(filter(None, (
            self.variant, f"{MANY}dev" if self.devices == MANY else "",
            "smp" if self.mode == "smp" else "",
            "iommu" if self.iommu else "", self.case)))

    @property
    def force_legacy(self):
        """The value of virtio-mmio.force-legacy."""
        return LAYOUTS[self.layout][0]

    @property
    def properties(self):
        """The properties of each virtio-blk-device."""
        return (*LAYOUTS[self.layout][1], *FEATURES[self.features],
                *(("iommu_platform=on",) if self.iommu else ()))

    @property
    def programs(self):
        """The selftests that run in the guest."""
        return CASES[self.case][2] if self.case else ["virtio_noirq_test"]


def has_checks(config):
    """Return whether a kernel sees wrong use of the DMA API."""
    return config.endswith("-debug")


def axes(config):
    """Return the values of each axis of a kernel, in the order of Cell."""
    features, modes, iommu = FEATURES, MODES, (False,)
    if config.endswith("-kcsan"):
        modes = ("smp",)  # it wants CPUs
    if has_checks(config):
        iommu = (False, True)
    if config.endswith("-64k-debug"):
        # The rest is on the kernels that have one of the two.
        features, modes = ("",), ("icount",)
    return LAYOUTS, features, DEVICES, modes, iommu


def cells(config):
    """Return all cells of the matrix on a kernel."""
    found = itertools.starmap(Cell, itertools.product(*axes(config)))
    return [cell for cell in found
            if not (cell.layout == NO_IOMMU and cell.iommu)]


def case_cells(config):
    """Return the cells of all cases but the soak, which has its own verb."""
    if config not in CASE_CONFIGS:
        return []
    kernels = ("all", "debug") if has_checks(config) else ("all",)
    return [Cell(layout, mode=mode, case=case)
            for case, (mode, where, _) in CASES.items() if where in kernels
            for layout in LAYOUTS]


def few_cases():
    """Return all cases without debug checks, each case once with them."""
    plain, debug = CASE_CONFIGS
    cases = dict.fromkeys(cell.case for cell in case_cells(debug))
    turn = dict(zip(cases, itertools.cycle(LAYOUTS)))
    return [*((plain, cell) for cell in case_cells(plain)),
            *((debug, cell) for cell in case_cells(debug)
              if cell.layout == turn[cell.case])]


def every_cell():
    """Return all cells, by the names they can be asked for."""
    found = {cell.name: cell for config in KERNELS for cell in cells(config)}
    for layout, features, (case, (mode, _, _)) in itertools.product(
            LAYOUTS, FEATURES, CASES.items()):
        cell = Cell(layout, features, mode=mode, case=case)
        found[cell.name] = cell
    return found


def pairs(config, cell):
    """Return the pairs of values that a guest covers."""
    values = enumerate((config, *dataclasses.astuple(cell)))
    return set(itertools.combinations(values, 2))


def takes_long(config, cell):
    """Return whether a guest takes minutes: it falls asleep in real time."""
    return has_checks(config) and cell.mode == "smp" and cell.devices == MANY


def pairwise():
    """Return few (config, cell) that cover what pairs of values there are."""
    candidates = [(config, cell) for config in CHECK_CONFIGS
                  for cell in cells(config) if not takes_long(config, cell)]
    left = set().union(*(pairs(*guest) for guest in candidates))
    chosen = []
    while left:
        best = max(candidates, key=lambda guest: len(pairs(*guest) & left))
        left -= pairs(*best)
        chosen.append(best)
    return sorted(chosen, key=candidates.index)


def guests_of(subset):
    """Return the (config, cell) of a set."""
    if subset in ONE_EACH:
        return [(ONE_EACH[subset], Cell(layout)) for layout in LAYOUTS]
    if subset == "soak":
        return [("arm64", Cell(layout, features, case="soak"))
                for layout in LAYOUTS for features in FEATURES]
    if subset == "check":
        return sorted(pairwise() + few_cases(),
                      key=lambda guest: CHECK_CONFIGS.index(guest[0]))
    return [(config, cell) for config in KERNELS
            for cell in cells(config) + case_cells(config)]


def select(args):
    """Return the (config, cell) that were asked for."""
    return [(config, cell) for config, cell in guests_of(args.set)
            if args.config in (None, config)
            and args.variant in (None, cell.variant, cell.name)
            and args.mode in (None, cell.mode)
            and args.devices in (None, cell.devices)]


def main():
    """Print the guests that were asked for."""
    parser = argparse.ArgumentParser(
        description="Print a part of the test matrix, one \"CONFIG CELL\" on "
        "a line.")
    parser.add_argument("set", choices=("full", "check", "soak", *ONE_EACH),
                        help="full: the whole matrix and all cases; check: "
                        "few guests on the kernels of make check, that cover "
                        "every pair of values, and all cases; soak: all "
                        "variants; layouts, coverage: one guest for each "
                        "layout, on the kernel for it")
    parser.add_argument("--config", choices=(*KERNELS, *ONE_EACH.values()),
                        help="on this kernel")
    parser.add_argument("--variant", metavar="NAME",
                        help="of this variant, \"packed_noevent\" say, or the "
                        "cell of this name")
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--devices", type=int, choices=DEVICES)
    guests = select(parser.parse_args())
    if not guests:
        sys.exit("error: no such guest in the matrix; qemu/matrix.py full "
                 "lists them all")
    for config, cell in guests:
        print(config, cell.name)


if __name__ == "__main__":
    main()
