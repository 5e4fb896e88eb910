# SPDX-License-Identifier: GPL-2.0
"""The machine from outside: its memory, its SMMUv3 and a device that does DMA."""

import mmap
import os
import shutil
import socket
import struct

RAM = 0x40000000
ECAM = 0x4010000000
WINDOW = 0x10000000  # of PCI, where the BAR goes

# QEMU, docs/specs/edu.rst
EDU_SLOT = 2
STREAM = EDU_SLOT << 3  # what the SMMU knows it by
EDU_FROM, EDU_TO, EDU_COUNT, EDU_CMD, EDU_BUFFER = 0x80, 0x88, 0x90, 0x98, 0x40000
EDU_START, EDU_TO_MEMORY = 1, 2
PATTERN = b"\x5a\xa5\x3c\xc3"
ANSWER = 60  # seconds, for QEMU

# Arm IHI 0070, chapter 6
SMMU = 0x9050000
CR0, CR1, CR2, GBPA, IRQ_CTRL = 0x20, 0x28, 0x2c, 0x44, 0x50
GERROR, GERRORN = 0x60, 0x64
STRTAB_BASE, STRTAB_BASE_CFG = 0x80, 0x88
CMDQ_BASE, CMDQ_PROD, CMDQ_CONS = 0x90, 0x98, 0x9c
EVTQ_BASE, EVTQ_PROD, EVTQ_CONS = 0xa0, 0x100a8, 0x100ac
SMMUEN, ABORT, UPDATE, CMDQ_ERR = 1, 1 << 20, 1 << 31, 1
RESET = {GBPA: 0x1000 | UPDATE, **dict.fromkeys((
    CR0, CR1, CR2, IRQ_CTRL, STRTAB_BASE, STRTAB_BASE + 4, STRTAB_BASE_CFG, CMDQ_BASE,
    CMDQ_BASE + 4, CMDQ_PROD, CMDQ_CONS, EVTQ_BASE, EVTQ_BASE + 4, EVTQ_PROD, EVTQ_CONS), 0)}
ADDRESS = 0xffffffffffc0
COMMAND, ENTRY, DESCRIPTOR = 16, 64, 8  # bytes of a command, of a stream table's entries
TABLE = 0xfffffffff000
PAGE, VALID = 4096, 3   # of a page table, and what its descriptors of pages end in


class Memory:
    """The guest's RAM, a file that QEMU shares."""

    def __init__(self, path, size):
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), size)

    def place(self, address, size):
        """Return where it is in the file."""
        if not RAM <= address <= RAM + len(self.map) - size:
            raise OSError(f"no RAM is at {address:#x}")
        return slice(address - RAM, address - RAM + size)

    def read(self, address, size=8):
        """Return bytes."""
        return self.map[self.place(address, size)]

    def write(self, address, data):
        """Write bytes."""
        self.map[self.place(address, len(data))] = data

    def word(self, address):
        """Return 64 bits."""
        return struct.unpack("<Q", self.read(address))[0]

    def set_word(self, address, value):
        """Write 64 bits."""
        self.write(address, struct.pack("<Q", value))

    def find(self, value, mask=(1 << 64) - 1):
        """Return the addresses of all that hold these bits, of 64, of which the middle counts."""
        wanted, found, at = struct.pack("<Q", value)[2:6], [], 0
        while (at := self.map.find(wanted, at + 1)) >= 0:
            where = RAM + at - 2
            if where % 8 == 0 and self.word(where) & mask == value:
                found.append(where)
        return found


