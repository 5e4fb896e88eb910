#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run sleep cycles of a guest whose clocks are behind SCMI over virtio.

Starts the back-end in qemu/scmi/ and QEMU, and looks at the back-end's own state
before, in and after each cycle. Prints one table: which requests of the consumer
were answered in which phase, how and how fast, and what was true meanwhile.
The exit status is 0 if all was as it has to be with noirq support.
"""

import argparse
import collections
import os
import re
import select
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
QEMU = os.environ.get("QEMU", "qemu-system-aarch64")
COMMANDS = ("sh", "mount", "stty", "dmesg", "poweroff", "cat", "echo",
            "insmod", "rmmod", "sleep")
PHASE_LINE = re.compile(
    r"(\w+) requests (\d+) polled (\d+) errors (\d+) max_us (\d+)$")
NOIRQ = ("suspend_noirq", "resume_noirq")
BAD_LOG = re.compile(r"timed out|WARNING|BUG:|refcount_t|possible recursive|"
                     r"Unbalanced|not expected|failed to add|PM: .* error -|"
                     r"virtio_scmi_test \S+: .* after \d+ us")
# v7.3's own, see scripts and LAB notes of the other tests
KNOWN_LOG = re.compile(r"pl061: Unbalanced pm_runtime_enable!")
# A thread that does not care about system sleep finds the channel closed.
CLOSED_LOG = re.compile(r"failed to add to TX virtqueue \(-108\)")

Phase = collections.namedtuple("Phase", "requests polled errors max_us")


class Backend:
    """The SCMI device, and what it says about itself."""

    def __init__(self, program, folder, options):
        self.program = program
        self.socket = os.path.join(folder, "scmi.sock")
        self.control = os.path.join(folder, "scmi.ctl")
        with open(os.path.join(folder, "backend.log"), "w",
                  encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [program, "--connect", self.socket, "--control", self.control,
                 *options], stdout=subprocess.PIPE, stderr=log, text=True)
        if self.process.stdout.readline() != "ready\n":
            sys.exit(f"error: {program} did not start; see {log.name}")

    def ask(self, *words):
        """Return what the command prints."""
        return subprocess.run([self.program, "ctl", self.control, *words],
                              check=True, text=True, timeout=10,
                              stdout=subprocess.PIPE).stdout

    def state(self):
        """Return (clock enabled, rate, supply enabled, domain on)."""
        text = self.ask("state")
        clock = re.search(r"^clock 1 \S+ enabled (\d) rate (\d+)", text, re.M)
        supply = re.search(r"^supply 0 \S+ enabled (\d)", text, re.M)
        domain = re.search(r"^domain 1 \S+ on (\d)", text, re.M)
        return (int(clock[1]), int(clock[2]), int(supply[1]), int(domain[1]))

    def counter(self, name):
        """Return one of the counters."""
        return int(re.search(rf"^{name} (\d+)$", self.ask("counters"),
                             re.M)[1])


class Guest:
    """QEMU, with the guest's console as a pipe."""

    def __init__(self, command, log):
        self.log = open(log, "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.rest = b""

    def lines(self, timeout, idle):
        """Yield the console's lines; call idle() while there is none."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            ready, _, _ = select.select([self.process.stdout], [], [], 0.05)
            if not ready:
                idle()
                continue
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return
            self.log.write(data)
            self.log.flush()
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                end = time.monotonic() + timeout
                yield line.decode(errors="replace").strip("\r")
        raise TimeoutError

    def go_on(self):
        """Answer the guest, which waits."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()


class Run:
    """One run: the guest's words against the back-end's."""

    def __init__(self, args, folder):
        self.args = args
        self.folder = folder
        self.faults = []
        self.phases = {}
        self.values = {}
        self.counters = {}
        self.cycles = 0
        self.off_seen = False
        self.off_cycles = 0
        self.wrong_cycles = 0
        self.log_faults = collections.Counter()
        self.backend = None

    def look(self):
        """Look at the platform while the guest is busy or asleep."""
        clock, _, supply, domain = self.backend.state()
        self.off_seen |= not (clock or supply or domain)

    def words(self, text):
        """Take a line that the guest says about itself."""
        if match := PHASE_LINE.match(text):
            self.phases[match[1]] = Phase(*map(int, match.groups()[1:]))
        elif match := re.match(r"counter (\w+) (\d+)$", text):
            self.counters[match[1]] = int(match[2])
        else:
            name, _, value = text.partition(" ")
            self.values[name] = value

    def expect(self, good, what):
        """Note a fault, once each."""
        if not good and what not in self.faults:
            self.faults.append(what)

    def check_cycle(self):
        """The guest is awake and waits: everything has to be on again."""
        self.cycles += 1
        self.off_cycles += self.off_seen
        self.off_seen = False
        state = self.backend.state()
        wanted = (1, int(self.values["rate"]), 1, 1)
        if state != wanted:
            self.wrong_cycles += 1
            self.expect(self.wrong_cycles > 1,
                        f"cycle {self.cycles}: the platform has {state}, "
                        f"expected {wanted} (clock, rate, supply, domain)")

    def handshake(self, words):
        """The guest stands still: look at the platform, ask for faults."""
        if words[0] == "start":
            self.off_seen = False  # as it was before the guest used it
            for line in self.args.ctl:
                self.backend.ask(*line.split())
        elif words[0] == "cycle":
            self.check_cycle()
        elif words[0] == "quiet":
            self.backend.ask("tick", "0")
        elif words[0] == "end":
            sent = self.backend.counter("events")
            got = self.counters["notification_ok"]
            late = (self.backend.counter("events_waiting") +
                    self.backend.counter("events_dropped"))
            text = (f"{sent} sent, {got} received, "
                    f"{late} that the guest had no buffer for")
            self.values["notifications"] = text
            self.expect(sent == got and not late, "notifications: " + text)

    def is_bad(self, line):
        """Whether this line of the kernel log tells of a fault."""
        if "scmi_thread=1" in self.args.append and CLOSED_LOG.search(line):
            return False
        return BAD_LOG.search(line) and not KNOWN_LOG.search(line)

    def follow(self, guest):
        """Follow the console to its end."""
        done = False
        try:
            for line in guest.lines(self.args.timeout, self.look):
                if line.startswith("@@ "):
                    self.handshake(line.split()[1:])
                    done = line == "@@ end"
                    guest.go_on()
                elif line.startswith("@ "):
                    self.words(line[2:])
                elif not done and self.is_bad(line):
                    text = re.sub(r"^\[ *[\d.]+\] ", "", line)
                    text = re.sub(r"\d+ us", "N us", text)
                    self.log_faults[text] += 1
        except TimeoutError:
            self.expect(False, f"the guest hung after cycle {self.cycles}")
        self.expect(done, "the guest ended early")

    def judge(self):
        """Compare with what noirq support promises."""
        args = self.args
        self.expect(self.cycles == args.cycles,
                    f"{self.cycles} of {args.cycles} cycles")
        for name, phase in self.phases.items():
            self.expect(not phase.errors, f"{name}: {phase.errors} errors")
            if name in NOIRQ:
                self.expect(phase.requests and phase.polled == phase.requests,
                            f"{name}: {phase.polled} of {phase.requests} "
                            "requests polled")
        for name, value in self.counters.items():
            if "timeout" in name or name == "xfers_inflight":
                self.expect(not value, f"counter {name} is {value}")
        self.expect(not self.wrong_cycles, f"the platform was in a wrong "
                    f"state after {self.wrong_cycles} cycles")
        if args.sleep == "rtc":
            self.expect(self.off_cycles == self.cycles,
                        f"off on the platform in {self.off_cycles} of "
                        f"{self.cycles} sleeps")
        for line, n in self.log_faults.items():
            self.expect(False, f"kernel log, {n} times: {line}")

    def report(self):
        """Print the table."""
        print(f"{'phase':14} {'requests':>8} {'polled':>8} {'errors':>8} "
              f"{'longest us':>11}")
        for name, phase in self.phases.items():
            print(f"{name:14} {phase.requests:8} {phase.polled:8} "
                  f"{phase.errors:8} {phase.max_us:11}")
        print(f"cycles: {self.cycles}; clock, supply and domain off on the "
              f"platform during {self.off_cycles} of them")
        for name in ("events", "notifications", "thread", "suspends"):
            print(f"{name}: {self.values.get(name)}")
        print("counters:", ", ".join(f"{n} {v}" for n, v in
                                     self.counters.items() if v))
        for fault in self.faults:
            print(f"not as it has to be: {fault}")

    def qemu(self, dtb):
        """Return QEMU's command line; without dtb, one that dumps it."""
        args = self.args
        memory = "memory-backend-memfd,id=mem,size=512M,share=on"
        machine = "virt,memory-backend=mem"
        if not dtb:
            machine += ",dumpdtb=" + os.path.join(self.folder, "qemu.dtb")
        command = [QEMU, "-machine", machine, "-object", memory, "-cpu",
                   "cortex-a57", "-m", "512", "-smp", str(args.smp),
                   "-display", "none", "-monitor", "none", "-nic", "none",
                   "-no-reboot", "-serial", "stdio",
                   "-global", "virtio-mmio.force-legacy=false"]
        if not dtb:
            return command
        append = (f"console=ttyAMA0 panic=-1 no_console_suspend loglevel=7 "
                  f"scmi_cycles={args.cycles} scmi_sleep={args.sleep} "
                  f"{args.append}")
        return command + [
            "-rtc", "base=2026-01-01", "-dtb", dtb,
            "-chardev", f"socket,id=c0,path={self.backend.socket}"
            ",server=on,wait=on", "-device",
            f"{args.device},chardev=c0", "-kernel", args.kernel,
            "-initrd", os.path.join(self.folder, "rootfs.cpio"),
            "-append", append]

    def make_dtb(self):
        """QEMU's own device tree with ours at its end."""
        path = os.path.join(self.folder, "qemu.dt")
        subprocess.run(self.qemu(None), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        dts = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts",
                              path + "b"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
        for name in ("scmi/scmi.dts", "scmi.dtsi"):
            with open(os.path.join(HERE, name), encoding="utf-8") as ours:
                dts += ours.read()
        out = os.path.join(self.folder, "scmi.dtb")
        subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", out],
                       input=dts, check=True, text=True)
        return out

    def pack(self):
        """The guest's initramfs: busybox, our init, the modules."""
        args = self.args
        lines = [f"dir /{name} 0755 0 0" for name in
                 ("bin", "dev", "proc", "sys", "modules")]
        lines += ["nod /dev/console 0600 0 0 c 5 1",
                  f"file /bin/busybox {args.busybox} 0755 0 0",
                  f"file /init {os.path.join(HERE, 'scmi-init')} 0755 0 0"]
        lines += [f"slink /bin/{name} busybox 0777 0 0" for name in COMMANDS]
        lines += [f"file /modules/{os.path.basename(path)} {path} 0644 0 0"
                  for path in args.module]
        with tempfile.NamedTemporaryFile("w", suffix=".list") as listing:
            listing.write("\n".join(lines) + "\n")
            listing.flush()
            with open(os.path.join(self.folder, "rootfs.cpio"), "wb") as cpio:
                subprocess.run([args.gen_init_cpio, listing.name],
                               stdout=cpio, check=True)

    def run(self):
        """Do it all; return whether nothing is wrong."""
        self.pack()
        dtb = self.make_dtb()
        self.backend = Backend(self.args.backend, self.folder,
                               self.args.backend_option)
        guest = None
        try:
            guest = Guest(self.qemu(dtb),
                          os.path.join(self.folder, "console.log"))
            self.follow(guest)
        finally:
            for process in (guest and guest.process, self.backend.process):
                if process:
                    process.kill()
                    process.wait()
        self.judge()
        self.report()
        return not self.faults


def main():
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("kernel", "gen-init-cpio", "busybox", "backend", "out"):
        parser.add_argument("--" + name, required=True, metavar="PATH")
    parser.add_argument("--module", action="append", default=[],
                        metavar="KO", help="kernel module for the guest")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--sleep", default="rtc", metavar="HOW",
                        help="rtc (real s2idle) or a level of pm_test")
    parser.add_argument("--device", default="vhost-user-scmi",
                        help="or vhost-user-scmi-pci")
    parser.add_argument("--smp", type=int, default=2)
    parser.add_argument("--append", default="", metavar="TEXT",
                        help="more of the kernel command line")
    parser.add_argument("--ctl", action="append", default=[], metavar="LINE",
                        help="a command for the back-end before the cycles")
    parser.add_argument("--backend-option", action="append", default=[])
    parser.add_argument("--timeout", type=int, default=120, metavar="S",
                        help="silence of the guest that counts as a hang")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    sys.exit(not Run(args, os.path.abspath(args.out)).run())


if __name__ == "__main__":
    main()
