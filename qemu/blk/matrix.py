# SPDX-License-Identifier: GPL-2.0
"""The test matrix: which guests there are, and which of them run where.

A guest is named after what it is made of, what is usual left out:
[BUS-]LAYOUT[_FEATURES][-31dev][-smp][-iommu][-CASE], "packed_noevent-31dev-smp" say.
The layouts are those of the table variants, the cases those of the table cases,
the buses those of the table buses, the kernels those of configs/kernels.
"""

import collections
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
# that a kernel can have
AXES = ("ring", "modes", "smp", "iommu", "mmio", "bus", "s3", "viommu", "smmu")
GROUPS = ("all", "image", "debug", "platform")  # of cases; the soak has its own set
LEGACY = "legacy"
MMIO = "mmio"
# What make check has of the other buses: each of them, each layout, and each case
FEW = ("pci-split", "pci-legacy", "pci-port-packed", "pci-kept-split_in_order",
       "pci-shared-packed_in_order", "pci-intx-split", "pci-split-faults", "pci-packed-config",
       "pci-intx-legacy-config", "pci-port-split-hibernate", "pci-split-other-queue",
       "pci-packed-other-vectors",
       "pci-port-packed_in_order-wakeup", "pci-port-packed-unplug",
       "viommu-split-faults", "viommu-packed", "viommu-port-split_in_order",
       "viommu-port-packed_in_order-hibernate", "viommu-same-split",
       "viommu-port-packed-unplug",
       "viommu-packed-other-viommu", "viommu-same-split-other-viommu",
       "smmu-packed", "smmu-port-split_in_order", "smmu-split-power", "smmu-packed-hibernate",
       "smmu-packed-other-smmu", "smmu-split_in_order-unplug")
SETS = {
    "full": "the whole matrix and all cases",
    "default": "the same on the usual kernel, where the next two are, too",
    "soak": "all variants, for very many cycles", "layouts": "one guest for each ring layout",
    "check": "few guests, that cover every pair of values; all cases",
    "coverage": "the same, on a kernel that counts what has run"}

Bus = collections.namedtuple("Bus", "axis place iommu properties lacks")


def words(text):
    """Return the words of a list in a table."""
    return [] if text == "-" else text.split(",")


LAYOUTS = {name: (legacy, words(properties)) for name, legacy, properties
           in read_table(os.path.join(HERE, "variants"))}
BUSES = {line[0]: Bus(*line[1:4], *map(words, line[4:]))
         for line in read_table(os.path.join(HERE, "buses"))}
