#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""List the guests that there are, and run them in QEMU.

A kind of guest is a folder beside this file with a kind.py, which has SETS,
guests() in a set, cells() by name, and a class Guest; and with init.sh, what it
does in the guest.
"""

import argparse
import glob
import importlib
import os
import re
import signal
import subprocess
import sys
import time

import kcidb
import lava
import mkrootfs
from guest import HERE, Kernel, Settings
from tables import unknown_words

sys.path.append(os.path.join(HERE, "..", "scripts", "lib"))
from ktap import Printer  # noqa: E402

QEMU_MIN_MAJOR = 10
HEARTBEAT = 10  # seconds between two lines that say what is running
POLL = 0.1  # seconds between two looks at the guests


def kinds():
    """Return the modules of all kinds of guests, by their names."""
    names = sorted(os.path.basename(os.path.dirname(path))
                   for path in glob.glob(os.path.join(HERE, "*", "kind.py")))
    return {name: importlib.import_module(name + ".kind") for name in names}


def check_qemu(kernel):
    """Return the version of a kernel's QEMU; exit with one line if it will not do."""
    qemu, remedy = kernel.emulator, f"run scripts/setup {kernel.arch}"
    try:
        text = subprocess.run([qemu, "--version"], check=True, timeout=60, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    except (OSError, subprocess.SubprocessError) as err:
        sys.exit(f"error: cannot run {qemu} ({err}); {remedy}")
    version = re.search(r"version ((\d+)[\d.]*)", text)
    if not version or int(version[2]) < QEMU_MIN_MAJOR:
        found = version[1] if version else "of unknown version"
        sys.exit(f"error: {qemu} {found} is too old; {remedy}")
    return version[1]


def clock(seconds):
    """Return "02:05" for 125 seconds."""
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


class Runner:
    """Runs the guests, a few at a time, and says how it goes."""

    def __init__(self, guests, jobs):
        self.waiting = [guest for guest in guests if not guest.started
                        and guest.result["verdict"] != "pass"]
        self.jobs = jobs
        self.running = []
        self.again = []     # alone, at the end
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
        taken = sum(guest.share for guest in self.running if (guest.share < 1) == (share < 1))
        return not taken or taken + share <= self.jobs

    def start_some(self):
        """Fill the free places."""
        for guest in list(self.waiting):
            if self.has_place(guest.share):
                self.waiting.remove(guest)
                self.running.append(guest)
                guest.start()
        if self.again and not self.running:
            self.running.append(self.again.pop(0))
            self.running[0].start()

    def forecast(self):
        """Return "12 of 80 done, 00:40 to go"."""
        total = len(self.done) + len(self.running) + len(self.waiting) + len(self.again)
        part = len(self.done) + sum(guest.cycles_done() / (guest.cycles or 1)
                                    for guest in self.running)
        left = ""
        if part:
            left = f", {clock((time.monotonic() - self.started) * (total - part) / part)} to go"
        return f"{len(self.done)} of {total} done{left}"

    def look(self):
        """Report guests that ended, or that others still run."""
        for guest in list(self.running):
            if not guest.ended():
                continue
            self.running.remove(guest)
            if guest.starved and guest.tries == 1:
                self.again.append(guest)
                self.say(guest.try_again())
            else:
                self.done.append(guest)
                self.say(f"{guest.summary()} ({self.forecast()})")
        if time.monotonic() - self.spoke > HEARTBEAT:
            others = len(self.running) - 1
            self.say("running: " + self.running[0].progress()
                     + (f" and {others} more" if others else "") + f" ({self.forecast()})")

    def run(self):
        """Run all; leaves no QEMU behind, whatever happens."""
        try:
            while self.waiting or self.running or self.again:
                self.start_some()
                time.sleep(POLL)
                self.look()
        finally:
            for guest in self.running:
                guest.stop()
                guest.write_result("not run", "interrupted")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message):
        sys.exit(f"error: {message}; see {self.prog} --help")


