#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boot each device variant in QEMU and run the kselftests in the guest.

For each variant, DIR/<variant>/ gets console.log (KTAP), qemu.log (QEMU's own
messages), qemu.cmd (the command line), result.json, and reproduce (one line
that runs this variant again). The exit status is 0 only if every variant asked
for ran all its tests and passed them: a skip is a failure here.
"""

import argparse
import ctypes
import dataclasses
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # keep the folder clean
import mkdisk  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
QEMU = os.environ.get("QEMU") or "qemu-system-aarch64"
QEMU_MIN_MAJOR = 10
PATHS = ("noirq", "normal")
HEARTBEAT = 5  # seconds between two lines that say what is running
POLL = 0.1  # seconds between two looks at the guests
PR_SET_PDEATHSIG = 1  # of prctl(2)

# A guest under -icount counts instructions instead of seconds: idle time costs
# nothing, and times measured in the guest compare across runs and machines.
MODES = {
    "icount": ["-icount", "shift=0,sleep=off", "-smp", "1"],
    "smp": ["-accel", "tcg,thread=multi", "-smp", "2"],
}
JOBS = {"icount": 2, "smp": 5}  # real-time guests sleep most of the time

KTAP_LINE = re.compile(
    r"^(?P<not>not )?ok \d+ (?P<name>\S+)(?P<skip> # SKIP ?(?P<why>.*))?")
FIGURE_LINE = re.compile(r"^# figure (.*)")
CYCLE_LINE = re.compile(r"^# cycle (\d+ of \d+)")
PLAN_LINE = re.compile(r"^1\.\.(\d+)$")
DONE_LINE = re.compile(r"^# guest done, status (\d+)$")
COMPLAINT_LINE = re.compile(r"^# (?:\S+\.c:\d+:\w+:|kernel log: )(.+)")


@dataclasses.dataclass
class Variant:
    """One line of the table: a device, and how QEMU makes it."""
    name: str
    force_legacy: str
    properties: str

    def device(self):
        """Return the value of QEMU's -device."""
        extra = "" if self.properties == "-" else "," + self.properties
        return "virtio-blk-device,drive=disk" + extra


@dataclasses.dataclass
class Log:
    """What the guest's console says."""
    planned: int = 0
    tests: list = dataclasses.field(default_factory=list)
    figures: dict = dataclasses.field(default_factory=dict)
    complaint: str = ""  # the first check that failed, or kernel message
    cycle: str = ""
    status: int = None  # exit status of the test program, once it ended
    panic: bool = False

    def count(self, result):
        """Return how many tests had this result."""
        return sum(test["result"] == result for test in self.tests)


def load_variants():
    """Return the table, by name, in its order."""
    variants = {}
    with open(os.path.join(HERE, "variants"), encoding="ascii") as table:
        for line in table:
            if line.strip() and not line.startswith("#"):
                variant = Variant(*line.split())
                variants[variant.name] = variant
    return variants


def parse_figure(text):
    """Return {"path": "noirq", "cycles": 20, ...}."""
    pairs = dict(pair.split("=", 1) for pair in text.split())
    return {key: int(value) if value.isdigit() else value
            for key, value in pairs.items()}


def parse_test(match):
    """Return one test's name, result and, for a skip, the reason."""
    result = "fail" if match["not"] else "skip" if match["skip"] else "pass"
    return {"name": match["name"], "result": result, "why": match["why"] or ""}


def parse_log(text):
    """Read a console log, which may still grow."""
    log = Log(panic="Kernel panic" in text)
    for line in text.splitlines():
        if match := KTAP_LINE.match(line):
            log.tests.append(parse_test(match))
            log.cycle = ""
        elif match := FIGURE_LINE.match(line):
            figure = parse_figure(match[1])
            log.figures[figure.get("path")] = figure
        elif match := CYCLE_LINE.match(line):
            log.cycle = match[1]
        elif match := PLAN_LINE.match(line):
            log.planned = int(match[1])
        elif match := DONE_LINE.match(line):
            log.status = int(match[1])
        elif match := COMPLAINT_LINE.match(line):
            log.complaint = log.complaint or match[1].strip()
    return log


