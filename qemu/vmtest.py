#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boot cells of the test matrix in QEMU and run the kselftests in the guest.

For each cell, DIR/<cell>/ gets console.log (KTAP), qemu.log (QEMU's own
messages), qemu.cmd (the command line), result.json, reproduce (one line that
runs this cell again), and, if it failed, the kernel's config. The exit status
is 0 only if every cell asked for ran all its tests and passed them; a skip is
a failure here.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # keep the folder clean
# pylint: disable=wrong-import-position
import matrix  # noqa: E402
import mkdisk  # noqa: E402
from console import Log  # noqa: E402
from guest import CPU, FEWER, QEMU, SLEEPERS, Guest, Kernel  # noqa: E402

QEMU_MIN_MAJOR = 10
HEARTBEAT = 10  # seconds between two lines that say what is running
POLL = 0.1  # seconds between two looks at the guests


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


def clock(seconds):
    """Return "02:05" for 125 seconds."""
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


class Runner:
    """Runs the guests, a few at a time, and says how it goes."""

    def __init__(self, guests, jobs, soak):
        self.waiting = [guest for guest in guests if not guest.started
                        and guest.result["verdict"] != "pass"]
        self.jobs = jobs
        self.soak = soak
        self.running = []
        self.done = []
        self.started = self.spoke = time.monotonic()
        if kept := len(guests) - len(self.waiting):
            self.say(f"{kept} of {len(guests)} passed before and are kept")

    def say(self, text):
        """Print a line with the elapsed time."""
        self.spoke = time.monotonic()
        print(f"  +{clock(self.spoke - self.started)} {text}", flush=True)

    def has_place(self, share):
        """Return whether one more guest with this share of a job may run.

        Those that sleep do not take a place from those that do not.
        """
        taken = sum(guest.share for guest in self.running
                    if (guest.share < 1) == (share < 1))
        return taken + share <= self.jobs

    def start_some(self):
        """Fill the free places."""
        for guest in list(self.waiting):
            if self.has_place(guest.share):
                self.waiting.remove(guest)
                self.running.append(guest)
                guest.start()

    def forecast(self):
        """Return "12 of 80 done, 00:40 to go"."""
        total = len(self.done) + len(self.running) + len(self.waiting)
        text = f"{len(self.done)} of {total} done"
        part, whole, rate = len(self.done), total, ""
        elapsed = time.monotonic() - self.started
        if self.soak:
            whole = sum(guest.cycles for guest in
                        (*self.done, *self.running, *self.waiting))
            part = sum(guest.cycles_done()
                       for guest in (*self.done, *self.running))
            rate = (f", {part:,} of {whole:,} cycles, "
                    f"{part / elapsed:.0f} a second")
        if part:
            rate += f", {clock(elapsed * (whole - part) / part)} to go"
        return text + rate

    def look(self):
        """Report guests that ended, or that others still run."""
        for guest in list(self.running):
            if guest.ended():
                self.running.remove(guest)
                self.done.append(guest)
                self.say(f"{guest.summary()} ({self.forecast()})")
        if time.monotonic() - self.spoke > HEARTBEAT:
            others = len(self.running) - 1
            self.say("running: " + self.running[0].progress()
                     + (f" and {others} more" if others else "")
                     + f" ({self.forecast()})")

    def run(self):
        """Run all; leaves no QEMU behind, whatever happens."""
        try:
            while self.waiting or self.running:
                self.start_some()
                time.sleep(POLL)
                self.look()
        finally:
            for guest in self.running:
                if guest.process:
                    guest.stop()
                guest.write_result(Log(), "not run", "interrupted")


def default_timeout(cycles):
    """Return the seconds after which a guest is given up.

    A cycle sleeps for at most 2 s, on two paths; the rest is reserve, for many
    devices and a kernel with all its checks.
    """
    return 300 + 12 * cycles


