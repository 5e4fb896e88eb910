# SPDX-License-Identifier: GPL-2.0
"""Guests that run the same kselftests on virtio-blk devices on PCI.

A guest is named BUS-LAYOUT, "port-packed" say. On the root bus QEMU gives a device no
power management capability: it stays in D0. Behind a root port it goes to D3hot.
"""

import dataclasses
import os

import guest
from blk import kind as blk, matrix
from tables import configs

ROOT_BUS = "pcie.0"
BUSES = {  # whether it is behind a port of its own, and properties of the device
    "pci": (False, ()),
    "port": (True, ()),
    "kept": (True, ("x-pcie-pm-no-soft-reset=on",)),    # keeps its state in D3hot
    "shared": (False, ("vectors=2",)),  # one for all queues
    "intx": (False, ("vectors=0",))}
FEW = ("pci-split", "pci-legacy", "port-packed", "kept-split_in_order", "shared-packed_in_order",
       "intx-split")
SETS = {"full": "each ring layout on each bus", "default": "the same",
        "check": "each bus and each layout once or twice"}


@dataclasses.dataclass(frozen=True)
class Cell(matrix.Cell):
    """One guest, on a kernel to be named."""
    bus: str = "pci"

    @property
    def name(self):
        """The name of the guest."""
        return f"{self.bus}-{super().name}"

    @property
    def properties(self):
        """The properties of each virtio-blk-pci."""
        legacy = self.layout == matrix.NO_IOMMU
        return (f"disable-legacy={'off' if legacy else 'on'}",
                f"disable-modern={'on' if legacy else 'off'}", *super().properties,
                *BUSES[self.bus][1])

    @property
    def programs(self):
        """The selftests: without callbacks for the noirq phase nobody calls a driver then."""
        return ["virtio_noirq_soak"] if self.bus == "kept" else super().programs


def cells():
    """Return all cells, by the names they can be asked for."""
    found = [Cell(layout, bus=bus) for bus in BUSES for layout in matrix.LAYOUTS
             # a port has no I/O space to spare for the legacy interface
             if not (BUSES[bus][0] and layout == matrix.NO_IOMMU)]
    return {cell.name: cell for cell in found}


def guests(subset):
    """Return the (config, cell) of a set."""
    return [(config.name, cell) for config in configs("pci", subset)
            for name, cell in cells().items() if subset != "check" or name in FEW]


class Guest(blk.Guest):
    """One cell, on one kernel."""

    def disks(self):
        """Return QEMU's arguments for the devices under test."""
        args = []
        for place in range(self.cell.devices):
            bus = ROOT_BUS
            if BUSES[self.cell.bus][0]:
                bus = f"port{place}"
                args += ["-device", f"pcie-root-port,id={bus},bus={ROOT_BUS},chassis={place + 1}"]
            image = os.path.join(self.settings.out, f"disk{place}.img")
            args += guest.disk(f"disk{place}", image + ",snapshot=on", "virtio-blk-pci",
                               f"bus={bus}", *self.cell.properties)
        return args
