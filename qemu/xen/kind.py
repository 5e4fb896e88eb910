# SPDX-License-Identifier: GPL-2.0
"""Xen with a small dom0, whose IOMMU is suspended and resumed by a key (key.c), while a
device goes on with DMA. What came of it is looked at from outside, by qtest and in RAM."""

import collections
import os
import re
import select
import subprocess
import tempfile

import guest
from patience import Patience
from tables import configs
from xen import machine
from xen.machine import (ABORT, CMDQ_BASE, CMDQ_CONS, CR0, GBPA, IRQ_CTRL, SMMUEN, STREAM,
                         Machine, Memory)

HERE = os.path.dirname(os.path.abspath(__file__))
SETS = {"full": "all cases", "check": "none", "default": "all cases"}
GROUPS = ("all",)

MEMORY = 512                # MiB, the last of which are nobody's
HIDDEN = 16
DOM0, DOM0_USES = 128, 96   # MiB
SPARE = machine.RAM + (MEMORY - HIDDEN << 20)
UNMAPPED = machine.RAM + (MEMORY - HIDDEN // 2 << 20)
KERNEL, ROOT = 0x4a000000, 0x4e000000
NOWHERE = 0x30000000000     # no memory is there
LIMIT = 30                  # seconds for anything that a guest is to say, or to do
SOON = 5                    # for what it does by itself if it does it
PANIC = "Panic on CPU 0:"
EVENT = re.compile(r"event 0x10 received:" + r"\n.*0x([0-9a-f]{16})" * 3)
BANK = re.compile(r"BANK\[0\] 0x([0-9a-f]+)-0x([0-9a-f]+) ")

Cell = collections.namedtuple("Cell", "name what")
CELLS = [
    Cell("xen-cycles", "it loses its registers, and the tables change"),
    Cell("xen-stuck", "it cannot be suspended, and is put back"),
    Cell("xen-abort", "it does not take that DMA is to abort, and goes on as it was"),
    Cell("xen-dead", "it cannot be resumed, which is fatal"),
    Cell("xen-refused", "the driver has no hooks")]


def guests(subset):
    """Return the guests of a set, (kernel, cell)."""
    return [(config.name, cell) for config in configs("xen", subset) for cell in CELLS
            if subset != "check"]


def cells():
    """Return all cells by their names."""
    return {cell.name: cell for cell in CELLS}


class Guest(guest.Followed):
    """One of them."""

    root = "xen"
    selftests = False
    needs_host = "is looked at by qtest"
    least_memory = MEMORY
    tests = ()
    text = fault = socket = ""
    read = events = mapped = 0
    machine_now = None
    finished = False

    def own_cycles(self):
        """Return the times that the IOMMU is suspended."""
        return 5 if self.cell.name == "xen-cycles" else 1

    def cycles_of(self, wanted):
        """Return as many: each is another one."""
        return self.own_cycles()

    def cycles_done(self):
        """Return how many of them there were."""
        return self.text.count("IOMMU test: suspended")

    def progress(self):
        """Return "xen-cycles (cycle 3 of 5)"."""
        return f"{self.cell.name} (cycle {self.cycles_done()} of {self.cycles})"

    # ---- QEMU

    def key(self):
        """Return what a result follows from: dom0's kernel, too."""
        return [*super().key(), guest.digest(self.modules[0][0])]

    reserved = f"/memreserve/ {SPARE:#x} {HIDDEN << 20:#x};"
    machine_options = ",virtualization=on,gic-version=3,iommu=smmuv3,memory-backend=ram"

    @property
    def modules(self):
        """Dom0's kernel and root, and where they are in memory."""
        return [(os.path.join(self.kernel.folder, "dom0"), KERNEL),
                (self.settings.rootfs, ROOT)]

    def machine(self):
        """Return QEMU's arguments for the machine."""
        return ["-object", f"memory-backend-file,id=ram,size={MEMORY}M,share=on,"
                f"mem-path={self.path('ram')}", "-smp", "1"]

    def device_tree(self):
        """Return what Xen and dom0 start with, and the master behind the SMMU."""
        kernel, root = (os.path.getsize(file) for file, _ in self.modules)
        with open(os.path.join(HERE, "xen.dts"), encoding="utf-8") as file:
            text = file.read()
        return text % {
            "dom0": DOM0, "uses": DOM0_USES, "mutant": self.settings.mutant, "kernel": KERNEL,
            "kernel_size": kernel, "root": ROOT, "root_size": root, "stream": STREAM}

    def command(self):
        """Return QEMU's command line."""
        return [
            self.kernel.emulator, "-machine", self.machine_type, *self.hardware(),
            "-chardev", "stdio,id=console,signal=off,logappend=on,"
            f"logfile={self.path('console.log')}", "-serial", "chardev:console",
            "-qtest", f"unix:{self.socket},server=on,wait=off", "-qtest-log", "/dev/null",
            "-device", f"edu,dma_mask=0xffffffffffff,addr={machine.EDU_SLOT}",
            *(word for file, address in self.modules for word in (
                "-device", f"loader,file={file},addr={address:#x},force-raw=on")),
            "-dtb", self.path("machine.dtb"), "-kernel", self.kernel.image]

    def make_device_tree(self, text):
        """Write it; QEMU wants the RAM's file for that, too."""
        machine.make_ram(self.path("ram"), MEMORY << 20)
        super().make_device_tree(text)

    # ---- what happens

    @property
    def silence(self):
        """How many seconds it may take for anything."""
        return self.settings.timeout or LIMIT

    def begin(self):
        """Follow it from its first line, also if it is run again."""
        self.tests, self.text, self.fault = [], "", ""
        self.read = self.events = self.mapped = 0
        self.machine_now, self.finished = None, False
        super().begin()

    def live(self):
        """Boot the guest and do what its case is about."""
        try:
            # The path of a socket must be short.
            with tempfile.TemporaryDirectory(prefix="xen-") as folder:
                self.socket = os.path.join(folder, "qtest")
                self.boot(stdout=subprocess.PIPE)
                self.machine_now = Machine(
                    self.socket, Memory(self.path("ram"), MEMORY << 20), self.until)
                self.begin_dma()
                getattr(self, "run_" + self.cell.name.partition("-")[2])()
                self.finished = True
        except (OSError, TimeoutError) as err:
            self.fault = self.fault or str(err)
        finally:
            if self.machine_now:
                self.machine_now.close()
            self.end_qemu()
            os.unlink(self.path("ram"))

    def listen(self):
        """Read what the console has said, for a moment; return whether that was something."""
        if not select.select([self.process.stdout], [], [], 0.05)[0]:
            return False
        data = os.read(self.process.stdout.fileno(), 65536)
        if not data:
            raise OSError("Xen panicked" if PANIC in self.text else "QEMU ended")
        self.text += data.decode(errors="replace").replace("\r", "")
        return True

    def until(self, found, limit=0):
        """Listen until something is found; return it, or what was there at the limit.

        Dom0 never falls silent, so that what the console says is progress before that only.
        """
        patience, progress = Patience(limit or self.silence), False
        while not (what := found()) and not patience.exhausted(self.process.pid, progress):
            progress = self.listen() and not self.mapped
        self.patience.exhausted(self.process.pid, True)
        return what

    def wait(self, pattern):
        """Wait for a line after the last one that was waited for; return its match."""
        line = re.compile(pattern + ".*\n")
        match = self.until(lambda: line.search(self.text, self.read))
        if not match:
            raise TimeoutError(f"the console does not say '{pattern}'")
        self.read = match.end()
        return match

    def press(self, key="."):
        """Press a key on Xen's console."""
        self.process.stdin.write(key.encode())

    def step(self, name):
        """Press a key; return the result of the step that it ends in."""
        self.press("S" if name == "interrupts off" else ".")
        return int(self.wait(rf"IOMMU test: {name} \((-?\d+)\)")[1])

    def expect(self, name, good, why=""):
        """Take the result of a test, which may be made several times."""
        for test in self.tests:
            if test["name"] == name:
                break
        else:
            test = {"name": name, "result": "pass"}
            self.tests.append(test)
        if not good:
            test["result"] = "fail"
            self.fault = self.fault or f"{name}: {why or 'see console.log'}"
            if self.settings.mutant:
                raise OSError(self.fault)

    def arrives(self, name):
        """Expect DMA to the page that is mapped to arrive, and to the other one not to."""
        self.expect(f"{name}_mapped_arrives", self.machine_now.arrives(self.mapped))
        self.blocked(name)
        self.events += 1

    def blocked(self, name):
        """Expect DMA to the page that is not mapped to be blocked."""
        self.expect(f"{name}_unmapped_blocked", not self.machine_now.arrives(UNMAPPED))

    def seen(self, name):
        """Expect Xen to have logged each DMA to the page that is not mapped."""
        self.until(lambda: self.count_events() >= self.events, SOON)
        found = self.count_events()
        self.expect(name, found == self.events, f"{found} events logged, not {self.events}")

    def count_events(self):
        """Return how many translation faults of the device were logged."""
        wanted = f"{STREAM:08x}00000010", f"{UNMAPPED:016x}"
        return sum((first, third) == wanted for first, _, third in EVENT.findall(self.text))

    def begin_dma(self):
        """Wait for dom0, and set up the device."""
        bank = self.wait(BANK.pattern)
        self.wait("# dom0 lives, 1")
        self.mapped = int(bank[2], 16) - (8 << 20)
        self.machine_now.start_device(self.mapped)
        self.arrives("before")
        self.seen("before_event")

    def lives(self):
        """Expect dom0 to go on."""
        self.read = len(self.text)
        self.wait("# dom0 lives")
        self.expect("dom0_goes_on", True)

    def works(self, name):
        """Expect the SMMU to work, with its interrupts."""
        smmu = self.machine_now
        self.seen(name + "_events_kept")
        self.arrives(name)
        self.seen(name + "_event_interrupt")
        self.expect(name + "_no_error", not smmu.get(CMDQ_CONS) >> 24,
                    f"CMDQ_CONS is {smmu.get(CMDQ_CONS):#x}")
        self.read = len(self.text)
        forget = smmu.inject_command()
        self.expect(name + "_error_interrupt", forget(SOON))
        self.wait("CMDQ error .*Illegal command")
        self.lives()

    def cycle(self, meanwhile=None, mapped=True):
        """Suspend and resume, and lose the registers in between."""
        smmu = self.machine_now
        self.step("interrupts off")
        self.blocked("pending")
        self.events += mapped
        smmu.leave_error()
        result = self.step("suspended")
        self.expect("suspends", not result, f"iommu_suspend() returned {result}")
        if result:
            return
        self.expect("suspended_mapped_blocked", not smmu.arrives(self.mapped))
        self.blocked("suspended")
        self.expect("suspended_is_off", not smmu.get(CR0) | smmu.get(IRQ_CTRL))
        if meanwhile:
            meanwhile()
        smmu.lose_registers()
        smmu.leave_error()
        self.step("resumed")

    def stays(self):
        """Expect the SMMU not to be suspended, and Xen to say so."""
        result = self.step("suspended")
        self.expect("suspend_fails", result == -110, f"iommu_suspend() returned {result}")
        self.expect("says_suspend", "failed to suspend" in self.text
                    and "failed to resume" not in self.text)

    def run_cycles(self):
        """The main case; then with changes that only an SMMU without old entries sees."""
        smmu, memory = self.machine_now, self.machine_now.memory
        self.cycle()
        self.arrives("resumed")
        # Nothing may pass if it is off, as it was before the resume had come so far.
        enabled = smmu.get(CR0)
        smmu.set(CR0, enabled & ~SMMUEN)
        self.blocked("off")
        self.expect("off_aborts", smmu.get(GBPA) & ABORT)
        smmu.set(CR0, enabled)
        self.step("interrupts on")
        self.works("after")
        for name, where in ("entry", smmu.entry()), ("leaf", smmu.leaf(self.mapped)):
            before = memory.word(where)
            # An entry that is valid and aborts; a page that is not there
            self.cycle(lambda: memory.set_word(where, 1 if name == "entry" else 0))
            self.expect(f"{name}_invalidated", not smmu.arrives(self.mapped))
            self.step("interrupts on")
            self.cycle(lambda: memory.set_word(where, before), mapped=name == "leaf")
            self.arrives(f"{name}_back")
            self.step("interrupts on")
        self.lives()

    def run_stuck(self):
        """Its commands are where no memory is."""
        smmu = self.machine_now
        self.step("interrupts off")
        smmu.ask("writeq", machine.SMMU + CMDQ_BASE, NOWHERE)
        self.stays()
        self.arrives("restored")
        self.step("interrupts on")
        self.works("restored")

    def run_abort(self):
        """Its registers are those of one whose GBPA is never updated."""
        smmu = self.machine_now
        self.step("interrupts off")
        places = smmu.mapped_at()
        self.expect("registers_found", len(places) == 1, f"{len(places)} places map them")
        smmu.copy_registers(SPARE)
        registers = smmu.swap(places[0], SPARE)
        self.stays()
        self.expect("nothing_written", registers == smmu.swap(places[0], SPARE))
        self.arrives("untouched")
        self.step("interrupts on")
        self.works("untouched")

    def run_dead(self):
        """The same, of what Xen will write to that register."""
        smmu, memory = self.machine_now, self.machine_now.memory
        places = memory.find(smmu.ask("readq", machine.SMMU + CMDQ_BASE))
        self.expect("queue_found", len(places) == 1, f"{len(places)} places hold its address")
        self.step("interrupts off")
        self.step("suspended")
        smmu.lose_registers()
        for place in places:
            memory.set_word(place, NOWHERE)
        self.press()
        # It reboots in five seconds.
        end = self.wait(f"({PANIC}\n.*failed to resume|IOMMU test: resumed)")
        self.expect("resume_is_fatal", end[1].startswith(PANIC), "Xen goes on")
        self.expect("dead_mapped_blocked", not smmu.arrives(self.mapped))
        self.blocked("dead")

    def run_refused(self):
        """A driver without hooks."""
        self.step("interrupts off")
        result = self.step("suspended")
        self.expect("suspend_refused", result == -95, f"iommu_suspend() returned {result}")
        self.arrives("refused")
        self.step("interrupts on")
        self.works("refused")

    # ---- its end

    expectation = "Xen calls what is not there, as expected"

    def failed_as_expected(self, verdict):
        """Return whether Xen panicked."""
        return verdict == "fail" and PANIC in self.text

    def end(self):
        """Write the result."""
        fault = self.fault or ("" if self.finished else "its case did not come to its end")
        self.write_result("fail" if fault else "pass", fault, self.tests)
