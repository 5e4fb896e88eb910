# SPDX-License-Identifier: GPL-2.0
"""Which registers a virtio-mmio device's bring-up accesses, by QEMU's trace
events, against the minimum of the virtio specification (1.3, 3.1.1 and 4.2.3).
"""

import collections
import re

LOG = "registers.log"
EVENTS = ("virtio_mmio_read", "virtio_mmio_write_offset", "pl031_set_alarm", "pl031_alarm_raised")

ACCESS_LINE = re.compile(r"virtio_mmio_(read|write) offset 0x([0-9a-f]+)"
                         r"(?: value 0x([0-9a-f]+))?")
WOKEN_LINE = "pl031_alarm_raised"
ARMED_LINE = "pl031_set_alarm"

NAMES = {
    0x10: "DeviceFeatures", 0x14: "DeviceFeaturesSel",
    0x20: "DriverFeatures", 0x24: "DriverFeaturesSel", 0x28: "GuestPageSize",
    0x30: "QueueSel", 0x34: "QueueNumMax", 0x38: "QueueNum",
    0x3c: "QueueAlign", 0x40: "QueuePFN", 0x44: "QueueReady",
    0x50: "QueueNotify", 0x60: "InterruptStatus", 0x64: "InterruptACK",
    0x70: "Status", 0x80: "QueueDescLow", 0x84: "QueueDescHigh",
    0x90: "QueueDriverLow", 0x94: "QueueDriverHigh",
    0xa0: "QueueDeviceLow", 0xa4: "QueueDeviceHigh", 0xfc: "ConfigGeneration"}
STATUS = {1: "ACKNOWLEDGE", 2: "DRIVER", 4: "DRIVER_OK", 8: "FEATURES_OK",
          0x40: "NEEDS_RESET", 0x80: "FAILED"}
RESET, READ_STATUS = "write Status = 0", "read Status"
ACKNOWLEDGE, DRIVER = "write Status + ACKNOWLEDGE", "write Status + DRIVER"
DRIVER_OK = "write Status + DRIVER_OK"

# What the specification asks for, of each device and of each queue
FEATURES = ["write DeviceFeaturesSel", "read DeviceFeatures",
            "write DriverFeaturesSel", "write DriverFeatures"]
DEVICE = {
    "legacy": [RESET, "write GuestPageSize", ACKNOWLEDGE, DRIVER, *FEATURES, DRIVER_OK],
    "modern": [RESET, ACKNOWLEDGE, DRIVER,
               *FEATURES, *FEATURES, "write Status + FEATURES_OK", READ_STATUS, DRIVER_OK]}
QUEUE = {
    "legacy": ["write QueueSel", "read QueuePFN", "read QueueNumMax",
               "write QueueNum", "write QueueAlign", "write QueuePFN"],
    "modern": ["write QueueSel", "read QueueReady", "read QueueNumMax", "write QueueNum",
               *(f"write Queue{area}{half}" for area in ("Desc", "Driver", "Device")
                 for half in ("Low", "High")), "write QueueReady"]}

# Why an access is not in the minimum
OFFERED = "vm_get_features() reads both halves"
ACCEPTED = "vm_finalize_features() writes both halves"
SURPLUS = {
    "write DeviceFeaturesSel": OFFERED, "read DeviceFeatures": OFFERED,
    "write DriverFeaturesSel": ACCEPTED, "write DriverFeatures": ACCEPTED,
    "write GuestPageSize": "virtio-mmio sets it for version 1 alone"}
COMPLETED = "virtio_reset_device_noirq() says if the reset completed"
MODIFIED = "virtio_add_status() reads before it writes"
KEPT = "the core checks that restore_noirq kept the device set up"
LEFT_TO_CORE = "the core sets DRIVER_OK if the driver has not"


def access(match, status):
    """Return ("write Status + DRIVER", new status)."""
    verb, offset = match[1], int(match[2], 16)
    name = NAMES.get(offset, f"Config + 0x{offset - 0x100:x}")
    if verb == "read" or name != "Status":
        return f"{verb} {name}", status
    value = int(match[3], 16)
    added = [bit for bit in STATUS if value & ~status & bit]
    if not value or not added:
        return f"{verb} {name} = {value}", value
    return " ".join([verb, name, *(f"+ {STATUS[bit]}" for bit in added)]), value


def cycles(path):
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
            elif match := ACCESS_LINE.search(line):
                name, status = access(match, status)
                if part is not None:
                    part.append(name)
    if part is resume:
        yield suspend, resume


def bring_up(resume):
    """Return the accesses from the first reset up to the next one."""
    start = resume.index(RESET)
    later = resume[start + 1:]
    end = later.index(RESET) if RESET in later else len(later)
    return [RESET, *later[:end]]


def why_status(accesses, index):
    """Return why a status is read, or "" for the one that is required."""
    before = accesses[:index]
    after = accesses[index + 1] if index + 1 < len(accesses) else ""
    # In the noirq phase the core knows the status after a reset that completed.
    at = accesses.index(ACKNOWLEDGE)
    noirq = accesses[at + 1] == DRIVER
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
    minimum = [*DEVICE[kind], *QUEUE[kind] * queues]
    left = collections.Counter(minimum)
    surplus = collections.Counter()
    for index, name in enumerate(accesses):
        why = why_status(accesses, index) if name == READ_STATUS else ""
        if not why and left[name]:
            left[name] -= 1
        else:
            why = why or SURPLUS.get(name, "unexplained")
            surplus[f"{name}: {why}"] += 1
    return len(minimum), surplus, +left


def analyse(path, legacy, labels):
    """Return a dictionary for each labelled sleep cycle of a log."""
    kind = "legacy" if legacy else "modern"
    found = []
    for (label, queues), (suspend, resume) in zip(labels, cycles(path)):
        accesses = bring_up(resume)
        minimum, surplus, left_out = compare(accesses, kind, queues)
        found.append({
            "path": label, "queues": queues, "suspend": len(suspend),
            "accesses": len(accesses), "minimum": minimum, "surplus": dict(surplus),
            "left_out": dict(left_out)})
    return found
