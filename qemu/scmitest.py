#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run sleep cycles of guests whose clocks are behind SCMI over virtio.

Starts the back-end in qemu/scmi/ and QEMU for each case (see scmi_cases.py), and
looks at the back-end's own state before, in and after each cycle. A case leaves
report.txt in OUT/CASE: which requests of the consumer were answered in which
phase, how and how fast, what was true on the platform meanwhile, and what was
not as it has to be; and OUT/CASE/verdict, one line. OUT/summary.txt has a line
for each case. The exit status is 0 if all cases passed.
"""

import argparse
import collections
import concurrent.futures
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

from guest import CPU, QEMU, die_with_parent, disk
from scmi_cases import CASES, REAL

HERE = os.path.dirname(os.path.abspath(__file__))
COMMANDS = ("sh", "mount", "stty", "dmesg", "poweroff", "cat", "echo",
            "insmod", "rmmod", "sleep", "mkswap", "swapon", "swapoff")
TABLE_LINE = re.compile(
    r"(\w+) requests (\d+) polled (\d+) interrupt (\d+) answered (\d+) "
    r"errors (\d+) us (\d+) max_us (\d+)$")
NOIRQ = ("suspend_noirq", "resume_noirq")
HIBERNATION = ("test_resume", "shutdown")
BAD_LOG = re.compile(r"timed out|WARNING|BUG:|KASAN|refcount_t|possible "
                     r"(recursive|circular)|inconsistent lock|Unbalanced|"
                     r"not expected|failed to add|still in flight|"
                     r"PM: .* error -|suspicious RCU|sleeping function|"
                     r"virtio_scmi_test \S+: .* after \d+ us")
# v7.3's own, see virtio_noirq_log_allowed of the selftests
KNOWN_LOG = re.compile(r"pl061: Unbalanced pm_runtime_enable!")
READ_LIMIT_US = 300_000_000  # a message in flight is waited for for 2 s
HOST = 60                   # seconds that a busy host may take for anything
SWAP_PLACE = 0              # the virtio-mmio bus of the swap disk
SWAP_SIZE = 1 << 30         # bytes, of a sparse file

Phase = collections.namedtuple(
    "Phase", "requests polled interrupt answered errors us max_us")
NOTHING = Phase(0, 0, 0, 0, 0, 0, 0)


SUMMARY = """\
                  sleep  in noirq:                      longest    all
case             cycles  requests  answered   polled    request    off  verdict
"""


class Backend:
    """The SCMI device, and what it says about itself."""

    def __init__(self, program, folder, log, options):
        self.socket = os.path.join(folder, "qemu")
        self.control = os.path.join(folder, "control")
        self.log = log
        self.command = [program, "--connect", self.socket,
                        "--control", self.control, *options]
        self.process = self.stream = None
        self.start()

    def start(self):
        """Start it, the first time or again."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=log, text=True,
                preexec_fn=die_with_parent)
        if self.process.stdout.readline() != "ready\n":
            raise OSError(f"{self.command[0]} did not start; see {self.log}")
        control = socket.socket(socket.AF_UNIX)
        control.settimeout(HOST)
        control.connect(self.control)
        self.stream = control.makefile("rw")
        control.close()

    def kill(self):
        """End it without any chance to say goodbye."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.stream.close()
        self.process = None

    def wait_for_qemu(self):
        """Wait until QEMU has taken it."""
        end = time.monotonic() + HOST
        while not self.counter("connections"):
            if time.monotonic() > end:
                raise OSError("QEMU did not take the new back-end")
            time.sleep(0.01)

    def ask(self, words):
        """Return what the command prints."""
        self.stream.write(words + "\n")
        self.stream.flush()
        text = ""
        while (line := self.stream.readline()) != "ok\n":
            if not line or line.startswith("error: "):
                raise OSError(f"back-end: {words}: {line.strip() or 'gone'}")
            text += line
        return text

    def state(self, when=""):
        """Return (clock enabled, rate, supply enabled, domain on)."""
        text = self.ask("state " + when)
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
        self.log = open(log, "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT,
                                        preexec_fn=die_with_parent)
        self.rest = b""

    def lines(self, timeout, idle):
        """Yield the console's lines; call idle(), if any, while there is none."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            ready, _, _ = select.select([self.process.stdout], [], [],
                                        0.1 if idle else timeout)
            if not ready:
                if idle:
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

    def stop(self):
        """End QEMU if it still runs."""
        self.process.kill()
        self.process.wait()
        self.log.close()


