# SPDX-License-Identifier: GPL-2.0
"""The test matrix: which guests there are, and which of them run where.

A guest is named after what it is made of, what is usual left out:
LAYOUT[_FEATURES][-31dev][-smp][-iommu][-CASE], "packed_noevent-31dev-smp" say.
The layouts are those of the table variants, the cases those of the table cases,
the kernels those of configs/kernels.
"""

import dataclasses
import itertools
import os

from tables import configs, read_table

HERE = os.path.dirname(os.path.abspath(__file__))
FEATURES = {  # properties of a QEMU device
    "": (), "noevent": ("event_idx=off",), "noindirect": ("indirect_desc=off",),
    "plain": ("event_idx=off", "indirect_desc=off")}
MANY = 31  # devices, of the 32 places for them on the virt machine
DEVICES = (1, MANY)
MODES = ("icount", "smp")
AXES = ("ring", "modes", "smp", "iommu")  # that a kernel can have besides
GROUPS = ("all", "debug")  # of cases; the soak has its own set
NO_IOMMU = "legacy"  # QEMU wants VIRTIO_F_VERSION_1 for it
SETS = {
    "full": "the whole matrix and all cases",
    "default": "the same on the usual kernel, where the next two are, too",
    "soak": "all variants, for very many cycles", "layouts": "one guest for each ring layout",
    "check": "few guests, that cover every pair of values; all cases",
    "coverage": "the same, on a kernel that counts what has run"}

LAYOUTS = {name: (legacy, () if properties == "-" else (properties,)) for name, legacy, properties
           in read_table(os.path.join(HERE, "variants"))}
CASES = {name: (mode, kernels, programs.split(",")) for name, mode, kernels, programs
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
            "smp" if self.mode == "smp" else "", "iommu" if self.iommu else "", self.case)))

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


def cells_of(config):
    """Return all cells of the matrix on a kernel."""
    axes = (LAYOUTS, FEATURES if "ring" in config.axes else ("",), DEVICES,
            MODES if "modes" in config.axes else ("smp",) if "smp" in config.axes else ("icount",),
            (False, True) if "iommu" in config.axes else (False,))
    found = itertools.starmap(Cell, itertools.product(*axes))
    return [cell for cell in found if not (cell.layout == NO_IOMMU and cell.iommu)]


def case_cells(config, *groups):
    """Return the cells of a kernel's cases, those of some groups."""
    return [Cell(layout, features, mode=mode, case=case) for case, (mode, group, _) in CASES.items()
            if group in groups and group in config.cases for layout in LAYOUTS
            for features in (FEATURES if group == "soak" else ("",))]


def few_cases(config):
    """Return all cases without debug checks, each case once with them."""
    found = case_cells(config, *GROUPS)
    if "debug" not in config.cases:
        return found
    turn = dict(zip(dict.fromkeys(cell.case for cell in found), itertools.cycle(LAYOUTS)))
    return [cell for cell in found if cell.layout == turn[cell.case]]


def cells():
    """Return all cells, by the names they can be asked for."""
    found = [cell for config in configs("blk") for cell in cells_of(config)]
    found += [Cell(layout, features, mode=mode, case=case)
              for layout, features, (case, (mode, _, _)) in itertools.product(
                  LAYOUTS, FEATURES, CASES.items())]
    return {cell.name: cell for cell in found}


def pairs(config, cell):
    """Return the pairs of values that a guest covers."""
    values = enumerate((config.name, *dataclasses.astuple(cell)))
    return set(itertools.combinations(values, 2))


def takes_long(config, cell):
    """Return whether a guest takes minutes: it falls asleep in real time."""
    return "iommu" in config.axes and cell.mode == "smp" and \
        cell.devices == MANY


def pairwise():
    """Return few (config, cell) that cover what pairs of values there are."""
    candidates = [(config, cell) for config in configs("blk", "check")
                  for cell in cells_of(config) if not takes_long(config, cell)]
    left = set().union(*(pairs(*guest) for guest in candidates))
    chosen = []
    while left:
        best = max(candidates, key=lambda guest: len(pairs(*guest) & left))
        left -= pairs(*best)
        chosen.append(best)
    return sorted(chosen, key=candidates.index)


def guests(subset):
    """Return the (config, cell) of a set."""
    chosen = pairwise() if subset == "check" else []
    found = []
    on_default = subset in ("layouts", "soak")
    for config in configs("blk", "default" if on_default else subset):
        if subset == "check":
            some = [cell for its, cell in chosen if its == config]
            some += few_cases(config)
        elif subset in ("default", "full"):
            some = cells_of(config) + case_cells(config, *GROUPS)
        elif subset == "soak":
            some = case_cells(config, "soak")
        else:
            some = [Cell(layout) for layout in LAYOUTS]
        found += [(config.name, cell) for cell in some]
    return found
