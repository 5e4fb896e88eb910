# SPDX-License-Identifier: GPL-2.0
"""One guest: its QEMU, what it asks of the host, its folder and result."""

import ctypes
import functools
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time

from console import Log, judge, read_log

HERE = os.path.dirname(os.path.abspath(__file__))
QEMU = os.environ.get("QEMU") or "qemu-system-aarch64"
CPU = "cortex-a57"
PR_SET_PDEATHSIG = 1  # of prctl(2)
FEWER = 4  # times fewer cycles where a cycle takes its time
SLEEPERS = 4  # guests in the place of one, if they sleep in real time,
SLOW_SLEEPERS = 2  # and if each cycle takes its time as well
LONG_SLEEP = 4  # seconds, where it takes some to fall asleep in real time,
LONGER_SLEEP = 8  # and with many devices
SWAP_SIZE = 1 << 30  # bytes, of a sparse file
RNG_PLACE = 30  # of an entropy device: its virtio-mmio bus
SWAP_PLACE = 31  # of a disk: its virtio-mmio bus

# A guest under -icount counts instructions instead of seconds: idle time costs
# nothing, and times measured in the guest compare across runs and machines.
MODES = {
    "icount": ["-icount", "shift=0,sleep=off"],
    "smp": ["-accel", "tcg,thread=multi"],
}
CPUS = {"icount": 1, "smp": 2}

# What init asks a kernel in the end, by the option that the kernel was built
# with.
CHECKS = {
    "CONFIG_PROVE_LOCKING": "lockdep",
    "CONFIG_DMA_API_DEBUG": "dma_api",
    "CONFIG_DEBUG_KMEMLEAK": "kmemleak",
    "CONFIG_KCSAN": "kcsan",
}
BIG = ("CONFIG_KASAN", "CONFIG_ARM64_64K_PAGES")  # they take memory
SLOW = ("CONFIG_KASAN", "CONFIG_KCSAN")

# What the test module asks of the host, on the console: so many sectors.
RESIZE_LINE = re.compile(rb"\bhost: resize (\d+)\r?$", re.MULTILINE)
SECTOR_SIZE = 512  # bytes


def die_with_parent():
    """Make the kernel end this child if its parent is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def address(place):
    """Return the name of the platform device of a virtio-mmio bus."""
    return f"{0xa000000 + 0x200 * place:x}"


@functools.cache
def digest(path):
    """Return the hash of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Kernel:
    """A kernel image, and what its configuration says."""

    def __init__(self, image):
        self.image = image
        self.config = os.path.join(os.path.dirname(image), ".config")
        with open(self.config, encoding="utf-8") as file:
            self.options = {line.partition("=")[0] for line in file
                            if line.rstrip().endswith("=y")}

    @property
    def page_size(self):
        """Bytes in a page."""
        return next(kib for kib in (4, 16, 64)
                    if f"CONFIG_ARM64_{kib}K_PAGES" in self.options) << 10

    @property
    def checks(self):
        """The names of its debug checks."""
        return [name for option, name in CHECKS.items()
                if option in self.options]

    @property
    def cpu(self):
        """A CPU that has pages of this size: the A57 has none of 16 KiB."""
        return "neoverse-n1" if self.page_size == 16 << 10 else CPU

    @property
    def memory(self):
        """What the guest needs, in MiB."""
        return "1024" if self.options.intersection(BIG) else "256"

    @property
    def is_slow(self):
        """Return whether a guest with it keeps a processor busy."""
        return bool(self.options.intersection(SLOW))