class Run:
    """One case: the guest's words against the back-end's."""

    def __init__(self, args, name):
        self.args = args
        self.name = name
        self.case = CASES[name]
        many = args.many and self.case.many
        self.cycles = args.cycles or many or self.case.cycles
        self.folder = os.path.join(os.path.abspath(args.out), name)
        self.faults = []
        self.phases = {}
        self.before = {}    # what the phases were a cycle ago
        self.values = {}
        self.counters = {}
        self.done = 0       # cycles
        self.booted = False
        self.started = 0.0  # the cycle that runs
        self.longest = 0.0
        self.stops = 0      # of the device, before this cycle
        self.dead_and_off = False   # as a failed restore has left it
        self.off_cycles = 0
        self.wrong_cycles = 0
        self.bad_errors = collections.Counter()
        self.log_faults = collections.Counter()
        self.platform = ""
        self.backend = None
        self.acted = False

    def path(self, name):
        """Return the path of a file in the result folder."""
        return os.path.join(self.folder, name)

    def is_faulty(self, cycle):
        """Whether something is done to the back-end in this cycle."""
        return cycle and self.case.faulty and \
            (cycle - 1) % self.case.faulty == 0

    def is_off(self, when=""):
        """Whether all that the consumer uses is off on the platform."""
        clock, _, supply, domain = self.backend.state(when)
        return not (clock or supply or domain)

    def look(self):
        """See whether the guest sleeps, and do what is to be done then."""
        if self.backend.process and not self.acted and \
                self.started and self.done < self.cycles and \
                self.is_faulty(self.done + 1) and self.is_off() and \
                not self.backend.counter("cmdq_running"):
            self.acted = True
            self.act(self.case.asleep)

    def act(self, what):
        """Do something to the back-end."""
        if what in ("kill", "restart"):
            self.backend.kill()
        if what in ("start", "restart"):
            self.backend.start()
            self.backend.wait_for_qemu()
        elif what == "notify":
            for _ in range(5):
                self.backend.ask("notify clock 1")
        elif what != "kill":
            self.backend.ask(what)

    def words(self, text):
        """Take a line that the guest says about itself."""
        if match := TABLE_LINE.match(text):
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

    def check_errors(self):
        """Errors are where the case says, and nowhere else."""
        expected = ("reads",)
        if self.is_faulty(self.done):
            expected += self.case.errors
        if self.is_faulty(self.done - 1):
            expected += self.case.after
        for name, phase in self.phases.items():
            new = phase.errors - self.before.get(name, NOTHING).errors
            if new > 0 and name not in expected:
                self.bad_errors[name] += new
        self.before = dict(self.phases)

    def check_cycle(self):
        """The guest is awake and waits: everything has to be on again."""
        self.done += 1
        faulty = self.is_faulty(self.done)
        self.longest = max(self.longest, time.monotonic() - self.started)
        # What it was killed for is that all was off.
        killed = self.acted and self.case.asleep in ("kill", "restart")
        self.off_cycles += killed or self.dead_and_off or \
            self.is_off("stop") and self.backend.counter("stops") > self.stops
        self.acted = False
        self.check_errors()
        if faulty and self.case.awake:
            self.act(self.case.awake)
            return
        state = self.backend.state()
        self.platform = self.backend.ask("state")
        wanted = (1, int(self.values["rate"]), 1,
                  1 if self.case.domain else state[3])
        if state != wanted and not (faulty and self.case.module and
                                    self.case.errors):
            self.wrong_cycles += 1
            self.expect(self.wrong_cycles > 1,
                        f"cycle {self.done}: the platform has {state}, "
                        f"expected {wanted} (clock, rate, supply, domain)")

    def check_notifications(self):
        """Whatever the platform sent has arrived."""
        sent = self.backend.counter("events")
        got = (self.counters["notification_ok"] +
               self.counters["delayed_response_ok"])
        late = (self.backend.counter("events_waiting") +
                self.backend.counter("events_dropped"))
        text = (f"{sent} sent, {got} received, "
                f"{late} that the guest had no buffer for")
        self.values["notifications"] = text
        self.expect(not self.case.notified or (sent == got and not late),
                    "notifications: " + text)

    def handshake(self, words):
        """The guest stands still: look at the platform, ask for faults."""
        if words[0] == "start":
            for line in self.case.ctl:
                self.backend.ask(line)
        elif words[0] == "cycle":
            self.check_cycle()
        elif words[0] == "no":
            raise OSError(f"the guest has no {words[1]}")
        elif words[0] == "quiet":
            self.backend.ask("tick 0")
        elif words[0] == "end":
            self.check_notifications()
        if words[0] in ("start", "cycle"):
            for line in self.case.each:
                self.backend.ask(line)
            self.started = time.monotonic()
            self.stops = self.backend.counter("stops")
            self.dead_and_off = self.is_off() and \
                not self.backend.counter("cmdq_running")

    def is_bad(self, line):
        """Whether this line of the kernel log tells of a fault."""
        if self.case.log and re.search(self.case.log, line):
            return False
        return BAD_LOG.search(line) and not KNOWN_LOG.search(line)

    def follow(self, guest):
        """Follow the console to its end; return whether that was the end."""
        ended = False
        look = self.look if self.case.asleep else None
        for line in guest.lines(self.args.timeout, look):
            if ended:
                continue
            text = re.sub(r"^\[ *[\d.]+\] ", "", line)
            if text.startswith("@@ "):
                self.handshake(text.split()[1:])
                ended = text == "@@ end"
                guest.go_on()
            elif text.startswith("@ "):
                self.words(text[2:])
            elif self.is_bad(text):
                text = re.sub(r"\d+ (us|type)", r"N \1", text)
                self.log_faults[text] += 1
        return ended

    def judge_phases(self):
        """How the consumer's requests were answered."""
        case = self.case
        for name, errors in self.bad_errors.items():
            self.expect(False, f"{name}: {errors} errors")
        if case.errors:
            self.expect(any(self.phases.get(name, NOTHING).errors
                            for name in case.errors),
                        f"no errors in {', '.join(case.errors)}, so the fault "
                        "was not there")
        for name in NOIRQ if case.noirq else ():
            phase = self.phases.get(name, NOTHING)
            here = phase.polled or case.sleep == "devices" or \
                (case.aborts and "late" in self.name)
            self.expect(here and not phase.interrupt,
                        f"{name}: {phase.polled} of {phase.requests} "
                        "requests polled")
            self.expect(case.errors or phase.answered == phase.requests,
                        f"{name}: {phase.answered} of {phase.requests} "
                        "requests answered")

    def judge_reads(self):
        """How the messages of the second thread ended."""
        case = self.case
        reads = self.phases.get("reads", NOTHING)
        if case.answered:
            waits = self.values.get("waits")
            self.expect(reads.interrupt == self.cycles and
                        reads.answered == reads.requests and
                        not reads.errors and waits == str(self.cycles),
                        f"reads: {reads}, {waits} waited for; expected "
                        f"{self.cycles}, all answered")
        elif case.reads:
            polled = reads.requests if case.reads == "polled" else 0
            self.expect(reads.requests == reads.errors == self.cycles and
                        reads.polled == polled and not reads.answered and
                        reads.max_us < READ_LIMIT_US,
                        f"reads: {reads}, expected {self.cycles} that wait in "
                        f"vain, {polled} polled, {READ_LIMIT_US} us at most")

    def judge(self):
        """Compare with what noirq support promises."""
        case = self.case
        self.expect(self.done == self.cycles,
                    f"{self.done} of {self.cycles} cycles")
        self.judge_phases()
        self.judge_reads()
        for name, value in self.counters.items():
            self.expect(not value or (name != "xfers_inflight" and
                                      ("timeout" not in name or case.log)),
                        f"counter {name} is {value}")
        self.expect(not self.wrong_cycles, f"the platform was in a wrong "
                    f"state after {self.wrong_cycles} cycles")
        if case.off and case.sleep == REAL:
            self.expect(self.off_cycles == self.done,
                        f"off on the platform in {self.off_cycles} of "
                        f"{self.done} sleeps")
        if case.sleep not in HIBERNATION:
            sleeps = self.done
            if case.reload == "driver":
                sleeps += self.done - 1
            done = (0, sleeps) if case.aborts else (sleeps, 0)
            text = f"{done[0]} failed {done[1]}"
            self.expect(self.values.get("suspends") == text,
                        f"suspends: {self.values.get('suspends')}, "
                        f"expected {text}")
        self.expect(self.longest < case.limit, f"a cycle took "
                    f"{self.longest:.1f} s, {case.limit} are the limit")
        for line, n in self.log_faults.items():
            self.expect(False, f"kernel log, {n} times: {line}")

    def report(self):
        """Return what happened, as text."""
        text = [f"{self.name}: {self.case.what}", "",
                "                                        waited by        "
                "  time of a request, us",
                "phase          requests answered    polling interrupt "
                "errors      mean   longest"]
        text += [f"{name:14} {phase.requests:8} {phase.answered:8} "
                 f"{phase.polled:10} {phase.interrupt:9} {phase.errors:6} "
                 f"{phase.us // max(1, phase.polled + phase.interrupt):9} "
                 f"{phase.max_us:9}"
                 for name, phase in self.phases.items()
                 if name != "reads" or phase.requests]
        text += [f"cycles: {self.done}, the longest {self.longest:.1f} s; "
                 f"suspends: {self.values.get('suspends')}"]
        text += ["notifications: " + self.values.get("notifications", "?")]
        if "thread=1" in self.case.module:
            text += [f"thread: {self.values.get('thread')}"]
        text += ["SCMI core: " + ", ".join(f"{n} {v}" for n, v in
                                           self.counters.items() if v)]
        text += ["back-end: clock, supply and domain off in "
                 f"{self.off_cycles} of {self.done} sleeps; after the last:"]
        text += ["  " + line for line in self.platform.splitlines()
                 if re.match("clock [01]|supply 0|domain 1", line)]
        text += [f"not as it has to be: {fault}" for fault in self.faults]
        return "\n".join(text) + "\n"

    def summary(self):
        """Return a line of the table that SUMMARY begins."""
        noirq = [self.phases.get(name, NOTHING) for name in NOIRQ]
        return (f"{self.name:16}{self.done:7}"
                f"{sum(p.requests for p in noirq):10}"
                f"{sum(p.answered for p in noirq):10}"
                f"{sum(p.polled for p in noirq):9}"
                f"{max(p.max_us for p in noirq) / 1000:9.1f} ms"
                f"{self.off_cycles:7}  {'FAIL' if self.faults else 'pass'}\n")

    def machine(self, extra=""):
        """Return QEMU's arguments for the machine."""
        memory = self.args.memory
        return [QEMU, "-machine", "virt,memory-backend=mem" + extra, "-object",
                f"memory-backend-memfd,id=mem,size={memory}M,share=on", "-cpu",
                CPU, "-m", memory, "-smp", str(self.args.smp),
                "-display", "none", "-monitor", "none", "-nic", "none",
                "-no-reboot", "-serial", "stdio",
                "-global", "virtio-mmio.force-legacy=false"]

    def qemu(self):
        """Return QEMU's command line."""
        case = self.case
        swap = []
        if case.sleep in HIBERNATION:
            swap = disk("swap", SWAP_PLACE, self.path("swap.img"), ())
        append = (f"console=ttyAMA0 panic=-1 no_console_suspend loglevel=7 "
                  "printk.devkmsg=on "
                  f"scmi_cycles={self.cycles} scmi_sleep={case.sleep} "
                  f"scmi_wake={case.wake} "
                  f'scmi_module="{case.module}" '
                  f"scmi_reload={case.reload} "
                  f"scmi_resume={int(self.booted)} {case.append} "
                  f"{self.args.append}")
        return self.machine() + [
            "-rtc", "base=2026-01-01", "-dtb", self.path("scmi.dtb"),
            *swap, "-chardev", f"socket,id=c0,path={self.backend.socket}"
            ",server=on,wait=on", "-device",
            f"{case.device},chardev=c0", "-kernel", self.args.kernel,
            "-initrd", self.path("rootfs.cpio"), "-append", append]

    def make_dtb(self):
        """QEMU's own device tree with ours at its end."""
        tree = self.path("qemu.dtb")
        subprocess.run(self.machine(",dumpdtb=" + tree), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        dts = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", tree],
                             check=True, text=True,
                             stdout=subprocess.PIPE).stdout
        for name in ("scmi/scmi.dts", "scmi.dtsi"):
            with open(os.path.join(HERE, name), encoding="utf-8") as ours:
                dts += ours.read()
        dts += ("/ { firmware { scmi { arm,max-rx-timeout-ms = "
                f"<{self.args.message_timeout or self.case.timeout_ms}>; "
                "}; }; };")
        subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o",
                        self.path("scmi.dtb")], input=dts, check=True,
                       text=True)

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
        with open(self.path("rootfs.list"), "w", encoding="utf-8") as listing:
            listing.write("\n".join(lines) + "\n")
        with open(self.path("rootfs.cpio"), "wb") as cpio:
            subprocess.run([args.gen_init_cpio, self.path("rootfs.list")],
                           stdout=cpio, check=True)

    def prepare(self):
        """Make what the guest needs."""
        os.makedirs(self.folder, exist_ok=True)
        for name in ("console.log", "backend.log", "verdict", "state"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
        with open(self.path("swap.img"), "wb") as swap:
            swap.truncate(SWAP_SIZE)
        self.pack()
        self.make_dtb()

    def boot(self):
        """Boot the guest, again if it wants so, and follow it to its end."""
        for _ in range(1 + self.cycles * (self.case.sleep == "shutdown")):
            guest = Guest(self.qemu(), self.path("console.log"))
            try:
                if self.follow(guest):
                    return
            finally:
                guest.stop()
            # The machine was off, and so was what is behind the back-end.
            self.booted = True
            self.backend.kill()
            self.backend.start()
        self.expect(False, f"the guest ended early, after {self.done} cycles")

    def run(self):
        """Do it all; return whether nothing is wrong."""
        self.prepare()
        options = list(self.case.options)
        if self.case.asleep in ("kill", "restart"):
            options += ["--state", self.path("state")]
        # The path of a socket must be short.
        with tempfile.TemporaryDirectory(prefix="scmi-") as sockets:
            self.backend = Backend(self.args.backend, sockets,
                                   self.path("backend.log"), options)
            try:
                self.boot()
            except TimeoutError:
                self.expect(False, f"the guest hung after cycle {self.done}")
            except OSError as err:
                self.expect(False, str(err))
            finally:
                self.backend.kill()
                os.unlink(self.path("swap.img"))
        self.judge()
        with open(self.path("report.txt"), "w", encoding="utf-8") as report:
            report.write(self.report())
        with open(self.path("verdict"), "w", encoding="utf-8") as verdict:
            verdict.write("not ok\n" if self.faults else "ok\n")
        return not self.faults


def run(run_of_case):
    """Run it and say how it was."""
    good = run_of_case.run()
    print(f"{run_of_case.name}: {'pass' if good else 'FAIL'}, "
          f"{run_of_case.done} cycles", flush=True)
    return good


def parse_args():
    """Return the checked command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("kernel", "gen-init-cpio", "busybox", "backend", "out"):
        parser.add_argument("--" + name, metavar="PATH")
    parser.add_argument("--list", action="store_true", help="the cases")
    parser.add_argument("--cases", default="cycles", metavar="A,B,...")
    parser.add_argument("--module", action="append", default=[],
                        metavar="KO", help="kernel module for the guest")
    parser.add_argument("--cycles", type=int, help="default: the case's own")
    parser.add_argument("--many", action="store_true",
                        help="the cycles of a long run")
    parser.add_argument("--jobs", type=int, default=1, metavar="N",
                        help="guests at the same time")
    parser.add_argument("--message-timeout", type=int, metavar="MS",
                        help="of the guest, instead of the case's")
    parser.add_argument("--smp", type=int, default=2)
    parser.add_argument("--memory", default="512", metavar="MIB")
    parser.add_argument("--append", default="", metavar="TEXT",
                        help="more of the kernel command line")
    parser.add_argument("--timeout", type=int, default=300, metavar="S",
                        help="silence of the guest that counts as a hang")
    args = parser.parse_args()
    if args.list:
        for name, case in CASES.items():
            print(f"{name:16}{case.what}")
        sys.exit(0)
    for name in ("kernel", "gen_init_cpio", "busybox", "backend", "out"):
        if not getattr(args, name):
            parser.error(f"--{name.replace('_', '-')} is needed")
    args.cases = args.cases.split(",")
    for name in args.cases:
        if name not in CASES:
            parser.error(f"no case \"{name}\"; see --list")
    return args


def main():
    """Run the cases that the command line names."""
    args = parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.makedirs(args.out, exist_ok=True)
    runs = [Run(args, name) for name in args.cases]
    try:
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            results = list(pool.map(run, runs))
    except subprocess.SubprocessError as err:
        sys.exit(f"error: {err}")
    with open(os.path.join(args.out, "summary.txt"), "w",
              encoding="utf-8") as summary:
        summary.write(SUMMARY + "".join(r.summary() for r in runs))
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