def number(text):
    """Return a number above 0."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def readable(path):
    """Return the absolute path of something that can be read."""
    if not os.access(path, os.R_OK):
        sys.exit(f"error: cannot read {path}; build it first")
    return os.path.abspath(path)


def parse_args(known):
    """Return the checked command line."""
    sets = sorted({name for kind in known.values() for name in kind.SETS})
    parser = Parser(description=__doc__.split("\n", 1)[0])
    verbs = parser.add_subparsers(dest="verb", required=True)

    lister = verbs.add_parser(
        "list", help="print guests", description='Print guests, one "CONFIG CELL" on a line.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="sets of each kind:\n" + "\n".join(
            f"  {kind:6} {name:9} {what}" for kind in known
            for name, what in known[kind].SETS.items()))
    lister.set_defaults(do=list_guests)
    lister.add_argument("set", choices=sets, metavar="SET", help="see below")
    lister.add_argument("--kind", choices=known, help="of this kind")
    lister.add_argument("--config", help="on this kernel of configs/kernels")
    lister.add_argument("--variant", metavar="NAME",
                        help='of this variant, "packed_noevent" say, or the '
                        "cell of this name")
    lister.add_argument("--mode", choices=("icount", "smp"))
    lister.add_argument("--devices", type=int, metavar="N")
    lister.add_argument("--any", action="store_true", help="none is all right, too")
    lister.add_argument("--long", action="store_true",
                        help="and what happens in it, if it is a case")

    some = Parser(add_help=False)
    some.add_argument("--kind", choices=known, required=True)
    some.add_argument("--kernel", metavar="FOLDER", required=True,
                      type=readable, help="as scripts/build leaves it")
    some.add_argument("--busybox", metavar="FILE", required=True,
                      type=readable, help="static, for the guest")
    some.add_argument("--out", metavar="DIR", required=True,
                      type=os.path.abspath, help="folder for the results")
    some.add_argument("--cells", metavar="A,B,...", required=True, help='see "list"')
    some.add_argument("--set", choices=sets, metavar="SET", default="",
                      help="which they are of; may say how many cycles")
    some.add_argument("--cycles", type=number, default=0, metavar="N",
                      help="sleep cycles (default: by kind, cell and set)")

    runner = verbs.add_parser(
        "run", parents=[some], help="run guests", description="Run guests. Each leaves in "
        "DIR/CELL console.log, qemu.log (QEMU's own messages), qemu.cmd (its "
        "command line), result.json, reproduce (one line that runs it again) "
        "and, if it failed, the kernel's config; all of them results.ktap in "
        "DIR. The exit status is 0 only if all passed; a skip is a failure here.")
    runner.set_defaults(do=run_guests)
    runner.add_argument("--jobs", type=number, default=2, metavar="N",
                        help="guests at the same time (default 2; more of "
                        "those that sleep in real time)")
    runner.add_argument("--keep", action="store_true",
                        help="run nothing again that passed with the same "
                        "kernel, root, QEMU, code and cycles")
    runner.add_argument("--expect", choices=("pass", "fail", "hang", "error"), default="pass",
                        help="a guest passes if it ends so: fail is the way of "
                        "a kernel without the patches, hang and error are those "
                        "behind an IOMMU (default pass)")
    runner.add_argument("--timeout", type=number, metavar="SECONDS", default=0,
                        help="without a line on the console, after which a guest is given up; "
                        "what it waits for a processor does not count (default: by kind)")
    runner.add_argument("--mutant", type=number, metavar="N", default=0,
                        help="that the kernel is to be, of those of scripts/mutants")
    runner.add_argument("--patches", nargs="*", metavar="FILE",
                        help="that the kernel has: leave kcidb.json, too")

    farmer = verbs.add_parser(
        "lava", parents=[some], help="write LAVA jobs", description="Write a LAVA job for each "
        "guest, DIR/CELL.yaml, and say which have none.")
    farmer.set_defaults(do=write_jobs)
    farmer.add_argument("--url", nargs=2, metavar=("FOLDER", "URL"), required=True,
                        help="what the jobs shall find below URL")
    return parser.parse_args()


def list_guests(args, known):
    """Print the guests that were asked for."""
    found = [(config, cell) for name, kind in known.items()
             if args.kind in (None, name) and args.set in kind.SETS
             for config, cell in kind.guests(args.set) if args.config in (None, config)
             and args.variant in (None, cell.name, getattr(cell, "variant", None))
             and args.mode in (None, getattr(cell, "mode", None))
             and args.devices in (None, getattr(cell, "devices", None))]
    if not found and not args.any:
        sys.exit("error: there is no such guest; qemu/run.py list full lists them all")
    for config, cell in found:
        what = getattr(cell, "what", "") if args.long else ""
        print(config, cell.name, *([what] if what else []))


def print_ktap(guests, table, file):
    """Print the results as KTAP: each guest after its report and its tests."""
    ktap = Printer(len(guests), file=file)
    for guest in guests:
        result = guest.result
        if os.path.exists(guest.path("report.txt")):
            with open(guest.path("report.txt"), encoding="utf-8") as report:
                ktap.note(report.read())
        if result["tests"]:
            tests = ktap.parts(len(result["tests"]))
            for test in result["tests"]:
                skip = test.get("why", "") if test["result"] == "skip" else None
                tests.result(test["result"] != "fail", test["name"], skip=skip)
        if result.get("tries", 1) > 1:
            ktap.note(f"{guest.cell.name} failed first, and ran alone: {guest.folder}.starved")
        passed = result["verdict"] == "pass" and bool(result["tests"])
        ktap.result(passed, guest.cell.name, *[] if passed else [guest.summary()])
    if table:
        ktap.note(f"\n{os.path.basename(guests[0].kernel.folder)}\n{table}")


def interrupt(_signal, _frame):
    """Treat SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt


