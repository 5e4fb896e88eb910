# SPDX-License-Identifier: GPL-2.0
"""Guests that run the kselftests on virtio-blk devices."""

import collections
import json
import os
import re

import guest
from blk import matrix, mkdisk
from console import Log, judge, read_log

SETS = matrix.SETS
AXES = matrix.AXES
GROUPS = (*matrix.GROUPS, "soak")
guests = matrix.guests
cells = matrix.cells

CYCLES = 20
S3_CYCLES = 100  # of S3, in the set that has everything
FEWER = 4  # times fewer cycles where a cycle takes its time
SLEEPERS = 4  # guests in the place of one, if they sleep in real time,
SLOW_SLEEPERS = 2  # if each cycle takes its time as well,
S3_SLEEPERS = 8  # and if they wait for an alarm without power
LONG_SLEEP = 4  # seconds, where it takes some to fall asleep in real time, as with MSI-X,
LONGER_SLEEP = 8  # and with many devices
AGAIN = 4  # times that, on a host that is too busy
# The places of PCI are few: an IOMMU is in that of the first device.
FIRST_PLACE, BESIDE_IT = (f"addr=1.{function},multifunction=on" for function in (0, 1))
# An IOMMU: QEMU's device or what the machine has, the type of domain that the kernel uses
# with it, what makes the kernel do so, and what it says if the IOMMU does not answer
Iommu = collections.namedtuple("Iommu", "device machine domain parameters silent")
IOMMUS = {
    "-": Iommu(None, None, None, {}, None),
    "viommu": Iommu("virtio-iommu-pci", None, "DMA", {}, "all further requests fail"),
    # The disk would work in no domain, too, if it were not blocked then.
    "viommu-same": Iommu("virtio-iommu-pci,boot-bypass=off", None, "identity",
                         {"iommu.passthrough": 1}, "all further requests fail"),
    "smmu": Iommu(None, "iommu=smmuv3", "DMA", {}, "CMD_SYNC timeout")}
# A device whose DMA anybody can start: qemu/blk/power
EDU = "edu,dma_mask=0xffffffffffff"
RNG_PLACE = 30  # of an entropy device: its virtio-mmio bus
SWAP_PLACE = 31  # of a disk: its virtio-mmio bus

# A guest under -icount counts instructions instead of seconds: idle time costs
# nothing, and times measured in the guest compare across runs and machines.
MODES = {"icount": ["-icount", "shift=0,sleep=off"], "smp": ["-accel", "tcg,thread=multi"]}
# Root ports change the map of memory as they resume. QEMU 10.0 then may take a register access
# of another CPU's thread elsewhere (https://gitlab.com/qemu-project/qemu/-/issues/3040): what
# the driver has written, such as a notification, is lost, or QEMU ends (guest.RACE).
BY_TURNS = ["-accel", "tcg,thread=single"]
CPUS = {"icount": 1, "smp": 2}

# Which test has to fail without virtio-pci in the noirq phase, and the end of the first
# thing that it says: on the main series the system refuses to sleep; on v7.3 requests of
# the consumer time out, or the driver is not called where the device keeps its state.
REFUSES = 'write_file("/sys/power/state", env->state) (-95)'
FAILS = {
    "virtio_noirq_consumer": ("consumer", 'write_file("/sys/power/state", env->state) (-110)'),
    "virtio_noirq_soak": ("nothing_lost_nothing_grown", 'sum_of(env, "freezes") (0)')}

# How a guest has to end whose IOMMU does not survive a sleep: it hangs in the first test, or
# is told why nothing works, and a test fails.
LOST = {"hang": "timeout", "error": "fail"}
HANG = 60  # seconds until it hangs, whatever it says; others take 2 for the test

# The machine that the system comes back in from hibernation, by the case: what the kernel
# says of it; a property of its disks; what machine it is; a property of its IOMMU
Other = collections.namedtuple("Other", "message disk machine iommu", defaults=("", "", ""))
OTHERS = {
    "other-features": Other("virtio: device no longer offers features", disk="event_idx=off"),
    "other-queue": Other("but the device now takes 64", disk="queue-size=64"),
    "other-vectors": Other("reset_vqs failed: -16", disk="vectors=1"),
    # Its SMMU has no stage 2.
    "other-smmu": Other("DMA is blocked", machine="virt-9.1"),
    # Its pages are larger than those that are mapped.
    "other-viommu": Other("DMA is blocked", iommu="granule=64k")}

# What a virtio-iommu was told of the disk, the first device of its bus, in the case unplug:
# to attach it at boot, in the cycle before, when it is back and in the cycle after; and to
# detach it in these cycles, and when it goes
UNPLUG_TRACE = {"virtio_iommu_attach": 4, "virtio_iommu_detach": 3}

