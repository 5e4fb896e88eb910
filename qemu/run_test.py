#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Test which guests are given up, and which are run again."""

import contextlib
import io
import itertools
import os
import subprocess
import sys
import tempfile
import time
import types
import unittest
from unittest import mock

import run
from guest import Guest
from patience import MOST, STARVED, Patience

LIMIT = 0.5  # seconds
SPIN = [sys.executable, "-c", "while True: pass"]
LOOPS = 8


def share_one():
    """Run on the first processor."""
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


class PatienceTest(unittest.TestCase):
    """Programs in place of QEMU."""

    def start(self, command, **options):
        """Run a program until the end of the test; return its number."""
        # pylint: disable-next=consider-using-with
        program = subprocess.Popen(command, **options)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        return program.pid

    def give_up(self, pid, until=MOST * LIMIT + 2, progress=False):
        """Return how long it takes to lose patience with it, or None; and the patience."""
        patience, start = Patience(LIMIT), time.monotonic()
        while (passed := time.monotonic() - start) < until:
            if patience.exhausted(pid, progress):
                return passed, patience
            time.sleep(0.02)
        return None, patience

    def test_sleeps(self):
        """One that does nothing."""
        passed, patience = self.give_up(self.start(["sleep", "60"]))
        self.assertGreaterEqual(passed, LIMIT)
        self.assertLess(patience.share, STARVED)

    def test_spins(self):
        """One that keeps a processor busy is given up, however busy the host is."""
        passed, _ = self.give_up(self.start(SPIN))
        self.assertGreaterEqual(passed, LIMIT)

    def test_progress(self):
        """One that gets on is not."""
        passed, _ = self.give_up(self.start(SPIN), 3 * LIMIT, progress=True)
        self.assertIsNone(passed)

    def simulate(self, waited):
        """Return give_up() of threads that have waited for waited(seconds passed)."""
        ticks = (number / 1000 for number in itertools.count())
        clock = mock.patch("time.monotonic", lambda: next(ticks))
        waits = mock.patch("patience.waited", lambda _: waited(next(ticks)))
        with clock, waits, mock.patch("time.sleep"):
            return self.give_up(os.getpid())

    def test_threads(self):
        """Of threads that wait at the same time, one counts."""
        passed, patience = self.simulate(lambda now: dict.fromkeys("abc", now / 3))
        self.assertLess(passed, 2 * LIMIT)
        self.assertLess(patience.share, 1 / 2)

    def test_late(self):
        """What the kernel tells late counts, too, and what a thread waited that has ended."""
        passed, patience = self.simulate(
            lambda now: {"a": int(10 * now) / 10} if now < 2 * LIMIT else {})
        self.assertGreater(passed, 2 * LIMIT)
        self.assertGreater(patience.share, STARVED)

    def test_starves(self):
        """One that gets no processor is given up late, but is."""
        for _ in range(LOOPS):
            self.start(SPIN, preexec_fn=share_one)
        passed, patience = self.give_up(self.start(SPIN, preexec_fn=share_one))
        self.assertGreater(passed, 2 * LIMIT)
        self.assertGreater(patience.share, STARVED)


class FakeGuest:
    """One that takes a step to run, and ends so: pass, fail, or fail on a busy host."""
    started = 0
    share = 1
    cycles = 0
    tries = 1
    result = {"verdict": "not run"}

    def __init__(self, *ends):
        self.ends = list(ends)
        self.end = ""

    def start(self):
        """Do nothing."""

    def stop(self):
        """Do nothing."""

    def write_result(self, *_):
        """Nor here."""

    def cycles_done(self):
        """Return 0."""
        return 0

    def ended(self):
        """Take the next end."""
        self.end = self.ends.pop(0)
        return True

    @property
    def starved(self):
        """Return why it may be the host's doing."""
        return "starved" if self.end == "starved" else ""

    def try_again(self):
        """Count."""
        self.tries += 1
        return ""

    def summary(self):
        """Return the end."""
        return self.end


class StarvedTest(unittest.TestCase):
    """What may be the host's doing."""

    def look(self, verdict, log, share=0, mutant=None):
        """Return what a guest says of its failure."""
        guest = Guest.__new__(Guest)
        guest.result = {"verdict": verdict}
        guest.settings = types.SimpleNamespace(mutant=mutant)
        guest.patience = types.SimpleNamespace(share=share)
        with tempfile.TemporaryDirectory() as guest.folder:
            guest.write("qemu.log", log)
            return guest.starved

    def test_starved(self):
        """A failure after a long wait, or by QEMU's race."""
        race = "physmem.c:2678: iotlb_to_section: Assertion `section_index < d' failed."
        self.assertIn("30 %", self.look("fail", "", 0.3))
        # Those that have to fail, and mutants, do not fail so.
        for verdict, mutant in ("fail", None), ("pass", None), ("fail", "mutant"):
            self.assertIn("race in QEMU", self.look(verdict, race, mutant=mutant))
        for verdict, log, share, mutant in (
                ("fail", "", 0, None), ("fail", "hw_init: Assertion `x' failed.", 0, None),
                ("pass", "", 0.3, None), ("fail", "", 0.3, "mutant")):
            self.assertEqual(self.look(verdict, log, share, mutant), "")


class RunnerTest(unittest.TestCase):
    """Guests that are run again."""

    def run_all(self, *guests, jobs=2):
        """Run them; return how many ran at a time, whenever one ended."""
        runner, beside = run.Runner(guests, jobs), []
        look = runner.look

        def count():
            beside.append(len(runner.running))
            look()

        runner.look = count
        with contextlib.redirect_stdout(io.StringIO()):
            runner.run()
        self.assertEqual(set(runner.done), set(guests))
        return beside

    def test_again(self):
        """One that starved, alone and at the end."""
        guests = FakeGuest("starved", "pass"), FakeGuest("pass"), FakeGuest("pass")
        self.assertEqual(self.run_all(*guests), [2, 1, 1])
        self.assertEqual([guest.end for guest in guests], ["pass"] * 3)

    def test_not_again(self):
        """One that failed on its own, and one that starved twice."""
        guests = FakeGuest("fail"), FakeGuest("starved", "starved")
        self.assertEqual(self.run_all(*guests), [2, 1])
        self.assertEqual([guest.tries for guest in guests], [1, 2])


if __name__ == "__main__":
    unittest.main()