def parse_args():
    """Return the checked command line."""
    parser = argparse.ArgumentParser(
        description="Boot cells of the test matrix in QEMU (arm64, virt "
        "machine) and run the virtio noirq kselftests in the guest.",
        epilog="qemu/matrix.py lists the cells.")
    parser.add_argument("--kernel", metavar="IMAGE", required=True,
                        help="kernel to boot; its .config lies beside it")
    parser.add_argument("--rootfs", metavar="CPIO", required=True,
                        help="initramfs, see mkrootfs.py")
    parser.add_argument("--out", metavar="DIR", required=True,
                        help="folder for the results")
    parser.add_argument("--cells", default=",".join(matrix.LAYOUTS),
                        metavar="A,B,...",
                        help="default: one for each ring layout")
    parser.add_argument("--cycles", type=int, default=20, metavar="N",
                        help="sleep cycles on each path (default 20), "
                        f"1/{FEWER} of them in real time and with slow kernels")
    parser.add_argument("--jobs", type=int, default=2, metavar="N",
                        help="guests at the same time (default 2; "
                        f"{SLEEPERS} times as many that sleep in real time)")
    parser.add_argument("--keep", action="store_true",
                        help="run nothing again that passed with the same "
                        "kernel, initramfs, QEMU and cycles")
    parser.add_argument("--timeout", type=int, metavar="SECONDS",
                        help="limit for one guest (default: by cycles)")
    parser.add_argument("--cpu", metavar="MODEL",
                        help=f"QEMU's CPU model (default {CPU}, and one that "
                        "has 16K pages for a kernel with them)")
    parser.add_argument("--append", default="", metavar="TEXT",
                        help="more kernel parameters")
    parser.add_argument("--verbose-guest", action="store_true",
                        help="all kernel messages on the console")
    args = parser.parse_args()
    check_args(parser, args)
    return args


def check_args(parser, args):
    """Refuse what cannot work, and fill in what was left out."""
    for option in ("kernel", "rootfs", "out"):
        setattr(args, option, os.path.abspath(getattr(args, option)))
    for path in (args.kernel, args.rootfs):
        if not os.access(path, os.R_OK):
            sys.exit(f"error: cannot read {path}; build it first")
    known = matrix.every_cell()
    args.cells = args.cells.split(",")
    for name in args.cells:
        if name not in known:
            parser.error(f"no cell \"{name}\"; see qemu/matrix.py")
    args.cells = [known[name] for name in args.cells]
    if args.cycles < 1 or args.jobs < 1:
        parser.error("--cycles and --jobs are at least 1")
    if args.timeout is None:
        args.timeout = default_timeout(args.cycles)


def write_disks(args):
    """Write one image for each device that a guest can have."""
    os.makedirs(args.out, exist_ok=True)
    for number in range(max(cell.devices for cell in args.cells)):
        mkdisk.write_disk(os.path.join(args.out, f"disk{number}.img"), number)


def interrupt(_signal, _frame):
    """Treat SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt


def main():
    """Run the cells that the command line names."""
    args = parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    args.qemu_version = check_qemu()
    started = time.monotonic()
    try:
        write_disks(args)
        kernel = Kernel(args.kernel)
        guests = [Guest(cell, kernel, args) for cell in args.cells]
        Runner(guests, args.jobs,
               all(cell.case == "soak" for cell in args.cells)).run()
    except KeyboardInterrupt:
        if "VN_TOP" not in os.environ:  # else scripts/run says so
            print("interrupted; QEMU was stopped", file=sys.stderr)
        return 130
    except (OSError, subprocess.SubprocessError) as err:
        sys.exit(f"error: {err}; free some space or choose another --out")

    passed = sum(guest.result["verdict"] == "pass" for guest in guests)
    print(f"{passed} of {len(guests)} guests passed in "
          f"{clock(time.monotonic() - started)}")
    return 0 if passed == len(guests) else 1


if __name__ == "__main__":
    sys.exit(main())
