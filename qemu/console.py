# SPDX-License-Identifier: GPL-2.0
"""Read and judge the guest's console: what its init and its tests print."""

import dataclasses
import re

PATHS = ("noirq", "normal")  # of virtio_noirq_test's figures
FIGURES_OF = "virtio_noirq_test"
HIBERNATED = "# hibernates to disk"  # and wants to be booted again

KTAP_LINE = re.compile(r"^(?P<not>not )?ok \d+ (?P<name>\S+)(?P<skip> # SKIP ?(?P<why>.*))?")
FIGURE_LINE = re.compile(r"^# figure (.*)")
BENCH_LINE = re.compile(r"^# bench (.*)")
CYCLE_LINE = re.compile(r"^# cycle (\d+) of (\d+)")
PLAN_LINE = re.compile(r"^1\.\.(\d+)$")
PROGRAM_LINE = re.compile(r"^# program (\S+)( ended, status (\d+))?$")
SLEPT_LINE = re.compile(r"^# slept (\d+) times$")
DONE_LINE = re.compile(r"^# guest done, status (\d+)$")
COMPLAINT_LINE = re.compile(r"^# (?:\S+\.[ch]:\d+:\w+:|kernel log: )(.+)")


@dataclasses.dataclass
class Program:
    """One test program, and its tests so far."""
    name: str
    planned: int = 0
    tests: list = dataclasses.field(default_factory=list)
    status: int = None  # exit status, once it ended

    def fault(self):
        """Return what is wrong with a program without failed tests, or ""."""
        if self.status is None:
            return f"{self.name} did not end"
        if not self.planned or len(self.tests) != self.planned:
            return (f"{self.name}: {len(self.tests)} of {self.planned} tests "
                    "ran")
        return f"{self.name} ended with {self.status}" if self.status else ""


@dataclasses.dataclass
class Log:
    """What the guest's console says."""
    programs: list = dataclasses.field(default_factory=list)
    figures: dict = dataclasses.field(default_factory=dict)
    bench: list = dataclasses.field(default_factory=list)
    complaint: str = ""  # the first check that failed, or kernel message
    cycle: tuple = ()  # (done, of all) in the test that runs
    slept: int = None  # times, as the kernel counts them
    status: int = None  # of the guest as a whole, once it is done
    panic: bool = False
    hibernated: bool = False

    @property
    def tests(self):
        """All tests that ended."""
        return [test for program in self.programs for test in program.tests]

    def program(self):
        """Return the program that runs."""
        if not self.programs:
            self.programs.append(Program("init"))
        return self.programs[-1]

    def read(self, line):
        """Take one line in."""
        if match := KTAP_LINE.match(line):
            self.program().tests.append(parse_test(match))
            self.cycle = ()
        elif match := FIGURE_LINE.match(line):
            figure = parse_figure(match[1])
            self.figures[figure.get("path")] = figure
        elif match := BENCH_LINE.match(line):
            self.bench.append(parse_figure(match[1]))
        elif match := CYCLE_LINE.match(line):
            self.cycle = int(match[1]), int(match[2])
        elif match := PLAN_LINE.match(line):
            self.program().planned = int(match[1])
        elif match := PROGRAM_LINE.match(line):
            if match[2]:
                self.program().status = int(match[3])
            else:
                self.programs.append(Program(match[1]))
        elif match := SLEPT_LINE.match(line):
            self.slept = int(match[1])
        elif match := DONE_LINE.match(line):
            self.status = int(match[1])
        elif match := COMPLAINT_LINE.match(line):
            self.complaint = self.complaint or match[1].strip()
        elif line == HIBERNATED:
            self.hibernated = True

    def progress(self):
        """Return "virtio_noirq_test, test 2 of 7, cycle 20 of 100"."""
        if not self.programs:
            return "booting"
        program = self.programs[-1]
        test = min(len(program.tests) + 1, program.planned)
        cycle = ", cycle {} of {}".format(*self.cycle) if self.cycle else ""
        return f"{program.name}, test {test} of {program.planned}{cycle}"


def parse_figure(text):
    """Return {"path": "noirq", "cycles": 20, ...}."""
    pairs = dict(pair.split("=", 1) for pair in text.split())
    return {key: int(value) if value.isdigit() else value for key, value in pairs.items()}


def parse_test(match):
    """Return one test's name, result and, for a skip, the reason."""
    result = "fail" if match["not"] else "skip" if match["skip"] else "pass"
    return {"name": match["name"], "result": result, "why": match["why"] or ""}


def parse_log(text):
    """Read a console log, which may still grow: the last line counts when it is whole."""
    log = Log(panic="Kernel panic" in text)
    for line in text[:text.rfind("\n") + 1].splitlines():
        log.read(line)
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


def program_fault(log, programs):
    """Return what is wrong with the programs that ran, or ""."""
    ran = [program.name for program in log.programs]
    if ran != programs:
        return f"not {', '.join(programs)} ran but {', '.join(ran) or 'none'}"
    return next(filter(None, (p.fault() for p in log.programs)), "")


def judge(log, programs, variant, cycles, exit_status):
    """Return (verdict, reason) of a guest that ended by itself."""
    bad = [test for test in log.tests if test["result"] != "pass"]
    failed = [test["name"] for test in bad if test["result"] == "fail"]
    fault = ""
    if log.panic:
        return "panic", "the guest's kernel panicked"
    if failed:
        fault = f"{failed[0]}: {log.complaint or 'see console.log'}"
    elif log.status is None:
        fault = f"QEMU ended (status {exit_status}) before the tests did"
    elif bad:
        return "skip", bad[0]["why"]
    else:
        fault = program_fault(log, programs)
    if not fault and FIGURES_OF in programs:
        fault = figure_fault(log, variant, cycles)
    if not fault and log.status:
        fault = f"the guest ended with {log.status}"
    return ("fail", fault) if fault else ("pass", "")