def prepare(options, kind):
    """Return the guests that the command line names, with all that they need made."""
    all_cells = kind.cells()
    names = options.pop("cells").split(",")
    for name in names:
        if name not in all_cells:
            sys.exit(f'error: no cell "{name}"; see qemu/run.py list full '
                     f"--kind {options['kind']}")
    cells = [all_cells[name] for name in names]
    options["kernel"] = Kernel(options["kernel"])
    settings = Settings(**options, qemu_version=check_qemu(options["kernel"]))
    os.makedirs(settings.out, exist_ok=True)
    settings.rootfs = mkrootfs.pack(
        settings.kernel.folder, kind.Guest.root, settings.busybox, kind.Guest.selftests)
    kind.Guest.prepare_all(settings, cells)
    return [kind.Guest(cell, settings) for cell in cells]


def write_jobs(args, known):
    """Write a LAVA job for each of the cells that the command line names."""
    options = vars(args)
    folder, url = options.pop("url")
    guests = prepare({**options, "host": False}, known[options["kind"]])

    def link(path):
        return f"{url.rstrip('/')}/{os.path.relpath(path, folder)}"

    config = os.path.basename(guests[0].kernel.folder)
    for reason, names in lava.write_jobs(guests, config, link).items():
        print(f"no job ({reason}): {', '.join(names)}")
    return 0


def run_guests(args, known):
    """Run the cells that the command line names."""
    options = vars(args)
    kind = known[options["kind"]]
    patches = options.pop("patches")
    signal.signal(signal.SIGTERM, interrupt)
    started = time.monotonic()
    try:
        guests = prepare(options, kind)
        begun = time.time()
        Runner(guests, args.jobs).run()
        with open(os.path.join(args.out, "results.ktap"), "w", encoding="utf-8") as file:
            print_ktap(guests, kind.Guest.table(guests), file)
        if patches is not None:
            kcidb.write(os.path.join(args.out, "kcidb.json"), guests, patches, begun)
    except KeyboardInterrupt:
        if "VN_TOP" not in os.environ:  # else scripts/run says so
            print("interrupted; QEMU was stopped", file=sys.stderr)
        return 130
    except (OSError, subprocess.SubprocessError) as err:
        sys.exit(f"error: {err}; free some space or choose another --out")

    passed = sum(guest.result["verdict"] == "pass" for guest in guests)
    print(f"{passed} of {len(guests)} guests passed in {clock(time.monotonic() - started)}")
    return 0 if passed == len(guests) else 1


def main():
    """Do what the command line says."""
    try:
        known = kinds()
    except (SyntaxError, ImportError, TypeError) as err:
        sys.exit(f"error: a kind.py in {HERE} cannot be read: {err}; mend it")
    if words := unknown_words(known):
        sys.exit(f"error: configs/kernels: the line {words}, which no kind of guest knows; mend it")
    args = parse_args(known)
    do = args.do
    del args.verb, args.do
    return do(args, known)


if __name__ == "__main__":
    sys.exit(main())
