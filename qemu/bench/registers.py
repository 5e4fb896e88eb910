# SPDX-License-Identifier: GPL-2.0
"""Which registers the bring-up of a device accesses, by QEMU's trace events, against the
minimum of the virtio specification (1.3, 3.1.1, and 4.2.3 for MMIO or 4.1.4.3 and
4.1.5.1 for PCI).
"""

import collections
import re

LOG = "registers.log"
WOKEN_LINE = "pl031_alarm_raised"
ARMED_LINE = "pl031_set_alarm"

# QEMU's trace events, what is in a line of them, and the names of the registers. Of a PCI
# function these are in the common configuration, which begins at a multiple of 4096.
Transport = collections.namedtuple("Transport", "events line names")
MMIO = Transport(("virtio_mmio_read", "virtio_mmio_write_offset"), re.compile(
    r"virtio_mmio_(read|write) offset 0x([0-9a-f]+)(?: value 0x([0-9a-f]+))?"), {
    0x10: "DeviceFeatures", 0x14: "DeviceFeaturesSel",
    0x20: "DriverFeatures", 0x24: "DriverFeaturesSel", 0x28: "GuestPageSize",
    0x30: "QueueSel", 0x34: "QueueNumMax", 0x38: "QueueNum",
    0x3c: "QueueAlign", 0x40: "QueuePFN", 0x44: "QueueReady",
    0x50: "QueueNotify", 0x60: "InterruptStatus", 0x64: "InterruptACK",
    0x70: "Status", 0x80: "QueueDescLow", 0x84: "QueueDescHigh",
    0x90: "QueueDriverLow", 0x94: "QueueDriverHigh",
    0xa0: "QueueDeviceLow", 0xa4: "QueueDeviceHigh", 0xfc: "ConfigGeneration"})
PCI = Transport(("memory_region_ops_read", "memory_region_ops_write"), re.compile(
    r"memory_region_ops_(read|write) .* addr 0x[0-9a-f]*([0-9a-f]{3}) value 0x([0-9a-f]+) .*"
    r"'virtio-pci-common-"), {
    0x00: "DeviceFeaturesSel", 0x04: "DeviceFeatures",
    0x08: "DriverFeaturesSel", 0x0c: "DriverFeatures", 0x10: "ConfigVector",
    0x12: "NumQueues", 0x14: "Status", 0x15: "ConfigGeneration",
    0x16: "QueueSel", 0x18: "QueueNum", 0x1a: "QueueVector", 0x1c: "QueueReady",
    0x1e: "QueueNotifyOff", 0x20: "QueueDescLow", 0x24: "QueueDescHigh",
    0x28: "QueueDriverLow", 0x2c: "QueueDriverHigh",
    0x30: "QueueDeviceLow", 0x34: "QueueDeviceHigh"})
STATUS = {1: "ACKNOWLEDGE", 2: "DRIVER", 4: "DRIVER_OK", 8: "FEATURES_OK", 0x10: "SUSPEND",
          0x40: "NEEDS_RESET", 0x80: "FAILED"}
RESET, READ_STATUS = "write Status = 0", "read Status"
ACKNOWLEDGE, DRIVER = "write Status + ACKNOWLEDGE", "write Status + DRIVER"
DRIVER_OK = "write Status + DRIVER_OK"
SUSPEND_BIT, DRIVER_OK_BIT = 0x10, 4

# What the specification asks for, of each device and of each queue
FEATURES = ["write DeviceFeaturesSel", "read DeviceFeatures",
            "write DriverFeaturesSel", "write DriverFeatures"]
MSI_X = ["write ConfigVector", "read ConfigVector"]
DEVICE = {
    "legacy": [RESET, "write GuestPageSize", ACKNOWLEDGE, DRIVER, *FEATURES, DRIVER_OK],
    "modern": [RESET, ACKNOWLEDGE, DRIVER,
               *FEATURES, *FEATURES, "write Status + FEATURES_OK", READ_STATUS, DRIVER_OK]}
DEVICE["pci"] = [*DEVICE["modern"], READ_STATUS, *MSI_X]
AREAS = [f"write Queue{area}{half}" for area in ("Desc", "Driver", "Device")
         for half in ("Low", "High")]
QUEUE = {
    "legacy": ["write QueueSel", "read QueuePFN", "read QueueNumMax",
               "write QueueNum", "write QueueAlign", "write QueuePFN"],
    "modern": ["write QueueSel", "read QueueReady", "read QueueNumMax", "write QueueNum",
               *AREAS, "write QueueReady"],
    "pci": ["write QueueSel", "read QueueNum", "write QueueVector", "read QueueVector",
            *AREAS, "write QueueReady"]}

