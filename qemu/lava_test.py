#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Test what LAVA makes of consoles by the monitors of our jobs, and what KCIDB gets."""

import re
import subprocess
import types
import unittest
from unittest import mock

import kcidb
import lava
from blk import matrix

SKIPS = "nobody resizes the disk"
CONFIG = ("change_before_reset", "change_before_reset_in_noirq", "change_while_reset")
NAMES = [f"noirq.split.{name}" for name in CONFIG]
LINES = ["# program virtio_noirq_config", "TAP version 13", "1..3",
         *(line for number, name in enumerate(NAMES, 1)
           for line in (f"#            OK  {name}", f"ok {number} {name}")),
         "# PASSED: 3 / 3 tests passed.", "# program virtio_noirq_config ended, status 0",
         "# slept 9 times", "# program kernel_checks", "TAP version 13", "ok 1 lockdep", "1..1",
         "# program kernel_checks ended, status 0", "# guest done, status 0",
         "[   96.231591] reboot: Power down"]
PANIC = "[    9.1] Kernel panic - not syncing: Fatal exception"


def console(change=None, to=None, until=None):
    """Return a console on which a text is another one, and which ends before another one."""
    text = "\r\n".join([*LINES, ""])
    assert (change or until or "") in text
    text = text.replace(change or "", to) if change else text
    return text[:text.index(until)] if until else text


TESTS = [f"virtio_noirq_config.noirq_split_{name}" for name in CONFIG] + [
    "kernel_checks.lockdep", "guest.guest_done"]
# (what it is, console, which of the tests have a fault and which one, where skips are known)
CASES = (
    ("all pass", console(), {}, ""),
    ("a failure", console(f"ok 2 {NAMES[1]}", f"not ok 2 {NAMES[1]}"), {1: "fail"}, ""),
    ("a skip", console(f"ok 1 {NAMES[0]}", f"ok 1 {NAMES[0]} # SKIP needs a host"),
     {0: "skip"}, ""),
    ("a skip that is all right",
     console(f"ok 1 {NAMES[0]}", f"ok 1 {NAMES[0]} # SKIP needs a host"), {}, SKIPS),
    ("no result is no skip", console(f"ok 3 {NAMES[2]}\r\n", ""), {2: "missing"}, SKIPS),
    ("half a line", console(until=NAMES[2][-5:] + "\r\n# PASSED"),
     {2: "missing", 3: "missing", 4: "missing"}, ""),
    ("a panic", console(until=f"ok 2 {NAMES[1]}") + PANIC + "\r\n",
     {1: "missing", 2: "missing", 3: "missing", 4: "missing"}, ""),
    ("a panic at once", PANIC + "\r\n", dict.fromkeys(range(5), "missing"), ""),
    ("a check of the kernel fails", console("ok 1 lockdep", "not ok 1 lockdep"), {3: "fail"}, ""),
    ("another variant", console("noirq.split.", "noirq.packed."),
     dict.fromkeys(range(3), "missing"), ""),
    ("the guest fails", console("done, status 0", "done, status 1"), {4: "fail"}, ""))


def read_by_lava(monitors, text, size):
    """Return the results that LAVA finds, if it reads so many characters at a time."""
    found, rest = {}, ""
    pieces = (text[at:at + size] for at in range(0, len(text), size))

    def wait(*patterns):
        """Return the number and the match of what comes first, None at the end."""
        nonlocal rest
        while True:
            hits = [(hit.start(), number, hit) for number, pattern in enumerate(patterns)
                    if (hit := re.search(pattern, rest, re.DOTALL))]
            if hits:
                _, number, hit = min(hits, key=lambda one: one[:2])
                rest = rest[hit.end():]
                return number, hit
            if not (piece := next(pieces, "")):
                return None, None
            rest += piece

    for monitor in monitors:
        wait(monitor["start"])
        while hit := wait(monitor["end"], monitor["pattern"]):
            if hit[0] != 1:
                break
            name = lava.case_id(hit[1]["test_case_id"])
            result = monitor["fixupdict"][hit[1]["result"]]
            found[f"{monitor['name']}.{name}"] = result
    return found


