# SPDX-License-Identifier: GPL-2.0
"""Compares what the guest says of itself with what the back-end says."""

import collections
import re
import time

from scmi.cases import HIBERNATION, REAL

TABLE_LINE = re.compile(
    r"(\w+) requests (\d+) polled (\d+) asleep (\d+) answered (\d+) "
    r"errors (\d+) us (\d+) max_us (\d+)$")
NOIRQ = ("suspend_noirq", "resume_noirq")
BAD_LOG = re.compile(r"timed out|WARNING|BUG:|KASAN|refcount_t|possible "
                     r"(recursive|circular)|inconsistent lock|Unbalanced|"
                     r"not expected|failed to add|still in flight|"
                     r"PM: .* error -|suspicious RCU|sleeping function|"
                     r"virtio_scmi_test \S+: .* after \d+ us")
# v7.3's own, see virtio_noirq_log_allowed of the selftests
KNOWN_LOG = re.compile(r"pl061: Unbalanced pm_runtime_enable!")
# Both queues have an interrupt: a delayed response can be seen first. The SCMI core takes
# it, and does not expect the other any more if whoever waited has left by then.
OVERTOOK = re.compile(r"Received valid OoO Delayed Response for (\d+)$")
OVERTAKEN = re.compile(r"Message for (\d+) type 0 is not expected!$")
USES = 5    # phases in which the consumer uses all that it has
READ_LIMIT_US = 300_000_000  # a message in flight is waited for for 2 s

Phase = collections.namedtuple("Phase", "requests polled asleep answered errors us max_us")
NOTHING = Phase(0, 0, 0, 0, 0, 0, 0)

SUMMARY = """\
                  sleep  in noirq:              longest    all
case             cycles  requests  answered    request    off  verdict
"""