# Why an access is not in the minimum
WORDS = "the transport has all words of features"
SURPLUS = {
    "write DeviceFeaturesSel": WORDS, "read DeviceFeatures": WORDS,
    "write DriverFeaturesSel": WORDS, "write DriverFeatures": WORDS,
    "write QueueSel": "each function of virtio-pci selects its queue",
    "read QueueReady": "virtio-pci refuses a queue that is set up",
    "read NumQueues": "virtio-pci wants to know if there is the queue",
    "read QueueNotifyOff": "where notifications go is asked for anew",
    "write QueueNum": "virtio-pci may want a shorter queue",
    "write GuestPageSize": "virtio-mmio sets it for version 1 alone"}
# The same of a device that is suspended, in virtio 1.4
RESUME = [DRIVER_OK, READ_STATUS]
STILL_SUSPENDED = "a device that lost its state must not become DRIVER_OK"
STILL_LIVE = "restore looks if the device works, and if DRIVER_OK is set"
COMPLETED = "virtio_reset_device_noirq() says if the reset completed"
MODIFIED = "virtio_add_status() reads before it writes"
KEPT = "the core checks that restore_noirq kept the device set up"
LEFT_TO_CORE = "the core sets DRIVER_OK if the driver has not"


def access(match, names, status):
    """Return ("write Status + DRIVER", new status)."""
    verb, offset = match[1], int(match[2], 16)
    name = names.get(offset, f"Config + 0x{offset - 0x100:x}")
    if verb == "read" or name != "Status":
        return f"{verb} {name}", status
    value = int(match[3], 16)
    added = [bit for bit in STATUS if value & ~status & bit]
    # The device clears the one if the other is set.
    if SUSPEND_BIT in added:
        value &= ~DRIVER_OK_BIT
    elif status & SUSPEND_BIT:
        value &= ~SUSPEND_BIT
    if not value or not added:
        return f"{verb} {name} = {value}", value
    return " ".join([verb, name, *(f"+ {STATUS[bit]}" for bit in added)]), value


def cycles(path, transport):
    """Yield the accesses of each sleep cycle: (suspend, resume)."""
    suspend, resume, part, status = [], [], None, 0
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            if ARMED_LINE in line:
                if part is resume:
                    yield suspend, resume
                suspend, resume = [], []
                part = suspend
            elif WOKEN_LINE in line:
                part = resume
            elif match := transport.line.search(line):
                name, status = access(match, transport.names, status)
                if part is not None:
                    part.append(name)
    if part is resume:
        yield suspend, resume


def bring_up(resume):
    """Return the accesses from the first reset up to the next one, or of a device that is
    resumed, whose first status is another one, those up to a reset.
    """
    start = resume.index(RESET)
    if any(name.startswith("write Status") for name in resume[:start]):
        return resume[:start]
    later = resume[start + 1:]
    end = later.index(RESET) if RESET in later else len(later)
    return [RESET, *later[:end]]


def why_status(accesses, kind, index):
    """Return why a status is read, or "" for the one that is required."""
    before = accesses[:index]
    after = accesses[index + 1] if index + 1 < len(accesses) else ""
    # In the noirq phase the core knows the status after a reset that completed.
    at = accesses.index(ACKNOWLEDGE)
    noirq = accesses[at + 1] == DRIVER
    if kind == "pci" and before[-1] == RESET:
        return ""
    if noirq and before[-1] == RESET:
        return COMPLETED
    if after.startswith("write Status +"):
        return MODIFIED
    if before[-1] == "write Status + FEATURES_OK":
        return ""
    if DRIVER_OK in before:
        return KEPT if noirq and before[-1] == DRIVER_OK else LEFT_TO_CORE
    return "unexplained"


def compare(accesses, kind, queues):
    """Return (minimum, surplus by reason, left out) of a bring-up."""
    was_reset = accesses[0] == RESET
    minimum = [*DEVICE[kind], *QUEUE[kind] * queues] if was_reset else RESUME
    left = collections.Counter(minimum)
    surplus = collections.Counter()
    for index, name in enumerate(accesses):
        why = ""
        if name == READ_STATUS:
            why = why_status(accesses, kind, index) if was_reset else \
                STILL_SUSPENDED if DRIVER_OK not in accesses[:index] else \
                "" if left[name] else STILL_LIVE
        if not why and left[name]:
            left[name] -= 1
        else:
            why = why or SURPLUS.get(name, "unexplained")
            surplus[f"{name}: {why}"] += 1
    return len(minimum), surplus, +left


def analyse(path, kind, labels):
    """Return a dictionary for each labelled sleep cycle of a log; the kind is one of DEVICE."""
    found = []
    transport = PCI if kind == "pci" else MMIO
    for (label, queues), (suspend, resume) in zip(labels, cycles(path, transport)):
        accesses = bring_up(resume)
        minimum, surplus, left_out = compare(accesses, kind, queues)
        found.append({
            "path": label, "queues": queues, "suspend": len(suspend),
            "accesses": len(accesses), "minimum": minimum, "surplus": dict(surplus),
            "left_out": dict(left_out)})
    return found
