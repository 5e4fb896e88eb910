# SPDX-License-Identifier: GPL-2.0
"""One guest: its QEMU, its folder and its result. Each kind of guest has a class
of its own on top of this one, in its folder's kind.py.
"""

import ctypes
import dataclasses
import functools
import glob
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

from patience import STARVED, Patience
from tables import machines

HERE = os.path.dirname(os.path.abspath(__file__))
PR_SET_PDEATHSIG = 1  # of prctl(2)
SILENCE = 300  # seconds without a line on the console that count as a hang
SWAP_SIZE = 1 << 30  # bytes, of a sparse file
# How QEMU 10.0 ends if one CPU changes the map of memory while another one looks there
RACE = "iotlb_to_section: Assertion"

# What init asks a kernel in the end, by the option that the kernel was built
# with.
CHECKS = {
    "CONFIG_PROVE_LOCKING": "lockdep", "CONFIG_DMA_API_DEBUG": "dma_api",
    "CONFIG_DEBUG_KMEMLEAK": "kmemleak", "CONFIG_KCSAN": "kcsan"}
BIG = ("CONFIG_KASAN", "CONFIG_ARM64_64K_PAGES")  # they take memory
SLOW = ("CONFIG_KASAN", "CONFIG_KCSAN")


def die_with_parent():
    """Make the kernel end this child if its parent is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def address(place):
    """Return the name of the platform device of a virtio-mmio bus."""
    return f"{0xa000000 + 0x200 * place:x}"


def drive(name, image):
    """Return QEMU's arguments for what is behind a disk."""
    return ["-drive", f"if=none,id={name},format=raw,file={image}"]


def mmio_disk(name, place, image, *properties):
    """Return QEMU's arguments for a disk on a virtio-mmio bus."""
    return [*drive(name, image), "-device", ",".join((
        "virtio-blk-device", f"drive={name}", f"bus=virtio-mmio-bus.{place}", *properties))]


@functools.cache
def digest(path):
    """Return the hash of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Kernel:
    """A kernel folder, as scripts/build leaves it, and the machine for it.

    machine has what configs/machines says of that.
    """

    def __init__(self, folder):
        self.folder = folder
        self.image = os.path.join(folder, "image")
        self.config = os.path.join(folder, "config")
        with open(self.config, encoding="utf-8") as file:
            self.options = {line.partition("=")[0] for line in file if line.rstrip().endswith("=y")}
        self.arch = next(name for name in machines() if f"CONFIG_{name.upper()}" in self.options)
        self.machine = machines()[self.arch]

    @property
    def emulator(self):
        """QEMU's program; QEMU= is one for arm64."""
        own = os.environ.get("QEMU") if self.arch == "arm64" else ""
        return own or self.machine["emulator"]

    @property
    def stack(self):
        """The patches, if they are not the usual ones, "scmi-2" say."""
        return os.path.basename(self.folder).partition("@")[2]

    @property
    def page_size(self):
        """Bytes in a page."""
        return next((kib for kib in (16, 64)
                     if f"CONFIG_ARM64_{kib}K_PAGES" in self.options), 4) << 10

    @property
    def checks(self):
        """The names of its debug checks."""
        return [name for option, name in CHECKS.items() if option in self.options]

    @property
    def cpu(self):
        """A CPU that has pages of this size: the A57 has none of 16 KiB."""
        return "neoverse-n1" if self.page_size == 16 << 10 else self.machine["cpu"]

    @property
    def is_big(self):
        """Whether a guest with it needs more memory."""
        return bool(self.options.intersection(BIG))

    @property
    def is_slow(self):
        """Whether a guest with it keeps a processor busy."""
        return bool(self.options.intersection(SLOW))


@dataclasses.dataclass
class Settings:
    """What all guests of a run have in common."""
    kind: str
    kernel: Kernel
    busybox: str
    out: str            # the folder for the results
    set: str = ""       # that the cells are of, if any
    cycles: int = 0     # of each guest, if not its own
    jobs: int = 2
    keep: bool = False  # what passed before
    expect: str = "pass"
    timeout: int = 0    # seconds without a line, if not by kind
    mutant: int = 0     # that the kernel is to be, of scripts/mutants
    rootfs: str = ""
    qemu_version: str = ""
    host: bool = True   # is there, and does what guests ask for


