# SPDX-License-Identifier: GPL-2.0
"""Guests that measure what the noirq phase buys virtio devices, and what it costs.

Time is an instruction count, and the devices answer while the CPU stands still, so
that the figures do not depend on the host.
"""

import dataclasses

from bench import registers
from blk import kind, matrix
from tables import configs

SETS = {
    "all": "those that measure", "check": "few, whose figures make check compares",
    "timeline": "one traced cycle on each kernel"}
SERIAL = "virtio-noirq-bench"  # that the test module looks for
DEVICES = (1, 8, 31)
LAYOUTS = ("split", "packed")
MAX_QUEUES = 64
MANY = 31
CYCLES = 5
SUSPEND = "suspend"  # a kernel, and a property of a QEMU of our own


@dataclasses.dataclass(frozen=True)
class Cell(matrix.Cell):
    """One guest that measures."""
    measures: str = ""
    queues: int = 1
    kernel: str = "series"  # or base: without it; or with more: pci, iommu, suspend

    @property
    def name(self):
        """The name of the guest."""
        return "-".join((self.place, f"{self.devices}dev",
                         self.measures.replace(",", "-"), self.kernel))

    @property
    def place(self):
        """The layout, with the bus if it is not the usual one, or the path."""
        if self.kernel == SUSPEND:
            return f"{SUSPEND}-{self.layout}"
        return f"{self.bus}-{self.layout}" if self.on_pci else self.layout

    @property
    def registers(self):
        """The kind of registers that it has, one of registers.DEVICE."""
        return "pci" if self.on_pci else "legacy" if self.layout == matrix.LEGACY else "modern"

    @property
    def properties(self):
        """The properties of each virtio-blk-device."""
        return (*super().properties, *[SUSPEND + "=on"] * (self.kernel == SUSPEND),
                f"num-queues={self.queues}", f"serial={SERIAL}")

    @property
    def programs(self):
        """The selftests that run in the guest."""
        return ["virtio_noirq_bench"]


def readiness(layouts, devices):
    """Return the guests that tell when devices answer."""
    return [Cell(layout, devices=n, measures="readiness") for layout in layouts for n in devices]


# The same on PCI, where a device behind a port comes from D3hot
PCI = [*(Cell("split", bus=bus, devices=n, measures="readiness", kernel="pci")
         for bus in ("pci", "pci-port") for n in DEVICES),
       Cell("split", bus="pci", measures="queues,allocations", queues=MAX_QUEUES, kernel="pci"),
       Cell("split", bus="pci", measures="registers", queues=2, kernel="pci")]
# Behind an IOMMU, by devices and by mappings
IOMMU = [*(Cell("split", bus=bus, devices=n, measures="readiness", kernel="iommu")
           for bus in ("viommu", "smmu") for n in DEVICES),
         *(Cell("split", bus=bus, measures="mappings", kernel="iommu")
           for bus in ("viommu", "smmu"))]
# Devices that are suspended instead of reset, on a QEMU that has them
SUSPENDED = [*(Cell("split", devices=n, measures="readiness", kernel=SUSPEND) for n in DEVICES),
             Cell("split", measures="queues,allocations", queues=MAX_QUEUES, kernel=SUSPEND),
             Cell("split", measures="registers", queues=2, kernel=SUSPEND)]
# What a device costs, by its queues and their size
COSTS = [Cell(layout, measures="queues,allocations,rings", queues=MAX_QUEUES) for layout in LAYOUTS]
REGISTERS = [Cell(layout, measures="registers", queues=2) for layout in ("legacy", *LAYOUTS)]
OVERHEAD = [Cell("split", devices=MANY, measures="overhead", kernel=kernel)
            for kernel in ("base", "series")]
TIMELINE = [Cell("split", devices=8, measures="timeline", kernel=kernel)
            for kernel in ("base", "series")]
CELLS = {
    "all": readiness(LAYOUTS, DEVICES) + COSTS + REGISTERS + OVERHEAD + PCI + IOMMU
    + SUSPENDED,
    "check": readiness(["split"], [MANY]) + COSTS + REGISTERS[1:2] + PCI[2:3] + PCI[-1:],
    "timeline": TIMELINE}


def cells():
    """Return all cells, by the names they can be asked for."""
    return {cell.name: cell for cell in CELLS["all"] + CELLS["timeline"]}


def guests(subset):
    """Return the (config, cell) of a set."""
    return [(config.name, cell) for config in configs("bench") for cell in CELLS[subset]]


class Guest(kind.Guest):
    """A guest whose devices answer at once, whatever the host does."""

    needs_host = "measures what it is on"

    @classmethod
    def prepare_all(cls, settings, cells):
        """Nothing: the disks are without data."""

    @property
    def machine_options(self):
        """What the machine has besides: GICv2m has too few vectors for so many queues."""
        return super().machine_options + ",dtb-randomness=off" \
            + ",gic-version=3" * self.cell.on_pci

    def own_cycles(self):
        """Return the sleep cycles for each figure."""
        return CYCLES

    def environment(self):
        """Return what init and the tests find in their environment."""
        return {**super().environment(), "VIRTIO_NOIRQ_BENCH": self.cell.measures,
                "VIRTIO_NOIRQ_BENCH_PATH": "normal" if self.cell.kernel == "base" else "noirq"}

    def disks(self):
        """Return QEMU's arguments for the disks, and their registers' log."""
        args = ["-global", "virtio-mmio.ioeventfd=off", "-global", "virtio-blk-pci.ioeventfd=off",
                *self.iommu_device()]
        for place in range(self.cell.devices):
            args += ["-drive", f"if=none,id=disk{place},driver=null-co,read-zeroes=on,size=1M",
                     *self.attach("blk", place, f"drive=disk{place}", *self.cell.properties)]
        if self.cell.measures == "registers":
            transport = registers.PCI if self.cell.on_pci else registers.MMIO
            for event in (*transport.events, registers.ARMED_LINE, registers.WOKEN_LINE):
                args += ["-trace", "enable=" + event]
            args += ["-D", self.path(registers.LOG)]
        return args