def fake_guest(skips="", programs=("virtio_noirq_config", "kernel_checks"), **result):
    """Return a guest with two programs, and its result."""
    return types.SimpleNamespace(
        cell=types.SimpleNamespace(name="split-config", variant="split"), skips=skips,
        checks=["lockdep"], programs=lambda: list(programs),
        kernel=types.SimpleNamespace(folder="/k/arm64@v7.3", arch="arm64", image="/k/image"),
        settings=types.SimpleNamespace(qemu_version="10.0.2"),
        result={"verdict": "pass", "reason": "", "wall_s": 1.5, "tests": [], **result})


class LavaTest(unittest.TestCase):
    """The monitors of a job, and the verdict on its results."""

    def test_consoles(self):
        """Each case, read in pieces of any size."""
        for what, text, wrong, skips in CASES:
            guest = fake_guest(skips)
            job = {"actions": [{"test": {"monitors": lava.monitors(guest)}}],
                   "metadata": {"skips": guest.skips}}
            for size in (1, 7, len(text)):
                with self.subTest(what, size=size):
                    faults = lava.faults(job, read_by_lava(lava.monitors(guest), text, size))
                    self.assertEqual(faults, {name: wrong.get(number, "")
                                              for number, name in enumerate(TESTS)})


# What run_kselftest.sh says, and what LAVA's test shell is told of it
KSELFTEST = """TAP version 13
1..1
# timeout set to 900
# selftests: drivers/virtio: virtio_noirq_config
# TAP version 13
# 1..3
#  RUN           noirq.split.change_before_reset ...
# #            OK  noirq.split.change_before_reset
# ok 1 noirq.split.change_before_reset
# not ok 2 noirq.split.change_before_reset_in_noirq
# ok 3 noirq.split.change_while_reset # SKIP needs a host
# # Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0
not ok 1 selftests: drivers/virtio: virtio_noirq_config # exit=1
"""
TOLD = [f"lava-test-case {name} --result {result}" for name, result in (
    *zip(NAMES, ("pass", "fail", "skip")), ("virtio_noirq_config", "fail"))]


class ShellTest(unittest.TestCase):
    """The job in the form that others run."""

    def test_told(self):
        """Each result by its name, and a program's, as far as it said them."""
        for lines in range(KSELFTEST.count("\n") + 1):
            text = "".join(KSELFTEST.splitlines(keepends=True)[:lines])
            with self.subTest(lines=lines):
                told = subprocess.run(["sed", "-nE", lava.TO_LAVA], input=text, text=True,
                                      check=True, stdout=subprocess.PIPE).stdout.splitlines()
                self.assertEqual(told, TOLD[:len(re.findall("^(?:# )?(?:not )?ok ", text, re.M))])

    def test_faults(self):
        """What is expected: the tests, and their program."""
        one = lava.definition(fake_guest(programs=["virtio_noirq_config"]))
        self.assertEqual(one["expected"], [*NAMES, "virtio_noirq_config"])
        job = {"actions": [{"test": {"definitions": [one]}}], "metadata": {"skips": ""}}
        results = {f"0_kselftest.{name}": "pass" for name in one["expected"][1:]}
        self.assertEqual(lava.faults(job, results), {
            f"0_kselftest.{name}": "" if number else "missing"
            for number, name in enumerate(one["expected"])})


