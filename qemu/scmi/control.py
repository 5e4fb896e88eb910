# SPDX-License-Identifier: GPL-2.0
"""The SCMI device: the program in backend/, and what it says about itself."""

import os
import re
import socket
import subprocess
import time

from guest import die_with_parent

HOST = 60  # seconds that a busy host may take for anything


class Backend:
    """The program, started again as often as a case wants."""

    def __init__(self, program, folder, log, options):
        self.socket = os.path.join(folder, "qemu")
        self.control = os.path.join(folder, "control")
        self.log = log
        self.command = [program, "--connect", self.socket, "--control", self.control, *options]
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
            self.process.stdout.close()
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
        """Return (clock enabled, rate, supply enabled, domain on, level, resets)."""
        text = self.ask("state " + when)
        clock = re.search(r"^clock 1 \S+ enabled (\d) rate (\d+)", text, re.M)
        supply = re.search(r"^supply 0 \S+ enabled (\d) level (\d+)", text, re.M)
        domain = re.search(r"^domain 1 \S+ on (\d)", text, re.M)
        reset = re.search(r"^reset 1 .*count (\d+)", text, re.M)
        return tuple(map(int, (clock[1], clock[2], supply[1], domain[1], supply[2], reset[1])))

    def is_off(self, when=""):
        """Whether all that the consumer uses is off on the platform."""
        clock, _, supply, domain, *_ = self.state(when)
        return not (clock or supply or domain)

    def counter(self, name):
        """Return one of the counters."""
        return int(re.search(rf"^{name} (\d+)$", self.ask("counters"), re.M)[1])

    def act(self, what):
        """Do something to it: a command, or one of a few words."""
        if what in ("kill", "restart"):
            self.kill()
        if what in ("start", "restart"):
            self.start()
            self.wait_for_qemu()
        elif what == "notify":
            for _ in range(5):
                self.ask("notify clock 1")
        elif what != "kill":
            self.ask(what)