# What disk0 is besides
TREES = {
    "wakeup": "/ { virtio_mmio@ADDRESS { wakeup-source; }; };",
    "domain": """/ {
        domain: domain {
            compatible = "virtio-noirq,domain";
            reg = <0x0 0xADDRESS 0x0 0x200>;
            #power-domain-cells = <0>;
        };
        virtio_mmio@ADDRESS { power-domains = <&domain>; };
    };""",
    "cmdline": '/ { virtio_mmio@ADDRESS { compatible = "virtio-noirq,cmdline"; }; };'}
# And as a device of the command line, with an interrupt that the kernel does not give itself
CMDLINE = {"virtio_mmio.device": f"0x200@0x{guest.address(0)}:200"}

# QEMU says so when the machine has gone to S3.
SUSPENDED = '"event": "SUSPEND"'

# What the test module asks of the host, on the console: so many sectors.
RESIZE_LINE = re.compile(rb"\bhost: resize (\d+)\r?$", re.MULTILINE)


class Guest(guest.Guest):
    """One cell of the matrix, on one kernel."""

    root = "blk"
    heard = 0   # bytes of the console

    def __init__(self, cell, settings):
        self.other = OTHERS.get(cell.case)
        if cell.case == "hibernate" or self.other:
            self.swap = SWAP_PLACE
        super().__init__(cell, settings)

    @classmethod
    def prepare_all(cls, settings, cells):
        """Write one image for each device that a guest can have."""
        for number in range(max(cell.devices for cell in cells)):
            mkdisk.write_disk(os.path.join(settings.out, f"disk{number}.img"), number)

    def own_cycles(self):
        """Return the sleep cycles on each path."""
        return S3_CYCLES if self.in_s3 and self.settings.set == "full" else CYCLES

    def cycles_of(self, wanted):
        """Return fewer where a cycle takes its time."""
        slow = self.cell.mode == "smp" or self.kernel.is_slow
        return max(1, wanted // FEWER) if slow else wanted

    @property
    def timeout(self):
        """Seconds that the guest may take, where only the clock can be looked at.

        A cycle sleeps for at most 2 s, on two paths; the rest is reserve, for
        many devices and a kernel with all its checks.
        """
        return 300 + 12 * (self.settings.cycles or max(CYCLES, self.own_cycles()))

    @property
    def silence(self):
        """How many seconds without a line on the console count as a hang."""
        return HANG if self.hangs and not self.settings.timeout else super().silence

    @property
    def share(self):
        """Return how much of a job the guest is: it may sleep in real time."""
        if self.in_s3:
            return 1 / S3_SLEEPERS
        if self.cell.mode != "smp":
            return 1
        return 1 / SLOW_SLEEPERS if self.kernel.is_slow else 1 / SLEEPERS

    @property
    def in_s3(self):
        """Whether its sleep is S3: in real time, the machine without power."""
        return self.kernel.machine["sleep"] == "mem"

    def programs(self):
        """Return the names of all programs that run in the guest."""
        return self.tests() + (["kernel_checks"] if self.checks else [])

    @property
    def checks(self):
        """What init looks at in the end."""
        own = {"cmdline": ["cmdline"], "domain": ["domain"], "other-smmu": ["lost", "blocked"],
               "other-viommu": ["blocked"]}.get(self.cell.case)
        return (own or ["power"] * self.cell.needs_edu) + self.kernel.checks

    def tests(self):
        """Return the selftests that run: one is enough to show what does not work."""
        return self.cell.programs if self.settings.expect == "pass" else self.cell.programs[:1]

    @property
    def needs_host(self):
        """Why it is nothing without a program on the host."""
        return "boots twice" if self.swap is not None else ""

    @property
    def skips(self):
        """Why some of its tests are skipped if there is none."""
        return "nobody resizes the disk" if self.cell.case == "config" else ""

    @property
    def fails(self):
        """The name of the test that has to fail, and how it says so."""
        test, reason = FAILS[self.tests()[0]]
        return test, reason if self.kernel.stack else REFUSES

    @property
    def lost(self):
        """How a guest has to fail whose IOMMU does not survive a sleep, if so."""
        return self.settings.expect if self.settings.expect in LOST else None

    @property
    def hangs(self):
        """Whether it has to hang."""
        return self.lost == "hang"

    @property
    def over(self):
        """Whether nothing is left to see: each request takes its time to fail, and none works."""
        return self.lost == "error" and any(test["result"] == "fail" for test in self.log().tests)

    @property
    def expectation(self):
        """What happens if a guest is to fail."""
        if self.lost:
            return f"{self.lost} in the first sleep, as expected"
        return "{} fails, as expected: {}".format(*self.fails)

    def failed_as_expected(self, verdict):
        """Return whether this test failed first, and so."""
        if self.lost:
            with open(self.path("console.log"), encoding="utf-8", errors="replace") as console:
                seen = ("#  RUN " if self.hangs else self.iommu.silent) in console.read()
            return seen and verdict == LOST[self.lost]
        test, reason = self.fails
        log = self.log()
        failed = [found["name"].split(".")[-1] for found in log.tests if found["result"] == "fail"]
        return verdict == "fail" and failed[:1] == [test] and log.complaint.endswith(reason)

    @property
    def iommu(self):
        """The IOMMU that the devices are behind."""
        return IOMMUS[matrix.BUSES[self.cell.bus].iommu]

    @property
    def machine_type(self):
        """QEMU's machine, with its options."""
        if not self.now.machine:
            return super().machine_type
        return self.now.machine + self.machine_options

    @property
    def machine_options(self):
        """What the machine has besides: the IOMMU, if it is a part of it."""
        return "," + self.iommu.machine if self.iommu.machine else ""

    def environment(self):
        """Return what init and the tests find in their environment."""
        cell = self.cell
        real_slow = self.tries > 1 or self.in_s3 or \
            cell.mode == "smp" and (self.kernel.is_slow or cell.on_pci)
        sleep = LONG_SLEEP if cell.devices == 1 else LONGER_SLEEP
        sleep *= AGAIN if self.tries > 1 else 1
        swaps = self.swap is not None
        found = {
            "PROGRAMS": ",".join(self.tests()), "VARIANT": cell.variant,
            "CYCLES": self.cycles, "DEVICES": cell.devices,
            "CPUS": CPUS[cell.mode], "PAGE_SIZE": self.kernel.page_size,
            "IOMMU": 1 if cell.translated else "",
            "DOMAIN": self.iommu.domain or "",
            "SLEEP_SEC": sleep if real_slow else "",
            "STATE": self.kernel.machine["sleep"],
            "UNFIT": "" if self.settings.expect == "pass" else 1,
            "HOST": 1 if self.settings.host else "",  # answers what tests ask for on the console
            "CHECKS": ",".join(self.checks), "WINDOW": 1 if self.kernel.checks else "",
            "SWAP": guest.address(SWAP_PLACE) + ".virtio_mmio" if swaps else "",
            "RESUME": 1 if self.boots else "",
            "REPLACED": f'"{self.other.message}"' if self.other else "",
            "BLOCKED": 1 if self.other and not self.other.disk else ""}
        return {**{"VIRTIO_NOIRQ_" + name: value for name, value in found.items()},
                **self.iommu.parameters,
                **(CMDLINE if cell.case == "cmdline" else {}),
                # Commands for what is unmapped come at once, not by a timer
                **({"iommu.strict": 1} if cell.needs_edu else {})}

    def machine(self):
        """Return QEMU's arguments for the machine."""
        by_turns = self.cell.mode == "smp" and self.cell.behind_port
        return [*(BY_TURNS if by_turns else MODES[self.cell.mode]),
                "-smp", str(CPUS[self.cell.mode]),
                "-rtc", f"clock={self.kernel.machine['clock']},base=2026-01-01"]

    @property
    def root_bus(self):
        """The root bus of PCI."""
        return self.kernel.machine["bus"]

    def devices(self):
        """Return QEMU's arguments for the devices and the console."""
        return ["-qmp", "stdio", "-chardev", "file,id=console,append=on,path="
                f"{self.path('console.log')}", "-serial", "chardev:console", "-global",
                "virtio-mmio.force-legacy=" + self.cell.force_legacy,
                *(word for name in self.trace for word in ("-trace", name)), *self.disks()]

    @property
    def trace(self):
        """What QEMU tells of the IOMMU, and how often it has to."""
        return UNPLUG_TRACE if self.cell.case == "unplug" and self.iommu.device else {}

    @property
    def now(self):
        """What is other in the machine that is to boot."""
        return self.other if self.other and self.boots else Other("")

    def attach(self, kind, place, *properties):
        """Return QEMU's arguments for a device in a place of the bus."""
        device, bus, port = f"virtio-{kind}-device", f"virtio-mmio-bus.{place}", []
        where = [FIRST_PLACE] if self.iommu.device and not place else []
        if self.cell.on_pci:
            device, bus = f"virtio-{kind}-pci", self.root_bus
        if self.cell.behind_port:
            bus = f"port{place}"
            port = ["-device", ",".join((f"pcie-root-port,id={bus},bus={self.root_bus}",
                                         f"chassis={place + 1}", *where))]
            where = []
        return [*port, "-device", ",".join((device, f"bus={bus}", *where, *properties))]

    def iommu_device(self):
        """Return QEMU's arguments for the IOMMU, if it is a device."""
        device = [self.iommu.device, f"bus={self.root_bus}", BESIDE_IT, self.now.iommu]
        return ["-device", ",".join(filter(None, device))] if self.iommu.device else []

    def disks(self):
        """Return QEMU's arguments for the devices under test."""
        args = self.iommu_device()
        others = [self.now.disk] if self.now.disk else []
        for place in range(self.cell.devices):
            image = os.path.join(self.settings.out, f"disk{place}.img")
            # A snapshot can be resized; nobody writes to the image.
            args += guest.drive(f"disk{place}", image + ",snapshot=on")
            args += self.attach("blk", place, f"drive=disk{place}", *self.cell.properties, *others)
        if self.cell.needs_edu:
            args += ["-device", f"{EDU},bus={self.root_bus}"]
        if self.cell.case == "example":
            args += self.attach("rng", RNG_PLACE)
        return args

    def device_tree(self):
        """Return a tree with disk0 as the case wants it."""
        if self.cell.on_pci:
            return ""
        return TREES.get(self.cell.case, "").replace("ADDRESS", guest.address(0))

    def try_again(self):
        """Leave what it did aside; return one line about it."""
        self.heard = 0
        return super().try_again()

    def boot(self, **options):
        """Start QEMU, the first time or again."""
        super().boot(**options)
        self.qmp("qmp_capabilities")

    def qmp(self, command, **arguments):
        """Send QEMU a command; its answer goes to qemu.log."""
        line = json.dumps({"execute": command, "arguments": arguments}) + "\n"
        try:
            self.process.stdin.write(line.encode())
        except BrokenPipeError:
            pass  # QEMU ended, and the result will say so

    def listen(self):
        """Do what the guest asked for since the last look; return whether it said anything."""
        try:
            with open(self.path("console.log"), "rb") as console:
                console.seek(self.heard)
                text = console.read()
        except FileNotFoundError:
            return False
        text = text[:text.rfind(b"\n") + 1]
        self.heard += len(text)
        for sectors in RESIZE_LINE.findall(text):
            self.qmp("block_resize", device="disk0", size=int(sectors) * mkdisk.SECTOR_SIZE)
        return bool(text)

    def log(self):
        """Return what the console says so far."""
        return read_log(self.path("console.log"))

    def sleep_fault(self, log):
        """Return what is wrong if the guest slept otherwise than QEMU saw, or ""."""
        with open(self.path("qemu.log"), encoding="utf-8", errors="replace") as file:
            seen = file.read().count(SUSPENDED)
        wanted = log.slept if self.in_s3 else 0
        return "" if seen == wanted else f"{seen} sleeps in S3 by QEMU's count, not {wanted}"

    def iommu_fault(self):
        """Return what is wrong if the IOMMU was told otherwise of the disk, or ""."""
        with open(self.path("qemu.log"), encoding="utf-8", errors="replace") as file:
            log = file.read()
        disk = 0x100 if self.cell.behind_port else 8
        seen = {name: len(re.findall(rf"^{name} .*\bendpoint={disk}$", log, re.MULTILINE))
                for name in self.trace}
        return "" if seen == self.trace else f"the IOMMU was told {seen} of the disk"

    def progress(self):
        """Return "packed (virtio_noirq_test, test 2 of 7)"."""
        return f"{self.cell.name} ({self.log().progress()})"

    def cycles_done(self):
        """Return how many of the cycles were seen, of a soak."""
        if self.result["verdict"] != "not run":
            return self.cycles
        return (self.log().cycle or (0,))[0] if self.boots else 0

    def ended(self):
        """Write the result if the guest ended or took too long."""
        spoke = self.listen()
        status = self.process.poll()
        over = self.over
        if status is None and not over and not self.patience.exhausted(
                self.process.pid, spoke and not self.hangs):
            return False
        self.stop()
        log = self.log()
        if status == 0 and log.hibernated and not log.panic and \
                self.boots == 1 and log.status is None:
            self.boot()
            return False
        if over:
            verdict = "fail", log.complaint
        elif status is None:
            verdict = "timeout", f"no progress for {self.silence} s, in {self.progress()}"
        else:
            verdict = judge(log, self.programs(), self.cell.variant, self.cycles, status)
            if verdict[0] == "pass" and (fault := self.sleep_fault(log) or self.iommu_fault()):
                verdict = "fail", fault
        self.write_result(*verdict)
        return True

    def write_result(self, verdict, reason, tests=(), **more):
        """Write the result, with what the console says."""
        log = self.log() if self.boots else Log()
        super().write_result(verdict, reason, log.tests, mode=self.cell.mode,
                             figures=log.figures, bench=log.bench)