CASES = {name: (mode, kernels, words(programs)) for name, mode, kernels, programs
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
    bus: str = MMIO

    @property
    def variant(self):
        """The name of the FIXTURE_VARIANT in the selftests."""
        return "_".join(filter(None, (self.layout, self.features)))

    @property
    def name(self):
        """The name of the guest."""
        return "-".join(filter(None, (
            self.bus if self.on_pci else "", self.variant,
            f"{MANY}dev" if self.devices == MANY else "",
            "smp" if self.mode == "smp" else "", "iommu" if self.iommu else "", self.case)))

    @property
    def force_legacy(self):
        """The value of virtio-mmio.force-legacy."""
        return LAYOUTS[self.layout][0]

    @property
    def on_pci(self):
        """Whether the devices are on PCI."""
        return self.bus != MMIO

    @property
    def behind_port(self):
        """Whether each of them has a root port of its own."""
        return BUSES[self.bus].place == "port"

    @property
    def in_s3(self):
        """Whether its sleep is S3, which takes the devices' power."""
        return BUSES[self.bus].axis == "s3"

    @property
    def translated(self):
        """Whether the devices do DMA by the addresses that they are told to."""
        return self.iommu or BUSES[self.bus].iommu != "-"

    @property
    def needs_edu(self):
        """Whether it has a device behind the IOMMU whose DMA anybody can start."""
        return self.case in ("power", "other-smmu", "other-viommu") or \
            self.case == "unplug" and BUSES[self.bus].iommu == "smmu"

    @property
    def properties(self):
        """The properties of each disk."""
        found = [*LAYOUTS[self.layout][1], *FEATURES[self.features], *BUSES[self.bus].properties]
        if self.translated:
            found.append("iommu_platform=on")
        if self.on_pci:
            found += [f"disable-legacy={'off' if self.layout == LEGACY else 'on'}",
                      "disable-modern=" + self.force_legacy]
        return found

    @property
    def exists(self):
        """Whether there is one: QEMU wants VIRTIO_F_VERSION_1 for the IOMMU, and behind a
        port there is no I/O space for the legacy interface.
        """
        if self.case in ("other-queue", "other-vectors") and not self.on_pci:
            return False  # virtio-mmio has 1024 entries, whatever the device has, and no vectors
        if self.case == "other-vectors" and "vectors=0" in BUSES[self.bus].properties:
            return False
        if self.case in ("power", "other-smmu") and BUSES[self.bus].iommu != "smmu":
            return False
        if self.case == "other-viommu" and not BUSES[self.bus].iommu.startswith("viommu"):
            return False
        if self.case == "unplug" and BUSES[self.bus].iommu == "-" and self.bus != "pci-port":
            return False  # what has an IOMMU to tell, and a port, into which it can be plugged
        if self.devices == MANY and self.in_s3:
            return False  # its bus has fewer places
        return self.layout != LEGACY or not self.translated and not self.behind_port

    @property
    def programs(self):
        """The selftests that run in the guest."""
        programs = CASES[self.case][2] if self.case else ["virtio_noirq_test"]
        return [name for name in programs if name not in BUSES[self.bus].lacks] or CASES["soak"][2]


def buses(config):
    """Return the buses that a kernel is for."""
    return [name for name, bus in BUSES.items() if bus.axis in config.axes]


def cells_of(config):
    """Return all cells of the matrix on a kernel."""
    axes = (LAYOUTS, FEATURES if "ring" in config.axes else ("",), DEVICES,
            MODES if "modes" in config.axes else ("smp",) if "smp" in config.axes else ("icount",),
            (False, True) if "iommu" in config.axes else (False,), ("",), buses(config))
    return [cell for cell in itertools.starmap(Cell, itertools.product(*axes)) if cell.exists]


def case_cells(config, *groups):
    """Return the cells of a kernel's cases, those of some groups."""
    found = [Cell(layout, features, mode=mode, case=case, bus=bus)
             for bus in buses(config) for case, (mode, group, _) in CASES.items()
             if group in groups and group in config.cases for layout in LAYOUTS
             for features in (FEATURES if group == "soak" else ("",))]
    return [cell for cell in found if cell.exists]


def once(found):
    """Return one cell of each case, of another layout each."""
    turn = dict(zip(dict.fromkeys(cell.case for cell in found), itertools.cycle(LAYOUTS)))
    return list({cell.case: cell for cell in reversed(found)
                 if cell.layout == turn[cell.case]}.values())


def some_cases(config, few):
    """Return all cases without debug checks; with them those that write an image, which takes
    minutes there, once each; few: each case once, and none of those.
    """
    if "debug" not in config.cases:
        return case_cells(config, *GROUPS)
    found = case_cells(config, "all", "debug", "platform")
    return once(found) if few else found + once(case_cells(config, "image"))


def cells():
    """Return all cells, by the names they can be asked for."""
    found = [cell for config in configs("blk") for cell in cells_of(config)]
    found += [Cell(layout, features, mode=mode, case=case, bus=bus)
              for bus, layout, features, (case, (mode, _, _)) in itertools.product(
                  BUSES, LAYOUTS, FEATURES, CASES.items())]
    return {cell.name: cell for cell in found if cell.exists}


def pairs(config, cell):
    """Return the pairs of values that a guest covers."""
    values = enumerate((config.name, *dataclasses.astuple(cell)))
    return set(itertools.combinations(values, 2))


def takes_long(config, cell):
    """Return whether a guest takes minutes: it falls asleep in real time."""
    return "iommu" in config.axes and cell.mode == "smp" and \
        cell.devices == MANY


def pairwise():
    """Return few (config, cell) on mmio that cover what pairs of values there are."""
    candidates = [(config, cell) for config in configs("blk", "check")
                  for cell in cells_of(config) if not cell.on_pci and not takes_long(config, cell)]
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
        here = buses(config)
        if subset == "check":
            some = [cell for its, cell in chosen if its == config]
            some += [cell for cell in some_cases(config, True) if not cell.on_pci]
            some += [cell for name, cell in cells().items() if name in FEW and cell.bus in here]
        elif subset in ("default", "full"):
            some = cells_of(config) + some_cases(config, False)
        elif subset == "soak":
            some = case_cells(config, "soak")
        else:
            some = [cell for cell in cells_of(config) if cell == Cell(cell.layout, bus=cell.bus)]
        found += [(config.name, cell) for cell in some]
    return found
