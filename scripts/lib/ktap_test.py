#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Test that what ktap.py reads is what was printed, and what is missing a failure."""

import io
import os
import tempfile
import unittest

from ktap import FAILED, Printer, read_part

# (what it is, KTAP, passed, failures, skips)
CASES = (
    ("all pass", "1..2\nok 1 a\nok 2 b", 2, [], []),
    ("the plan comes last", "ok 1 a\n1..1", 1, [], []),
    ("a failure", "1..2\nok 1 a\nnot ok 2 b", 1, ["b"], []),
    ("a skip", "1..1\nok 1 a # SKIP no disk", 0, [], [("a", "no disk")]),
    ("all skipped", "1..0 # SKIP no disk", 0, [], [("(all)", "no disk")]),
    ("an expected failure", "1..1\nnot ok 1 a # XFAIL yes", 1, [], []),
    ("an expected failure, as kselftest.h says it", "1..1\nok 1 a # XFAIL yes", 1, [], []),
    ("an expected failure of a part",
     "1..1\n    1..1\n    not ok 1 a # XFAIL yes\nnot ok 1 c # XFAIL yes", 1, [], []),
    ("a failure of a part is expected of none",
     "1..1\n    1..1\n    not ok 1 a\nnot ok 1 c # XFAIL yes", 0, ["a"], []),
    ("nothing", "", 0, ["no results in FILE"], []),
    ("half a line", "1..2\nok 1 a\nnot o", 1, ["1 results where 2 were planned"], []),
    ("the end is missing", "ok 1 a\nok 2 b", 2,
     ["no plan, so that it did not come to its end"], []),
    ("results are lost", "1..1\n    ok 1 a\n    ok 4 d\nok 1 c", 2,
     ["2 results are lost before d"], []),
    ("what is quoted is no result",
     "1..1\n# |     ok 4 d\n# | not ok 9 e\n# | 1..9\nok 1 a", 1, [], []),
    ("more than planned", "1..1\nok 1 a\nok 2 b", 2, ["2 results where 1 were planned"], []),
    ("a number alone", "1..1\nnot ok 1", 0, ["test 1"], []),
    ("kernel times", "[    0.10] 1..1\n[    0.20] ok 1 a", 1, [], []),
    ("nested", "1..1\n    1..2\n    ok 1 a\n    ok 2 b\nok 1 c", 2, [], []),
    ("nested, and no more", "    1..1\n    ok 1 a", 1,
     ["no result and no plan of its own, so that it did not come to its end"], []),
    ("nested, as kselftest does", "1..1\n# 1..1\n# ok 1 a\nok 1 c", 1, [], []),
    ("a nested failure counts once", "1..1\n    1..2\n    ok 1 a\n    not ok 2 b\nnot ok 1 c",
     1, ["b"], []),
    ("a nested plan is not kept", "1..1\n    1..2\n    ok 1 a\nok 1 c",
     1, ["1 results where 2 were planned"], []),
    ("the sum of passes fails", "1..1\n    1..1\n    ok 1 a\nnot ok 1 c",
     1, ["c (none of its parts failed)"], []),
    ("the same, deeper", "1..1\n    1..1\n        1..1\n        ok 1 a\n    not ok 1 b\nnot ok 1 c",
     1, ["b (none of its parts failed)"], []))


class KtapTest(unittest.TestCase):
    """The reader and the printer."""

    def read(self, text):
        """Returns what read_part() finds in a text."""
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", delete=False) as file:
            file.write(text)
        self.addCleanup(os.unlink, file.name)
        part = read_part("part", file.name)
        part.failures = [text.replace(file.name, "FILE").removeprefix("part: ")
                         for text in part.failures]
        return part

    def test_read(self):
        """Counts and names, for each case."""
        for what, text, passed, failures, skips in CASES:
            with self.subTest(what):
                part = self.read(text)
                self.assertEqual((part.passed, part.failures, part.skips),
                                 (passed, failures, skips))

    def test_no_file(self):
        """What was never written is a failure."""
        self.assertEqual(len(read_part("part", "/nonexistent/ktap").failures), 1)

    def test_names(self):
        """A leaf is called after all that it is part of."""
        part = self.read("1..1\n    1..1\n        1..1\n        ok 1 a\n    ok 1 b\nok 1 c")
        self.assertEqual(part.results, [("c.b.a", True)])

    def test_print(self):
        """What is printed is read again."""
        file = io.StringIO()
        ktap = Printer(file=file)
        parts = ktap.parts(2)
        parts.result(True, "a")
        parts.result(False, "b", "two\nlines")
        ktap.result(False, "c")
        ktap.result(True, "d", skip="no disk")
        self.assertEqual(ktap.end(), FAILED)
        self.assertEqual(file.getvalue(), """\
KTAP version 1
    KTAP version 1
    1..2
    ok 1 a
    # two
    # lines
    not ok 2 b
not ok 1 c
ok 2 d # SKIP no disk
1..2
""")
        part = self.read(file.getvalue())
        self.assertEqual((part.results, part.failures, part.skips),
                         ([("c.a", True), ("c.b", False), ("d", False)], ["b"], [("d", "no disk")]))

    def test_exit_code(self):
        """Nothing at all is no success."""
        ktap = Printer(file=io.StringIO())
        self.assertEqual(ktap.end(), FAILED)
        ktap.result(True, "a")
        self.assertEqual(ktap.end(), 0)


if __name__ == "__main__":
    unittest.main()