class Guest:
    """One cell, on one kernel.

    A kind adds own_cycles() if nobody asked for a number, cycles_done(), progress()
    as text, environment() of init by name, machine() and devices() as QEMU's
    arguments, and ended(): whether it did, or took too long, and has its result.
    """

    machine_options = ""
    least_memory = 256  # MiB
    loglevel = 5
    swap = None         # the virtio-mmio bus of the swap disk, if there is one
    reserved = ""       # memory that is not the guest's, as text for its device tree
    root = ""           # the kind whose init it has
    selftests = True    # are in its root
    expectation = "fails, as expected"
    needs_host = ""     # why it is nothing without a program on the host, besides QEMU
    skips = ""          # why some of its tests are skipped if there is none
    started = 0.0
    boots = 0
    tries = 1           # that it has had, or has now
    process = None
    patience = None

    def __init__(self, cell, settings):
        self.cell = cell
        self.settings = settings
        self.kernel = settings.kernel
        self.folder = os.path.join(settings.out, cell.name)
        self.cycles = self.cycles_of(settings.cycles or self.own_cycles())
        self.result = self.kept()
        if not self.result:
            self.write_result("not run", "not started yet")

    @classmethod
    def prepare_all(cls, settings, cells):
        """Make what the guests share, besides their root."""

    @classmethod
    def table(cls, guests):
        """Return the results of all guests as a table, if the kind has one."""

    # ---- what a kind says of its guests

    def cycles_of(self, wanted):
        """Return how many sleep cycles it makes of those that are wanted."""
        return wanted

    def device_tree(self):
        """Return what QEMU's own device tree lacks, as text."""
        return ""

    def programs_on_host(self):
        """Return the programs besides QEMU that it needs."""
        return []

    def failed_as_expected(self, verdict):
        """Return whether a guest that is to fail did so."""
        return verdict == "fail"

    @property
    def silence(self):
        """How many seconds without a line on the console count as a hang."""
        return self.settings.timeout or SILENCE

    @property
    def share(self):
        """Return how much of a job the guest is."""
        return 1

    @property
    def memory(self):
        """What the guest needs, in MiB."""
        return 1024 if self.kernel.is_big else self.least_memory

    # ---- its folder

    def path(self, name):
        """Return the path of a file in the result folder."""
        return os.path.join(self.folder, name)

    def write(self, name, text):
        """Write a file of the result folder."""
        os.makedirs(self.folder, exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def key(self):
        """Return what a result follows from."""
        settings = self.settings
        folders = {os.path.dirname(sys.modules[kind.__module__].__file__)
                   for kind in type(self).__mro__[:-1]} - {HERE}
        code = [path for folder in sorted(folders)
                for path in sorted(glob.glob(os.path.join(folder, "*"))) if os.path.isfile(path)]
        code += [os.path.join(HERE, name) for name in ("console.py", "guest.py", "patience.py")]
        return [repr(self.cell), self.cycles, settings.expect, settings.qemu_version,
                *map(digest, (
                    self.kernel.image, settings.rootfs, *code, *self.programs_on_host()))]

    def kept(self):
        """Return the good result that an earlier run left, or None."""
        if not self.settings.keep or \
                not os.path.exists(self.path("result.json")):
            return None
        with open(self.path("result.json"), encoding="utf-8") as file:
            result = json.load(file)
        good = result["verdict"] == "pass" and result.get("key") == self.key()
        return result if good else None

    def reproduce(self):
        """Return the command line that runs this guest alone."""
        settings = self.settings
        line = [os.path.join(HERE, "run.py"), "run", "--kind", settings.kind,
                "--kernel", self.kernel.folder, "--busybox", settings.busybox,
                "--out", settings.out, "--cells", self.cell.name]
        for name in ("set", "cycles", "expect", "timeout", "mutant"):
            value = getattr(settings, name)
            if value != getattr(Settings, name):
                line += ["--" + name, str(value)]
        own = os.environ.get("QEMU")
        return (f"QEMU={shlex.quote(own)} " if own else "") + shlex.join(line)

    # ---- QEMU

    @property
    def machine_type(self):
        """QEMU's machine, with its options."""
        return self.kernel.machine["machine"] + self.machine_options

    def command(self):
        """Return QEMU's command line."""
        settings = self.settings
        append = [
            "console=" + self.kernel.machine["console"], "panic=-1", "no_console_suspend",
            f"loglevel={self.loglevel}",
            *(f"{name}={value}" for name, value
              in self.environment().items() if value),
            *([f"virtio_mutant={settings.mutant}"] if settings.mutant else [])]
        tree = self.path("machine.dtb")
        return [
            self.kernel.emulator, "-machine", self.machine_type, *self.hardware(), *self.devices(),
            *(mmio_disk("swap", self.swap, self.path("swap.img"))
              if self.swap is not None else []),
            *(["-dtb", tree] if os.path.exists(tree) else []),
            "-kernel", self.kernel.image, "-initrd", settings.rootfs,
            "-append", " ".join(append)]

    def hardware(self):
        """Return QEMU's arguments for the machine without its devices."""
        return ["-cpu", self.kernel.cpu, "-m", str(self.memory), *self.machine(),
                "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]

    def make_device_tree(self, text):
        """Write QEMU's own device tree with the text at its end."""
        tree = self.path("machine.dtb")
        quiet = {"check": True, "timeout": 60, "stdin": subprocess.DEVNULL}
        subprocess.run([self.kernel.emulator, "-machine", f"{self.machine_type},dumpdtb={tree}",
                        *self.hardware()], **quiet,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        own = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", tree],
                             **quiet, stdout=subprocess.PIPE, text=True)
        self.write("machine.dts", own.stdout.replace("\n", f"\n{self.reserved}\n", 1) + text)
        subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", tree,
                        self.path("machine.dts")], **quiet)

    def start(self):
        """Prepare the folder and run the guest."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.write("reproduce", self.reproduce() + "\n")
        if self.swap is not None:
            self.write("swap.img", "")
            os.truncate(self.path("swap.img"), SWAP_SIZE)
        if text := self.device_tree():
            self.make_device_tree(text)
        self.started = time.monotonic()
        self.patience = Patience(self.silence)
        self.boots = 0
        self.begin()

    def begin(self):
        """Boot the guest for the first time."""
        self.boot()

    def boot(self, **options):
        """Start QEMU, the first time or again."""
        command = self.command()
        self.write("qemu.cmd" if not self.boots else "qemu-resume.cmd", shlex.join(command) + "\n")
        self.boots += 1
        with open(self.path("qemu.log"), "ab") as qemu_log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, **{"stdout": qemu_log, **options},
                stderr=qemu_log, bufsize=0, start_new_session=True, preexec_fn=die_with_parent,
                env={**os.environ, "TMPDIR": self.folder})

    def stop(self):
        """End the guest if it still runs."""
        self.end_qemu()

    def end_qemu(self):
        """End QEMU if it still runs."""
        if not self.process:
            return
        self.process.stdin.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    # ---- its result

    @property
    def starved(self):
        """Why it may be the host that made it fail, or ""."""
        if os.path.exists(self.path("qemu.log")):
            with open(self.path("qemu.log"), encoding="utf-8", errors="replace") as log:
                if RACE in log.read():
                    return f"was ended by a race in QEMU ({RACE})"
        if self.result["verdict"] == "pass" or self.settings.mutant \
                or self.patience.share < STARVED:
            return ""
        return f"waited {100 * self.patience.share:.0f} % of its time for a processor"

    def try_again(self):
        """Leave what it did aside; return one line about it."""
        aside = self.folder + ".starved"
        self.tries += 1
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(self.folder, aside)
        return (f"{self.cell.name}: {self.result['verdict']}, but it {self.starved}: it runs "
                f"again alone, in the end; see {aside}")

    def write_result(self, verdict, reason, tests=(), **figures):
        """Write result.json, and keep it; drop what is of no more use."""
        if self.settings.expect != "pass" and verdict != "not run":
            good = self.failed_as_expected(verdict)
            name = f"{self.kernel.stack or 'main series'}: {self.expectation}"
            tests = [{"name": name, "result": "pass" if good else "fail"}]
            reason = reason or "it passed"
            verdict = "pass" if good else "fail"
        wall = time.monotonic() - self.started if self.started else 0
        self.result = {
            "variant": self.cell.name, "verdict": verdict,
            "reason": reason, "cycles": self.cycles, "wall_s": round(wall, 1),
            "tries": self.tries,
            "kernel": self.kernel.folder, "qemu": self.settings.qemu_version,
            **figures, "tests": list(tests), "key": self.key()}
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
        again = ", run again alone" if result.get("tries", 1) > 1 else ""
        return (f"{self.cell.name}: pass, {len(result['tests'])} tests, "
                f"{self.cycles} cycles, {result['wall_s']:.0f} s{again}")


class Followed(Guest):
    """One that a thread follows, since something has to be done on the host meanwhile.

    A kind adds live(), which is the thread, and end(), which writes the result.
    """

    thread = None
    stopping = False

    def begin(self):
        """Follow the guest in a thread: it waits for answers, and not long."""
        self.thread = threading.Thread(target=self.live, daemon=True)
        self.thread.start()

    def stop(self):
        """End the guest if it still runs."""
        self.stopping = True
        while self.thread and self.thread.is_alive():
            if self.process:
                self.process.kill()
            self.thread.join(0.1)

    def ended(self):
        """Write the result if the guest ended."""
        if self.thread.is_alive():
            return False
        self.end()
        return True