class Judge:
    """Judges one case, cycle by cycle and then as a whole."""

    def __init__(self, case, cycles):
        self.case = case
        self.cycles = cycles
        self.backend = None
        self.faults = {}    # by what was looked at, in this order
        self.phases = {}
        self.before = {}    # what the phases were a cycle ago
        self.values = {}
        self.counters = {}
        self.done = 0       # cycles
        self.started = 0.0  # the cycle that runs
        self.times = []     # s, of each cycle
        self.stops = 0      # of the device, before this cycle
        self.dead_and_off = False   # as a failed restore has left it
        self.off_cycles = 0
        self.wrong_cycles = 0
        self.bad_errors = collections.Counter()
        self.log_faults = collections.Counter()
        self.overtaken = set()  # messages whose response has not been seen yet
        self.platform = ""
        self.acted = False

    @property
    def longest(self):
        """How long the longest cycle took, in seconds."""
        return max(self.times, default=0)

    @property
    def all_faults(self):
        """What is not as it has to be."""
        return [fault for faults in self.faults.values() for fault in faults]

    @property
    def tests(self):
        """What was looked at, and how it was."""
        return [{"name": name, "result": "fail" if faults else "pass"}
                for name, faults in self.faults.items()]

    def expect(self, what, good, fault=""):
        """Note that something was looked at; and a fault, once each."""
        faults = self.faults.setdefault(what, [])
        if not good and fault not in faults:
            faults.append(fault)

    # ---- what the guest says

    def take(self, line):
        """Take a line of the console, without its time."""
        if line.startswith("@ "):
            self.words(line[2:])
        elif match := OVERTOOK.search(line):
            self.overtaken.add(match[1])
        elif self.is_bad(line):
            self.log_faults[re.sub(r"\d+ (us|type)", r"N \1", line)] += 1

    def words(self, text):
        """Take a line that the guest says about itself."""
        if match := TABLE_LINE.match(text):
            self.phases[match[1]] = Phase(*map(int, match.groups()[1:]))
        elif match := re.match(r"counter (\w+) (\d+)$", text):
            self.counters[match[1]] = int(match[2])
        else:
            name, _, value = text.partition(" ")
            self.values[name] = value

    def is_bad(self, line):
        """Whether this line of the kernel log tells of a fault."""
        if self.case.log and re.search(self.case.log, line):
            return False
        if (match := OVERTAKEN.search(line)) and match[1] in self.overtaken:
            self.overtaken.remove(match[1])
            return False
        return BAD_LOG.search(line) and not KNOWN_LOG.search(line)

    # ---- while the guest stands still

    def handshake(self, words):
        """Look at the platform, ask for faults."""
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
            self.dead_and_off = self.backend.is_off() and \
                not self.backend.counter("cmdq_running")

    def look(self):
        """See whether the guest sleeps, and do what is to be done then."""
        if self.backend.process and not self.acted and \
                self.started and self.done < self.cycles and \
                self.is_faulty(self.done + 1) and self.backend.is_off() and \
                not self.backend.counter("cmdq_running"):
            self.acted = True
            self.backend.act(self.case.asleep)

    def is_faulty(self, cycle):
        """Whether something is done to the back-end in this cycle."""
        return cycle and self.case.faulty and \
            (cycle - 1) % self.case.faulty == 0

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
        self.times.append(time.monotonic() - self.started)
        # What it was killed for is that all was off.
        killed = self.acted and self.case.asleep in ("kill", "restart")
        self.off_cycles += killed or self.dead_and_off or \
            self.backend.is_off("stop") and \
            self.backend.counter("stops") > self.stops
        self.acted = False
        self.check_errors()
        if faulty and self.case.awake:
            self.backend.act(self.case.awake)
            return
        state = self.backend.state()
        self.platform = self.backend.ask("state")
        wanted = (1, int(self.values["rate"]), 1, 1 if self.case.domain else state[3],
                  int(self.values["level"]) or state[4], int(self.values["resets"]))
        if state != wanted and not (faulty and self.case.module and self.case.errors):
            self.wrong_cycles += 1
            self.expect("platform", self.wrong_cycles > 1,
                        f"cycle {self.done}: the platform has {state}, "
                        f"expected {wanted} (clock, rate, supply, domain, level, "
                        "resets)")

    def check_notifications(self):
        """Whatever the platform sent has arrived."""
        sent = self.backend.counter("events")
        got = (self.counters["notification_ok"] + self.counters["delayed_response_ok"])
        late = (self.backend.counter("events_waiting") + self.backend.counter("events_dropped"))
        text = (f"{sent} sent, {got} received, {late} that the guest had no buffer for")
        self.values["notifications"] = text
        for name in self.case.responses:
            delayed, commands = self.backend.counter(f"responses {name}"), USES * self.done
            self.expect("delayed responses", delayed >= commands, f"delayed responses of {name}: "
                        f"{delayed}, the consumer has made {commands} commands")
        if self.case.notified:
            self.expect("notifications", sent == got and not late, "notifications: " + text)

    # ---- in the end

    def judge_phases(self):
        """How the consumer's requests were answered."""
        case = self.case
        self.expect("errors", True)
        for name, errors in self.bad_errors.items():
            self.expect("errors", False, f"{name}: {errors} errors")
        if case.errors:
            self.expect("errors", any(self.phases.get(name, NOTHING).errors
                                      for name in case.errors),
                        f"no errors in {', '.join(case.errors)}, so the fault "
                        "was not there")
        for name in NOIRQ:
            phase = self.phases.get(name, NOTHING)
            self.expect(name, (phase.asleep or not case.reached) and not phase.polled,
                        f"{name}: {phase.asleep} of {phase.requests} requests waited asleep, "
                        f"{phase.polled} by polling")
            self.expect(name, case.errors or phase.answered == phase.requests,
                        f"{name}: {phase.answered} of {phase.requests} "
                        "requests answered")

    def judge_reads(self):
        """How the messages of the second thread ended."""
        case = self.case
        reads = self.phases.get("reads", NOTHING)
        if case.answered:
            waits = self.values.get("waits")
            self.expect("reads", reads.answered == reads.asleep == reads.requests >= self.cycles
                        and not reads.errors and waits == str(self.cycles),
                        f"reads: {reads}, {waits} waited for; expected {self.cycles}, all answered")
        elif case.reads:
            self.expect("reads", reads.requests == reads.errors == self.cycles
                        and not reads.polled and not reads.answered and
                        reads.max_us < READ_LIMIT_US,
                        f"reads: {reads}, expected {self.cycles} that wait in "
                        f"vain, {READ_LIMIT_US} us at most")

    def judge_sleeps(self):
        """How often the guest slept, how long, and what was off meanwhile."""
        case = self.case
        if case.off and case.sleep == REAL:
            self.expect("off in sleep", self.off_cycles == self.done,
                        f"off on the platform in {self.off_cycles} of {self.done} sleeps")
        if case.sleep not in HIBERNATION:
            sleeps = self.done
            if case.reload == "driver":
                sleeps += self.done - 1
            done = (0, sleeps) if case.aborts else (sleeps, 0)
            text = f"{done[0]} failed {done[1]}"
            self.expect("suspends", self.values.get("suspends") == text,
                        f"suspends: {self.values.get('suspends')}, expected {text}")
        self.expect("time", self.longest < case.limit, f"a cycle took "
                    f"{self.longest:.1f} s, {case.limit} are the limit")
        if case.off and case.sleep == REAL:
            # The alarm has whole seconds.
            self.expect("time", min(self.times, default=0) > case.wake - 1,
                        f"a cycle took {min(self.times, default=0):.1f} s, but the alarm "
                        f"comes after {case.wake - 1} to {case.wake}: something else woke it")

    def judge(self):
        """Compare with what noirq support promises."""
        self.expect("cycles", self.done == self.cycles, f"{self.done} of {self.cycles} cycles")
        self.judge_phases()
        self.judge_reads()
        self.expect("counters", True)
        for name, value in self.counters.items():
            self.expect("counters", not value or (
                name != "xfers_inflight" and ("timeout" not in name or self.case.log)),
                f"counter {name} is {value}")
        self.expect("platform", not self.wrong_cycles, "the platform was in a "
                    f"wrong state after {self.wrong_cycles} cycles")
        self.judge_sleeps()
        self.expect("kernel log", True)
        for line, n in self.log_faults.items():
            self.expect("kernel log", False, f"kernel log, {n} times: {line}")

    def report(self):
        """Return what happened, as text."""
        case = self.case
        text = [f"{case.name}: {case.what}", "",
                "                                        waited by        "
                "  time of a request, us", "phase          requests answered    polling    asleep "
                "errors      mean   longest"]
        text += [f"{name:14} {phase.requests:8} {phase.answered:8} "
                 f"{phase.polled:10} {phase.asleep:9} {phase.errors:6} "
                 f"{phase.us // max(1, phase.polled + phase.asleep):9} "
                 f"{phase.max_us:9}" for name, phase in self.phases.items()
                 if name != "reads" or phase.requests]
        text += [f"cycles: {self.done}, the longest {self.longest:.1f} s; "
                 f"suspends: {self.values.get('suspends')}"]
        text += ["notifications: " + self.values.get("notifications", "?")]
        if "thread=1" in case.module:
            text += [f"thread: {self.values.get('thread')}"]
        text += ["SCMI core: " + ", ".join(f"{n} {v}" for n, v in self.counters.items() if v)]
        text += ["back-end: clock, supply and domain off in "
                 f"{self.off_cycles} of {self.done} sleeps; after the last:"]
        text += ["  " + line for line in self.platform.splitlines()
                 if re.match("clock [01]|supply 0|domain 1", line)]
        text += [f"not as it has to be: {fault}" for fault in self.all_faults]
        return "\n".join(text) + "\n"

    def summary(self):
        """Return a line of the table that SUMMARY begins."""
        noirq = [self.phases.get(name, NOTHING) for name in NOIRQ]
        return (f"{self.case.name:16}{self.done:7}{sum(p.requests for p in noirq):10}"
                f"{sum(p.answered for p in noirq):10}"
                f"{max(p.max_us for p in noirq) / 1000:9.1f} ms{self.off_cycles:7}  "
                f"{'FAIL' if self.all_faults else 'pass'}\n")