def read_log(path):
    """Parse a console log file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as console:
            return parse_log(console.read())
    except FileNotFoundError:
        return Log()


def figure_fault(log, variant, cycles):
    """Return what is wrong with the figures, or "".

    The tests check the same in the guest. This makes sure that they ran.
    """
    for path in PATHS:
        figure = log.figures.get(path)
        if not figure:
            return f"no figures of the {path} path"
        if figure["variant"] != variant or figure["cycles"] != cycles:
            return f"{path} path: not {cycles} cycles of {variant}"
        if figure["mismatches"] or figure["errors"] or not figure["bytes"]:
            return f"{path} path: errors or wrong data"
        in_noirq = figure["requests"] if path == "noirq" else 0
        if figure["noirq_requests"] != in_noirq:
            return f"{path} path: answers in the wrong phase"
    return ""


def judge(log, variant, cycles, exit_status):
    """Return (verdict, reason) of a guest that ended by itself."""
    bad = [test for test in log.tests if test["result"] != "pass"]
    if log.panic:
        return "panic", "the guest's kernel panicked"
    if log.status is None:
        return "fail", f"QEMU ended (status {exit_status}) before the tests did"
    if log.count("fail"):
        name = next(t["name"] for t in bad if t["result"] == "fail")
        return "fail", f"{name}: {log.complaint or 'see console.log'}"
    if bad:
        return "skip", bad[0]["why"]
    if log.status or not log.planned or len(log.tests) != log.planned:
        return "fail", f"{len(log.tests)} of {log.planned} tests ran"
    if fault := figure_fault(log, variant, cycles):
        return "fail", fault
    return "pass", ""


def check_qemu():
    """Return QEMU's version; exit with one line if it will not do."""
    remedy = (f"install QEMU >= {QEMU_MIN_MAJOR} "
              "(Debian 12: qemu-system-arm from bookworm-backports)")
    try:
        version = run_qemu("--version")
        properties = run_qemu("-device", "virtio-blk-device,help")
    except (OSError, subprocess.SubprocessError) as err:
        sys.exit(f"error: cannot run {QEMU} ({err}); {remedy}")

    number = re.search(r"version ((\d+)[\d.]*)", version)
    if not number or int(number[2]) < QEMU_MIN_MAJOR:
        found = number[1] if number else "of unknown version"
        sys.exit(f"error: {QEMU} {found} is too old; {remedy}")
    if not re.search(r"^\s*in_order=", properties, re.MULTILINE):
        sys.exit(f"error: {QEMU} {number[1]} has no in_order property of "
                 f"virtio-blk-device; {remedy}")
    return number[1]