class ServerTest(unittest.TestCase):
    """What is made of a server's results."""

    def differ(self, skips="", **changes):
        """Return the tests that differ, if some results in LAVA are others."""
        job = {"actions": [{"test": {"monitors": lava.monitors(fake_guest())}}],
               "metadata": {"skips": skips}}
        here = {"tests": [{"name": name, "result": "pass"} for name in [*NAMES, "lockdep"]]}
        there = {**dict.fromkeys(TESTS, "pass"), **{TESTS[int(number[1:])]: result
                                                    for number, result in changes.items()}}
        there = {name: result for name, result in there.items() if result}
        return lava.differences(job, {**there, "lava.job": "pass"}, here)

    def test_differences(self):
        """Of the tests alone, one by one; a skip that is known is none."""
        self.assertEqual(self.differ(), [])
        self.assertEqual(self.differ(_0="fail"), [
            "noirq_split_change_before_reset: fail in LAVA, pass here"])
        self.assertEqual(self.differ(_3=None), ["lockdep: missing in LAVA, pass here"])
        self.assertEqual(len(self.differ(_1="skip")), 1)
        self.assertEqual(self.differ(SKIPS, _1="skip"), [])

    def test_side_by_side(self):
        """At the same time on two devices, not one after the other or on one."""
        for spans, good in (("a13 b24", True), ("a12 b23", False), ("a14 a23", False),
                            ("a13", False)):
            shown = [{"device": one[0], "start_time": one[1], "end_time": one[2]}
                     for one in spans.split()]
            self.assertEqual(lava.side_by_side(shown), good, spans)


class KcidbTest(unittest.TestCase):
    """The rules of KCIDB's schema, version 5.3."""

    ORIGIN = re.compile(r"[a-z0-9_]+")
    PATH = re.compile(r"[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*")
    HASH = re.compile(r"([0-9a-f]{64})?")
    NEEDS = {"checkouts": (), "builds": ("checkout_id",), "tests": ("build_id",)}
    MAY = {"checkouts": {"tree_name", "git_commit_name", "patchset_hash"},
           "builds": {"status", "architecture", "config_name"},
           "tests": {"path", "status", "start_time", "duration", "environment", "comment"}}
    STATUS = {"FAIL", "ERROR", "MISS", "PASS", "DONE", "SKIP"}

    def check(self, report):
        """Check a report; all that is named in it is in it."""
        self.assertEqual(report["version"], {"major": 5, "minor": 3})
        ids = {}
        for kind, needs in self.NEEDS.items():
            for one in report[kind]:
                self.assertRegex(one["origin"], f"^{self.ORIGIN.pattern}$")
                self.assertTrue(one["id"].startswith(one["origin"] + ":"))
                self.assertNotIn(one["id"], ids)
                ids[one["id"]] = kind
                self.assertNotIn(None, one.values())
                self.assertLessEqual(set(one), {"id", "origin", *needs, *self.MAY[kind]})
                for need in needs:
                    self.assertEqual(ids[one[need]], need.removesuffix("_id") + "s")
                self.assertIn(one.get("status", "PASS"), self.STATUS)
                self.assertTrue(self.PATH.fullmatch(one.get("path", "a")), one.get("path"))
                self.assertTrue(self.HASH.fullmatch(one.get("patchset_hash", "")))

    def report(self, *guests, patches=()):
        """Return the report of guests, on files that have their name as content."""
        with mock.patch("kcidb.digest", lambda path: f"{hash(path) & (1 << 256) - 1:064x}"):
            return kcidb.report(guests, patches, 1e9)

    def test_report(self):
        """Of all verdicts and results."""
        tests = [{"name": f"noirq.split.a b: {result}", "result": result, "why": "no disk"}
                 for result in ("pass", "fail", "skip")]
        report = self.report(*(fake_guest(verdict=verdict, tests=tests, reason="why")
                               for verdict in ("pass", "fail", "panic", "timeout", "not run")),
                             patches=("a", "b"))
        self.check(report)
        status = [one["status"] for one in report["tests"]]
        self.assertEqual(status[::4], ["PASS", "FAIL", "FAIL", "FAIL", "MISS"])
        self.assertEqual(status[1:4], ["PASS", "FAIL", "SKIP"])
        self.assertEqual(len(report["checkouts"][0]["patchset_hash"]), 64)

    def test_v73(self):
        """Without patches there is no hash of them."""
        report = self.report(fake_guest())
        self.check(report)
        self.assertEqual(report["checkouts"][0]["patchset_hash"], "")

    def test_names(self):
        """All guests of the matrix have a name that is a path."""
        for name in matrix.cells():
            self.assertTrue(self.PATH.fullmatch(kcidb.test_path(name)), name)


if __name__ == "__main__":
    unittest.main()
