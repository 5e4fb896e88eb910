# SPDX-License-Identifier: GPL-2.0
"""Guests whose clock, regulator and power domain are behind SCMI over virtio."""

import os
import re
import select
import subprocess
import sys
import tempfile

import guest
from scmi import judge
from scmi.cases import CASES, HIBERNATION
from scmi.control import Backend
from tables import configs

HERE = os.path.dirname(os.path.abspath(__file__))
SETS = {
    "full": "all cases, for very many cycles, and with all debug checks",
    "check": "few cases and cycles", "default": "all cases"}
CHECK = ("cycles", "busy", "killed")
CHECK_CYCLES = 3
FAIL_CYCLES = 2     # of a kernel that cannot do it
FAIL_TIMEOUT_MS = 1000
SWAP_PLACE = 0      # the virtio-mmio bus of the swap disk
PLACE = 31          # that of the device, if nothing else is said
CPUS = 2
WAKES = "/ { virtio_mmio@%s { wakeup-source; }; };"
TIMEOUT = "/ { firmware { scmi { arm,max-rx-timeout-ms = <%d>; }; }; };"


def cells():
    """Return all cells, by the names they can be asked for."""
    return {case.name: case for case in CASES}


def guests(subset):
    """Return the (config, cell) of a set."""
    return [(config.name, case) for config in configs("scmi", subset)
            for case in CASES if subset != "check" or case.name in CHECK]


class Guest(guest.Followed):
    """One case, on one kernel."""

    machine_options = ",memory-backend=mem"
    least_memory = 512
    loglevel = 7
    root = "scmi"
    selftests = False
    expectation = "fails in the noirq phase, as expected"
    needs_host = "its device is a program on the host"

    def __init__(self, cell, settings):
        if cell.sleep in HIBERNATION:
            self.swap = SWAP_PLACE
        self.backend = None
        super().__init__(cell, settings)
        self.judge = judge.Judge(cell, self.cycles)

    @classmethod
    def prepare_all(cls, settings, cells):
        """Build the back-end."""
        folder = os.path.join(settings.out, "backend")
        done = subprocess.run(["make", "-s", "-C", HERE + "/backend",
                               "O=" + folder], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.exit(f"error: the back-end does not build: "
                     f"{done.stdout.strip()}; mend {HERE}/backend")

    @classmethod
    def table(cls, guests):
        """Return a line for each guest that ran."""
        return judge.SUMMARY + "".join(guest.result["summary"] for guest in guests)

    @property
    def program(self):
        """The back-end."""
        return os.path.join(self.settings.out, "backend", "scmi-backend")

    def programs_on_host(self):
        """Return the programs besides QEMU that it needs."""
        return [self.program]

    def own_cycles(self):
        """Return the sleep cycles if nobody asked for a number."""
        many = self.settings.set == "full" and not self.kernel.is_slow
        if self.settings.expect == "fail":
            return FAIL_CYCLES
        if self.settings.set == "check":
            return CHECK_CYCLES
        return many and self.cell.many or self.cell.cycles

    def cycles_done(self):
        """Return how many of them were seen."""
        return self.judge.done

    @property
    def share(self):
        """Return how much of a job the guest is: most sleep or wait."""
        return CPUS if self.kernel.is_slow else 1 / 2

    def progress(self):
        """Return "busy (cycle 3 of 20)"."""
        return f"{self.cell.name} (cycle {self.judge.done} of {self.cycles})"

    def environment(self):
        """Return what init finds in its environment."""
        case = self.cell
        return {"scmi_cycles": self.cycles, "scmi_sleep": case.sleep,
                "scmi_wake": case.wake, "scmi_module": f'"{case.module}"',
                "scmi_reload": case.reload, "scmi_resume": 1 if self.boots else "",
                "printk.devkmsg": "on", **dict(word.split("=") for word in case.append.split())}

    def machine(self):
        """Return QEMU's arguments for the machine."""
        return ["-object", "memory-backend-memfd,id=mem,share=on,"
                f"size={self.memory}M", "-smp", str(CPUS), "-rtc", "base=2026-01-01",
                "-global", "virtio-mmio.force-legacy=false"]

    def devices(self):
        """Return QEMU's arguments for the devices and the console."""
        return ["-chardev", "stdio,id=console,signal=off,logappend=on,"
                f"logfile={self.path('console.log')}", "-serial", "chardev:console",
                "-chardev", f"socket,id=scmi,path={self.backend.socket},"
                "server=on,wait=on", "-device", self.cell.device + ",chardev=scmi"]

    def device_tree(self):
        """Return the platform behind the device, and its consumer."""
        timeout = FAIL_TIMEOUT_MS if self.settings.expect == "fail" \
            else self.cell.timeout_ms
        with open(os.path.join(HERE, "scmi.dts"), encoding="utf-8") as file:
            tree = file.read() + TIMEOUT % timeout
        if self.cell.wakes:
            tree += WAKES % guest.address(PLACE)
        return tree

    def try_again(self):
        """Leave what it did aside; return one line about it."""
        self.judge = judge.Judge(self.cell, self.cycles)
        return super().try_again()

    def live(self):
        """Boot the guest, again if it wants so, and follow it to its end."""
        options = list(self.cell.options)
        if self.cell.asleep in ("kill", "restart"):
            options += ["--state", self.path("state")]
        # The path of a socket must be short.
        with tempfile.TemporaryDirectory(prefix="scmi-") as sockets:
            try:
                self.backend = self.judge.backend = Backend(
                    self.program, sockets, self.path("backend.log"), options)
                self.boot_and_follow()
            except TimeoutError:
                self.judge.expect("cycles", False, "the guest hung after "
                                  f"cycle {self.judge.done}")
            except OSError as err:
                self.judge.expect("cycles", False, str(err))
            finally:
                if self.backend:
                    self.backend.kill()

    def boot_and_follow(self):
        """Do so, as often as the machine is switched off by the case."""
        for _ in range(1 + self.cycles * (self.cell.sleep == "shutdown")):
            self.boot(stdout=subprocess.PIPE)
            try:
                if self.follow() or self.stopping:
                    return
            finally:
                self.end_qemu()
            # The machine was off, and so was what is behind the back-end.
            self.backend.kill()
            self.backend.start()
        self.judge.expect("cycles", False, "the guest ended early, after "
                          f"{self.judge.done} cycles")

    def follow(self):
        """Follow the console to its end; return whether that was the end."""
        ended = False
        for line in self.lines():
            if ended:
                continue
            text = re.sub(r"^\[ *[\d.]+\] ", "", line)
            if text.startswith("@@ "):
                self.judge.handshake(text.split()[1:])
                ended = text == "@@ end"
                self.process.stdin.write(b"\n")
            else:
                self.judge.take(text)
        return ended

    def lines(self):
        """Yield the console's lines; look at the platform in between."""
        looks = bool(self.cell.asleep)
        rest, lines = b"", []
        while not self.patience.exhausted(self.process.pid, lines):
            lines = []
            ready, _, _ = select.select([self.process.stdout], [], [], 0.1 if looks else 1)
            if not ready:
                if looks:
                    self.judge.look()
                continue
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace").strip("\r")
        raise TimeoutError

    def end(self):
        """Write the result."""
        self.judge.judge()
        self.write("report.txt", self.judge.report())
        faults = self.judge.all_faults
        self.write_result("fail" if faults else "pass",
                          faults[0] if faults else "", self.judge.tests,
                          summary=self.judge.summary())

    def failed_as_expected(self, verdict):
        """Return whether the consumer's requests failed in the noirq phase."""
        return self.judge.bad_errors["resume_noirq"] > 0