class Guest:
    """One cell of the matrix, on one kernel."""

    machine_type = "virt"

    def __init__(self, cell, kernel, args):
        self.cell = cell
        self.kernel = kernel
        self.args = args
        self.cycles = args.cycles
        if cell.mode == "smp" or kernel.is_slow:
            self.cycles = max(1, args.cycles // FEWER)
        self.folder = os.path.join(args.out, cell.name)
        self.process = None
        self.boots = 0
        self.heard = 0  # bytes of the console
        self.started = 0.0
        self.result = self.kept()
        if not self.result:
            self.write_result(Log(), "not run", "not started yet")

    def path(self, name):
        """Return the path of a file in the result folder."""
        return os.path.join(self.folder, name)

    def key(self):
        """Return what a result follows from."""
        return [digest(self.args.rootfs), digest(self.kernel.image),
                self.cycles, self.args.qemu_version, self.args.append]

    def kept(self):
        """Return the good result that an earlier run left, or None."""
        if not self.args.keep or not os.path.exists(self.path("result.json")):
            return None
        with open(self.path("result.json"), encoding="utf-8") as file:
            result = json.load(file)
        good = result["verdict"] == "pass" and result.get("key") == self.key()
        return result if good else None

    @property
    def share(self):
        """Return how much of a job the guest is: it may sleep in real time."""
        if self.cell.mode != "smp":
            return 1
        return 1 / SLOW_SLEEPERS if self.kernel.is_slow else 1 / SLEEPERS

    def programs(self):
        """Return the names of all programs that run in the guest."""
        checks = ["kernel_checks"] if self.kernel.checks else []
        return self.cell.programs + checks

    def environment(self):
        """Return what init and the tests find in their environment."""
        cell = self.cell
        real_slow = cell.mode == "smp" and self.kernel.is_slow
        sleep = LONG_SLEEP if cell.devices == 1 else LONGER_SLEEP
        swap = address(SWAP_PLACE) + ".virtio_mmio" if self.swaps() else ""
        found = {
            "PROGRAMS": ",".join(cell.programs), "VARIANT": cell.variant,
            "CYCLES": self.cycles, "DEVICES": cell.devices,
            "CPUS": CPUS[cell.mode], "PAGE_SIZE": self.kernel.page_size,
            "IOMMU": 1 if cell.iommu else "",
            "SLEEP_SEC": sleep if real_slow else "",
            "HOST": 1,  # answers what the tests ask for on the console
            "CHECKS": ",".join(self.kernel.checks),
            "WINDOW": 1 if self.kernel.checks else "",
            "SWAP": swap,
            "RESUME": 1 if self.boots else "",
        }
        return [f"VIRTIO_NOIRQ_{name}={value}"
                for name, value in found.items() if value]

    def swaps(self):
        """Return whether the guest has a swap disk."""
        return self.cell.case == "hibernate"

    def disks(self):
        """Return QEMU's arguments for the disks."""
        args = []
        for place in range(self.cell.devices):
            image = os.path.join(self.args.out, f"disk{place}.img")
            # A snapshot can be resized; nobody writes to the image.
            args += disk(f"disk{place}", place, image + ",snapshot=on",
                         self.cell.properties)
        if self.cell.case == "example":
            args += ["-device",
                     f"virtio-rng-device,bus=virtio-mmio-bus.{RNG_PLACE}"]
        if self.swaps():
            args += disk("swap", SWAP_PLACE, self.path("swap.img"), ())
        return args

    def machine(self):
        """Return QEMU's arguments for the machine and its devices."""
        return [
            "-cpu", self.args.cpu or self.kernel.cpu,
            "-m", self.kernel.memory,
            *MODES[self.cell.mode], "-smp", str(CPUS[self.cell.mode]),
            "-rtc", "clock=vm,base=2026-01-01",
            "-display", "none", "-monitor", "none", "-nic", "none",
            "-no-reboot", "-qmp", "stdio",
            "-chardev", f"file,id=console,append=on,path="
                        f"{self.path('console.log')}",
            "-serial", "chardev:console", "-global",
            "virtio-mmio.force-legacy=" + self.cell.force_legacy,
            *self.disks()]

    def command(self):
        """Return QEMU's command line."""
        args = self.args
        append = [
            "console=ttyAMA0", "panic=-1", "no_console_suspend",
            f"loglevel={8 if args.verbose_guest else 5}",
            *self.environment(), args.append]
        tree = self.path("machine.dtb")
        return [
            QEMU, "-machine", self.machine_type, *self.machine(),
            *(["-dtb", tree] if os.path.exists(tree) else []),
            "-kernel", self.kernel.image, "-initrd", args.rootfs,
            "-append", " ".join(append).strip()]

    def make_device_tree(self):
        """Write QEMU's own device tree, with disk0 as a wakeup source."""
        tree = self.path("machine.dtb")
        subprocess.run([QEMU, "-machine", "virt,dumpdtb=" + tree,
                        *self.machine()], check=True, timeout=60,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        subprocess.run(["fdtput", tree, "/virtio_mmio@" + address(0),
                        "wakeup-source"], check=True, timeout=60)

    def reproduce(self):
        """Return the command line that runs this guest alone."""
        args = self.args
        line = [os.path.join(HERE, "vmtest.py"), "--kernel",
                self.kernel.image, "--rootfs", args.rootfs, "--out", args.out,
                "--cells", self.cell.name, "--cycles", str(args.cycles)]
        if args.cpu:
            line += ["--cpu", args.cpu]
        if args.append:
            line += ["--append", args.append]
        prefix = f"QEMU={shlex.quote(QEMU)} " if "QEMU" in os.environ else ""
        return prefix + shlex.join(line)

    def start(self):
        """Prepare the folder and boot the guest."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.write("reproduce", self.reproduce() + "\n")
        if self.swaps():
            self.write("swap.img", "")
            os.truncate(self.path("swap.img"), SWAP_SIZE)
        if self.cell.case == "wakeup":
            self.make_device_tree()
        self.started = time.monotonic()
        self.boot()

    def boot(self):
        """Start QEMU, the first time or again."""
        command = self.command()
        self.write("qemu.cmd" if not self.boots else "qemu-resume.cmd",
                   shlex.join(command) + "\n")
        self.boots += 1
        with open(self.path("qemu.log"), "ab") as qemu_log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=qemu_log,
                stderr=qemu_log, bufsize=0, start_new_session=True,
                preexec_fn=die_with_parent,
                env={**os.environ, "TMPDIR": self.folder})
        self.qmp("qmp_capabilities")

    def qmp(self, command, **arguments):
        """Send QEMU a command; its answer goes to qemu.log."""
        line = json.dumps({"execute": command, "arguments": arguments}) + "\n"
        try:
            self.process.stdin.write(line.encode())
        except BrokenPipeError:
            pass  # QEMU ended, and the result will say so

    def listen(self):
        """Do what the guest asked for since the last look."""
        try:
            with open(self.path("console.log"), "rb") as console:
                console.seek(self.heard)
                text = console.read()
        except FileNotFoundError:
            return
        text = text[:text.rfind(b"\n") + 1]
        self.heard += len(text)
        for sectors in RESIZE_LINE.findall(text):
            self.qmp("block_resize", device="disk0",
                     size=int(sectors) * SECTOR_SIZE)

    def stop(self):
        """End QEMU if it still runs."""
        self.process.stdin.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log(self):
        """Return what the console says so far."""
        return read_log(self.path("console.log"))

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
        self.listen()
        status = self.process.poll()
        elapsed = time.monotonic() - self.started
        if status is None and elapsed < self.args.timeout:
            return False
        self.stop()
        log = self.log()
        if status == 0 and log.hibernated and not log.panic and \
                self.boots == 1 and log.status is None:
            self.boot()
            return False
        if status is None:
            verdict = "timeout", (f"no end after {self.args.timeout} s, in "
                                  + self.progress())
        else:
            verdict = judge(log, self.programs(), self.cell.variant,
                            self.cycles, status)
        self.write_result(log, *verdict)
        return True

    def write(self, name, text):
        """Write a file of the result folder."""
        os.makedirs(self.folder, exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def write_result(self, log, verdict, reason):
        """Write result.json, and keep it; drop what is of no more use."""
        wall = time.monotonic() - self.started if self.started else 0
        self.result = {
            "variant": self.cell.name, "verdict": verdict,
            "reason": reason, "cycles": self.cycles,
            "mode": self.cell.mode, "wall_s": round(wall, 1),
            "kernel": self.kernel.image, "qemu": self.args.qemu_version,
            "figures": log.figures, "bench": log.bench,
            "tests": log.tests, "key": self.key(),
        }
        self.write("result.json", json.dumps(self.result, indent=2) + "\n")
        if os.path.exists(self.path("swap.img")):
            os.unlink(self.path("swap.img"))
        if verdict not in ("pass", "not run"):
            shutil.copyfile(self.kernel.config, self.path("config"))

    def summary(self):
        """Return one line about the result."""
        result = self.result
        if result["verdict"] != "pass":
            return (f"{self.cell.name}: {result['verdict'].upper()}: "
                    f"{result['reason']}; see {self.folder}")
        return (f"{self.cell.name}: pass, {len(result['tests'])} tests, "
                f"{self.cycles} cycles, {result['wall_s']:.0f} s")


def disk(name, place, image, properties):
    """Return QEMU's arguments for a disk on a virtio-mmio bus."""
    device = ("virtio-blk-device", f"drive={name}",
              f"bus=virtio-mmio-bus.{place}", *properties)
    return ["-drive", f"if=none,id={name},format=raw,file={image}",
            "-device", ",".join(device)]