def run_qemu(*args):
    """Return what QEMU prints."""
    done = subprocess.run([QEMU, *args], check=True, timeout=60, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout


def die_with_parent():
    """Make the kernel end this child if its parent is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def clock(seconds):
    """Return "02:05" for 125 seconds."""
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


class Guest:
    """One variant: its folder, its QEMU, its result."""

    def __init__(self, variant, args):
        self.variant = variant
        self.args = args
        self.folder = os.path.join(args.out, variant.name)
        self.process = None
        self.started = 0.0
        self.write_result(Log(), "not run", "not started yet")

    def path(self, name):
        """Return the path of a file in the result folder."""
        return os.path.join(self.folder, name)

    def command(self):
        """Return QEMU's command line."""
        args = self.args
        append = (f"console=ttyAMA0 panic=-1 no_console_suspend "
                  f"loglevel={8 if args.verbose_guest else 5} "
                  f"noirq_variant={self.variant.name} "
                  f"noirq_cycles={args.cycles} {args.append}").strip()
        return [
            QEMU, "-machine", "virt", "-cpu", args.cpu, "-m", "256",
            *MODES[args.mode], "-rtc", "clock=vm,base=2026-01-01",
            "-display", "none", "-monitor", "none", "-nic", "none",
            "-no-reboot", "-serial", "file:" + self.path("console.log"),
            "-global",
            "virtio-mmio.force-legacy=" + self.variant.force_legacy,
            "-drive", "if=none,id=disk,format=raw,readonly=on,file="
            + os.path.join(args.out, "disk.img"),
            "-device", self.variant.device(),
            "-kernel", args.kernel, "-initrd", args.rootfs,
            "-append", append,
        ]

    def reproduce(self):
        """Return the command line that runs this variant alone."""
        args = self.args
        line = [os.path.join(HERE, "vmtest.py"), "--kernel", args.kernel,
                "--rootfs", args.rootfs, "--out", args.out,
                "--variants", self.variant.name, "--cycles", str(args.cycles),
                "--mode", args.mode, "--cpu", args.cpu]
        if args.append:
            line += ["--append", args.append]
        prefix = f"QEMU={shlex.quote(QEMU)} " if "QEMU" in os.environ else ""
        return prefix + shlex.join(line)

    def start(self):
        """Boot the guest."""
        command = self.command()
        for name in ("console.log", "qemu.log"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
        self.write("qemu.cmd", shlex.join(command) + "\n")
        self.write("reproduce", self.reproduce() + "\n")
        self.started = time.monotonic()
        with open(self.path("qemu.log"), "wb") as qemu_log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=qemu_log,
                stderr=qemu_log, start_new_session=True,
                preexec_fn=die_with_parent)

    def stop(self):
        """End QEMU if it still runs."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def progress(self):
        """Return "packed (test 2 of 7, cycle 20 of 100)"."""
        log = read_log(self.path("console.log"))
        if not log.planned:
            return f"{self.variant.name} (booting)"
        test = min(len(log.tests) + 1, log.planned)
        cycle = f", cycle {log.cycle}" if log.cycle else ""
        return f"{self.variant.name} (test {test} of {log.planned}{cycle})"

    def ended(self):
        """Write the result if the guest ended or took too long."""
        status = self.process.poll()
        elapsed = time.monotonic() - self.started
        if status is None and elapsed < self.args.timeout:
            return False
        self.stop()
        log = read_log(self.path("console.log"))
        if status is None:
            verdict = "timeout", (f"no end after {self.args.timeout} s, in "
                                  + self.progress())
        else:
            verdict = judge(log, self.variant.name, self.args.cycles, status)
        self.write_result(log, *verdict)
        return True

    def write(self, name, text):
        """Write a file of the result folder."""
        os.makedirs(self.folder, exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def write_result(self, log, verdict, reason):
        """Write result.json, and keep it."""
        wall = time.monotonic() - self.started if self.started else 0
        self.result = {
            "variant": self.variant.name, "verdict": verdict,
            "reason": reason, "cycles": self.args.cycles,
            "mode": self.args.mode, "wall_s": round(wall, 1),
            "kernel": self.args.kernel, "qemu": self.args.qemu_version,
            "figures": log.figures, "tests": log.tests,
        }
        self.write("result.json", json.dumps(self.result, indent=2) + "\n")

    def summary(self):
        """Return one line about the result."""
        result = self.result
        if result["verdict"] != "pass":
            return (f"{self.variant.name}: {result['verdict'].upper()}: "
                    f"{result['reason']}; see {self.folder}")
        return (f"{self.variant.name}: pass, {len(result['tests'])} tests, "
                f"{result['cycles']} cycles on each path, "
                f"{result['wall_s']:.0f} s")


class Runner:
    """Runs the guests, a few at a time, and says how it goes."""

    def __init__(self, guests, jobs):
        self.waiting = list(guests)
        self.jobs = jobs
        self.running = []
        self.started = self.spoke = time.monotonic()

    def say(self, text):
        """Print a line with the elapsed time."""
        self.spoke = time.monotonic()
        print(f"  +{clock(self.spoke - self.started)} {text}", flush=True)

    def start_some(self):
        """Fill the free places."""
        while self.waiting and len(self.running) < self.jobs:
            guest = self.waiting.pop(0)
            guest.start()
            self.running.append(guest)
            self.say(f"{guest.variant.name}: booting")

    def look(self):
        """Report guests that ended, or that others still run."""
        for guest in list(self.running):
            if guest.ended():
                self.running.remove(guest)
                self.say(guest.summary())
        if time.monotonic() - self.spoke > HEARTBEAT:
            self.say("running: "
                     + ", ".join(guest.progress() for guest in self.running))

    def run(self):
        """Run all; leaves no QEMU behind, whatever happens."""
        try:
            while self.waiting or self.running:
                self.start_some()
                time.sleep(POLL)
                self.look()
        finally:
            for guest in self.running:
                guest.stop()
                guest.write_result(Log(), "not run", "interrupted")


def default_timeout(cycles):
    """Return the seconds after which a guest is given up.

    A cycle sleeps for at most 2 s, on two paths; the rest is reserve.
    """
    return 180 + 8 * cycles


def parse_args(variants):
    """Return the checked command line."""
    parser = argparse.ArgumentParser(
        description="Boot each device variant in QEMU (arm64, virt machine) "
        "and run the virtio noirq kselftests in the guest.",
        epilog="variants: " + " ".join(variants))
    parser.add_argument("--list", action="store_true",
                        help="list the variants and exit")
    parser.add_argument("--kernel", metavar="IMAGE", help="kernel to boot")
    parser.add_argument("--rootfs", metavar="CPIO",
                        help="initramfs, see mkrootfs.py")
    parser.add_argument("--out", metavar="DIR", help="folder for the results")
    parser.add_argument("--variants", default=",".join(variants),
                        metavar="A,B,...", help="default: all")
    parser.add_argument("--cycles", type=int, default=20, metavar="N",
                        help="sleep cycles on each path (default 20)")
    parser.add_argument("--mode", choices=MODES, default="icount",
                        help="icount: one CPU, deterministic time (default); "
                        "smp: two CPUs in real time")
    parser.add_argument("--jobs", type=int, metavar="N",
                        help="guests at the same time (default "
                        + ", ".join(f"{mode}: {jobs}"
                                    for mode, jobs in JOBS.items()) + ")")
    parser.add_argument("--timeout", type=int, metavar="SECONDS",
                        help="limit for one variant (default: by cycles)")
    parser.add_argument("--cpu", default="cortex-a57", metavar="MODEL",
                        help="QEMU's CPU model (default cortex-a57)")
    parser.add_argument("--append", default="", metavar="TEXT",
                        help="more kernel parameters")
    parser.add_argument("--verbose-guest", action="store_true",
                        help="all kernel messages on the console")
    args = parser.parse_args()
    if not args.list:
        check_args(parser, args, variants)
    return args


def check_args(parser, args, variants):
    """Refuse what cannot work, and fill in what was left out."""
    for option in ("kernel", "rootfs", "out"):
        if not getattr(args, option):
            parser.error(f"--{option} is needed")
        setattr(args, option, os.path.abspath(getattr(args, option)))
    for path in (args.kernel, args.rootfs):
        if not os.access(path, os.R_OK):
            sys.exit(f"error: cannot read {path}; build it first")
    args.variants = args.variants.split(",")
    for name in args.variants:
        if name not in variants:
            parser.error(f"no variant \"{name}\"; see --list")
    if args.jobs is None:
        args.jobs = JOBS[args.mode]
    if args.cycles < 1 or args.jobs < 1:
        parser.error("--cycles and --jobs are at least 1")
    if args.timeout is None:
        args.timeout = default_timeout(args.cycles)


def interrupt(_signal, _frame):
    """Treat SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt


def main():
    variants = load_variants()
    args = parse_args(variants)
    if args.list:
        for variant in variants.values():
            print(f"{variant.name:16} force-legacy={variant.force_legacy:4}"
                  f" {variant.properties}")
        return 0

    signal.signal(signal.SIGTERM, interrupt)
    args.qemu_version = check_qemu()
    try:
        os.makedirs(args.out, exist_ok=True)
        mkdisk.write_disk(os.path.join(args.out, "disk.img"))
        guests = [Guest(variants[name], args) for name in args.variants]
        Runner(guests, args.jobs).run()
    except KeyboardInterrupt:
        if "VN_TOP" not in os.environ:  # else scripts/run says so
            print("interrupted; QEMU was stopped", file=sys.stderr)
        return 130
    except OSError as err:
        sys.exit(f"error: {err}; free some space or choose another --out")

    passed = sum(guest.result["verdict"] == "pass" for guest in guests)
    print(f"{passed} of {len(guests)} variants passed, "
          f"{args.cycles} cycles on each path, {args.mode}")
    return 0 if passed == len(guests) else 1


if __name__ == "__main__":
    sys.exit(main())