class Machine:
    """A client of QEMU's qtest, and what can be done by it."""

    def __init__(self, path, memory, until):
        self.memory = memory
        self.until = until
        self.socket = socket.socket(socket.AF_UNIX)
        if not until(lambda: not self.socket.connect_ex(path)):
            raise TimeoutError("QEMU has no qtest")
        self.socket.settimeout(ANSWER)
        self.file = self.socket.makefile("rw", encoding="ascii")

    def close(self):
        """Hang up, and give the memory back."""
        self.socket.close()
        self.memory.map.close()

    def ask(self, *words):
        """Return the answer to a command, a number, or 0."""
        self.file.write(" ".join(word if isinstance(word, str) else hex(word)
                                 for word in words) + "\n")
        self.file.flush()
        answer = self.file.readline().split()
        if answer[:1] != ["OK"]:
            raise OSError(f"QEMU answers {answer} to {words}")
        return int(answer[1], 0) if answer[1:] else 0

    # ---- the SMMU

    def get(self, register):
        """Return the value of a register of the SMMU."""
        return self.ask("readl", SMMU + register)

    def set(self, register, value):
        """Write a register of the SMMU."""
        self.ask("writel", SMMU + register, value)

    def lose_registers(self):
        """Give them the values that they have after a loss of power."""
        for register, value in RESET.items():
            self.set(register, value)
        self.set(GERRORN, self.get(GERROR))

    def leave_error(self):
        """Leave a command queue error pending, without an interrupt."""
        self.set(GERRORN, self.get(GERROR) ^ CMDQ_ERR)

    def entry(self):
        """Return the address of the device's entry of the stream table."""
        base = self.ask("readq", SMMU + STRTAB_BASE) & ADDRESS
        config = self.get(STRTAB_BASE_CFG)
        split = config >> 6 & 0x1f
        if not config >> 16 & 3:
            return base + STREAM * ENTRY
        descriptor = self.memory.word(base + (STREAM >> split) * DESCRIPTOR)
        return (descriptor & ADDRESS) + (STREAM & (1 << split) - 1) * ENTRY

    def leaf(self, address):
        """Return where the page table has what an address is mapped to."""
        entry = self.entry()
        config = self.memory.word(entry + 16)
        table = self.memory.word(entry + 24) & ADDRESS
        level = 2 - (config >> 38 & 3)
        shift = 39 - 9 * level
        at = table + (address >> shift) * 8     # the tables of the first level are one
        while self.memory.word(at) & 3 == 3 and shift > 12:
            shift -= 9
            at = (self.memory.word(at) & TABLE) + (address >> shift & 0x1ff) * 8
        return at

    def mapped_at(self):
        """Return the addresses of what may be Xen's descriptors of its registers."""
        return self.memory.find(SMMU | VALID, TABLE | VALID)

    def copy_registers(self, page):
        """Make a page of memory like them, but that GBPA is being updated, for ever."""
        for register in range(0, PAGE, 4):
            self.memory.write(page + register, struct.pack("<I", self.get(register)))
        self.memory.write(page + GBPA, struct.pack("<I", self.get(GBPA) | UPDATE))

    def swap(self, place, page):
        """Let Xen see that page in their place, or them again; return what the page has."""
        self.memory.set_word(place, self.memory.word(place) ^ SMMU ^ page)
        return self.memory.read(page, PAGE)

    def inject_command(self):
        """Let the SMMU read a command that there is not; return how to forget it.

        That waits for the SMMU to go on behind it, for so long, and returns whether it did.
        """
        base = self.ask("readq", SMMU + CMDQ_BASE)
        size = 1 << (base & 0x1f)
        before = self.get(CMDQ_PROD)
        self.memory.write((base & ADDRESS) + (before & size - 1) * COMMAND, b"\xff" * COMMAND)
        behind = before + 1 & 2 * size - 1
        self.set(CMDQ_PROD, behind)

        def forget(limit):
            done = self.until(lambda: self.get(CMDQ_CONS) & 0xffffff == behind, limit)
            self.set(CMDQ_CONS, before)
            self.set(CMDQ_PROD, before)
            return done
        return forget

    # ---- the device

    def start_device(self, address):
        """Enable it, and let it read the pattern that memory has at an address."""
        place = ECAM + (EDU_SLOT << 15)
        self.ask("writel", place + 0x10, WINDOW)
        self.ask("writew", place + 0x04, 6)
        self.memory.write(address, PATTERN)
        self.copy(address, EDU_BUFFER, 0)

    def copy(self, source, target, direction):
        """Let it copy the pattern, and wait for the end."""
        for register, value in ((EDU_FROM, source), (EDU_TO, target),
                                (EDU_COUNT, len(PATTERN)), (EDU_CMD, EDU_START | direction)):
            self.ask("writeq", WINDOW + register, value)
        if not self.until(lambda: not self.ask("readq", WINDOW + EDU_CMD) & EDU_START):
            raise TimeoutError("the device's DMA does not end")

    def arrives(self, address):
        """Return whether what it writes to an address gets there."""
        self.memory.write(address, bytes(len(PATTERN)))
        self.copy(EDU_BUFFER, address, EDU_TO_MEMORY)
        return self.memory.read(address, len(PATTERN)) == PATTERN


def make_ram(path, size):
    """Make the file for the RAM, of which a guest writes to a part."""
    left = shutil.disk_usage(os.path.dirname(path)).free
    if left < size:
        raise OSError(f"a guest's RAM needs {size >> 20} MiB, {os.path.dirname(path)} has "
                      f"{left >> 20} MiB free")
    with open(path, "wb") as file:
        os.truncate(file.fileno(), size)
