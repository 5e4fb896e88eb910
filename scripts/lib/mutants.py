#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Build and run the mutants of a series; see scripts/mutants --help.

All mutants that change one function are compiled into one UML kernel: each as
a copy of its function, and in place of the function a switch that the boot
parameter virtio_mutant= turns. The others get a kernel of their own.

The build folder is a copy of the one of `make kunit`, or of that of a kernel for guests.
The mutated sources go there: kbuild takes a source from the build folder if it finds one.
For a header it does not, so each source includes the mutated one before anything else.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import fnmatch
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

from ktap import Printer

RUN = pathlib.Path(__file__).parents[2] / "qemu/run.py"
# The file that gets the boot parameter, and how that is declared there
LINUX = "drivers/virtio/virtio.c", """
#include <linux/moduleparam.h>
int virtio_mutant;
core_param(virtio_mutant, virtio_mutant, int, 0444);
"""
XEN = "drivers/passthrough/iommu.c", """
#include <xen/param.h>
int virtio_mutant;
integer_param("virtio_mutant", virtio_mutant);
"""
FIELDS = ("breaks", "row", "test")
SLOW = 10   # times as long as without the mutation, plus as many seconds: a hang


class Bad(Exception):
    """What stops the run; the text is for the user."""


@dataclasses.dataclass
class Mutant:
    """A change of the kernel, and the tests each of which must notice it."""
    name: str
    path: pathlib.Path  # where it is described
    file: str
    number: int     # selects it in the kernel, 0 is none
    breaks: str = ""
    row: str = "-"  # of the design's tables, if it is one
    test: str = ""  # suite.test or kind/guest, or several
    old: str = ""
    new: str = ""


# Where a function is in the text of a file
Function = collections.namedtuple("Function", "start body end")


# ---- the data files ---------------------------------------------------------

def read_mutants(folder):
    """Return the mutants of all files of a folder."""
    mutants = []
    for path in sorted(folder.glob("*.mutants")):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines()
                 if not line.startswith("#")]
        file = next(line.split()[1] for line in lines if line.startswith("file "))
        for section in "\n".join(lines).split("\n== ")[1:]:
            mutants.append(parse_mutant(section, path, file, len(mutants) + 1))
    for mutant in mutants:
        if sum(mutant.name == other.name for other in mutants) > 1:
            raise Bad(f"two mutants are called {mutant.name}; rename one")
    return mutants


def read_all(folder, port):
    """Return those of a folder, and those of another one with other names."""
    mutants = read_mutants(folder)
    names = {mutant.name for mutant in mutants}
    if port:
        mutants += [mutant for mutant in read_mutants(port) if mutant.name not in names]
    for number, mutant in enumerate(mutants, 1):
        mutant.number = number
    return mutants


def parse_mutant(section, path, file, number):
    """Return a mutant: its name, its fields, then the hunk of a diff."""
    name, *lines = section.rstrip().splitlines()
    mutant = Mutant(name, path, file, number)
    while lines and lines[0].split(" ")[0] in FIELDS:
        field, text = lines.pop(0).split(" ", 1)
        setattr(mutant, field, text)
    for line in lines:
        if line[:1] not in ("", " ", "-", "+"):
            raise Bad(f"{name}: the line '{line}' is no field and not of a diff")
    mutant.old = "".join(line[1:] + "\n" for line in lines if line[:1] != "+")
    mutant.new = "".join(line[1:] + "\n" for line in lines if line[:1] != "-")
    if not (mutant.breaks and re.search("[./]", mutant.test)) or mutant.old == mutant.new:
        raise Bad(f"{name}: it needs 'breaks', 'test suite.test' and a change")
    if len({"/" in test for test in mutant.test.split()}) > 1:
        raise Bad(f"{name}: it names a guest and a test of KUnit; make two of it")
    return mutant


def fits(mutant, tree):
    """Return whether another tree has what the mutant changes, and its KUnit tests."""
    path = tree / mutant.file
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    suites = "".join(suite.read_text(encoding="utf-8")
                     for suite in tree.glob("drivers/virtio/tests/*_kunit.c"))
    return ("\n" + text).count("\n" + mutant.old) == 1 and all(
        "/" in test or re.search(rf"CASE\w*\({test.split('.')[1]}[,)]", suites)
        for test in mutant.test.split())


def find_old(mutant, text):
    """Return where the mutant's old text is in its file."""
    count = ("\n" + text).count("\n" + mutant.old)
    if count != 1:
        raise Bad(f"{mutant.name} is stale: its old text is {count} times in {mutant.file}, "
                  f"not once; mend it in {mutant.path}")
    return ("\n" + text).index("\n" + mutant.old)


def find_change(mutant, text):
    """Return where its file changes, up to where, and what is there then."""
    old, new = mutant.old.splitlines(True), mutant.new.splitlines(True)
    start = find_old(mutant, text)
    while old and new and old[0] == new[0]:
        start += len(old.pop(0))
        del new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return start, start + len("".join(old)), "".join(new)


def write(path, text):
    """Write a file, unless it has this text, so that only what changed is built."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


# ---- mutated sources --------------------------------------------------------

def find_function(text, start, end):
    """Return the function whose body has this range, or None."""
    body = text.rfind("\n{\n", 0, start) + 1
    close = text.find("\n}\n", body)
    if not body or close + 1 < end:
        return None
    head = body
    while True:
        line = text.rfind("\n", 0, head - 1) + 1
        if re.search(r"^$|^#|[;}/]$", text[line:head - 1]):
            return Function(head, body, close + 3)
        head = line


def arguments(header):
    """Return the names of a function's parameters."""
    found = re.findall(r"(?:\(\*(\w+)\)\([^()]*\)|(\w+)(?:\[\])?)\s*(?:,|\)$)",
                       header[header.index("(") + 1:header.rindex(")") + 1])
    return [pointer or name for pointer, name in found if name != "void"]


def switch(text, function, variants):
    """Return what replaces a function: its variants, by number, and a switch."""
    header = text[function.start:function.body]
    name = re.search(r"(\w+)\(", header)[1]
    names = ", ".join(arguments(header))
    parts = []
    for number, label, body in variants:
        variant = re.sub(rf"\b{name}\(", f"{name}__{number}(", header, count=1)
        static = "" if header.startswith("static") else "static "
        parts.append(f'#line 1 "{label}"\n{static}{variant}{body}')
    cases = "".join(f"\tcase {number}: return {name}__{number}({names});\n"
                    for number, _, _ in variants)
    parts.append(f"extern int virtio_mutant;\n{header}{{\n"
                 f"\tswitch (virtio_mutant) {{\n{cases}\t}}\n\treturn {name}__0({names});\n}}\n")
    return "".join(parts)


def mutate(text, mutants):
    """Return the text of a file with all these mutants behind switches."""
    functions = {}
    for mutant in mutants:
        start, end, new = find_change(mutant, text)
        function = find_function(text, start, end)
        functions.setdefault(function.start, (function, []))[1].append(
            (mutant.number, f"mutant {mutant.name}",
             text[function.body:start] + new + text[end:function.end]))
    file = mutants[0].file
    for function, variants in sorted(functions.values(), key=lambda f: -f[0].start):
        original = 0, file, text[function.body:function.end]
        line = text[:function.end].count("\n") + 1
        text = (text[:function.start] + switch(text, function, [original, *variants])
                + f'#line {line} "{file}"\n' + text[function.end:])
    return text


class Kernel:
    """The build folder, and the programs made there."""

    def __init__(self, args):
        self.tree, self.out = args.tree, args.out
        self.core, self.parameter = XEN if args.xen else LINUX
        # the C files that mutants may be in or that see the headers
        self.sources = sorted({path for folder in [pathlib.Path(self.core).parent, *args.build]
                               for path in self.tree.glob(f"{folder}/**/*.c")})
        self.log, self.jobs, self.make = args.log, args.jobs, args.make
        self.append = args.append

    def read(self, file):
        """Return the text of a file of the kernel."""
        return (self.tree / file).read_text(encoding="utf-8")

    def switchable(self, mutant):
        """Return whether the mutant changes one function only."""
        text = self.read(mutant.file)
        return find_function(text, *find_change(mutant, text)[:2]) is not None

    def mutated(self, file, mutants):
        """Return the text of a file with the mutants that concern it."""
        mutants = [mutant for mutant in mutants if mutant.file == file]
        text = self.read(file)
        if len(mutants) == 1 and not self.switchable(mutants[0]):
            return text.replace(mutants[0].old, mutants[0].new)
        return mutate(text, mutants) if mutants else text

    def write_sources(self, mutants):
        """Write the sources with these mutants to the build folder."""
        first = ""
        for file in sorted({mutant.file for mutant in mutants if mutant.file.endswith(".h")}):
            path = self.out / "mutants" / file
            write(path, self.mutated(file, mutants))
            first += f'#include "{path}"\n'
        for source in self.sources:
            file = str(source.relative_to(self.tree))
            # one that a suite includes has no object of its own
            if (self.out / file).with_suffix(".o").exists() \
                    or any(mutant.file == file for mutant in mutants):
                write(self.out / file, f'{first}#line 1 "{file}"\n{self.mutated(file, mutants)}'
                                       f'{self.parameter if file == self.core else ""}')

    def build(self, mutants):
        """Build a kernel with these mutants."""
        self.write_sources(mutants)
        with open(self.log, "w", encoding="utf-8") as log:
            run = subprocess.run(self.make, stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=log, check=False)
        if run.returncode:
            # the compiler names a mutant in place of a file, unless it is alone
            error = re.search(".*error: .*", self.log.read_text(encoding="utf-8", errors="replace"))
            raise Bad(f"with {mutants[0].name if len(mutants) == 1 else 'mutants'} the kernel does "
                      f"not build: {error[0] if error else 'see'} {self.log}")

    def run(self, number, tests, timeout):
        """Run a glob of tests; return the console and the exit code, None for a hang."""
        path = self.out / "mutants" / f"console.{number}.{tests}"
        path.parent.mkdir(exist_ok=True)
        with open(path, "wb") as console:   # unlike a pipe, it loses no line
            process = subprocess.Popen(     # pylint: disable=consider-using-with
                [self.out / "linux", "mem=256M", "console=tty", *self.append,
                 "kunit_shutdown=halt", f"virtio_mutant={number}",
                 f"kunit.filter_glob={tests}"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                status = None
        return path.read_text(encoding="utf-8", errors="replace"), status

    def verdict(self, number, test, timeout):
        """Return what becomes of a test."""
        return judge(*self.run(number, test, timeout), test)

    def failing(self, number):
        """Return which of all tests fail."""
        console, _ = self.run(number, "virtio_*", 120)
        return ", ".join(re.findall(r"^    not ok \d+ (\w+)", console, re.MULTILINE)) or "none"


class Guests(Kernel):
    """The build folder of a kernel for guests, and the folder that they boot."""

    def __init__(self, args):
        super().__init__(args)
        self.folder, self.busybox, self.image = args.guests, args.busybox, args.out / args.image

    def build(self, mutants):
        """Build a kernel with these mutants."""
        super().build(mutants)
        shutil.copyfile(self.image, self.folder / "image")

    def verdict(self, number, test, timeout):
        """Return what becomes of a guest."""
        kind, cell = test.split("/")
        out = self.out / "mutants" / f"guests.{number}.{cell}"
        shutil.rmtree(out, ignore_errors=True)
        run = subprocess.run([RUN, "run", "--kind", kind, "--kernel", self.folder, "--busybox",
                              self.busybox, "--out", out, "--cells", cell, "--timeout",
                              str(int(timeout)), *(["--mutant", str(number)] if number else [])],
                             stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, check=False)
        try:
            result = json.loads((out / cell / "result.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise Bad(f"{test} did not run: {run.stderr.strip() or out}") from None
        return {"pass": "passes", "fail": f"fails ({result['reason']})",
                "panic": "crashes", "timeout": "hangs"}.get(result["verdict"], result["verdict"])

    def failing(self, number):
        """Return nothing: a guest runs alone."""
        return "none"


# ---- verdicts ---------------------------------------------------------------

def judge(console, status, test):
    """Return what became of a test that ran alone."""
    suite, name = test.split(".")
    if re.search(r"^ *not ok \d+", console, re.MULTILINE):
        return "fails"
    if not re.search(rf"^ *# Subtest: {suite}$", console, re.MULTILINE):
        return "does not run"
    if status is None:
        return "hangs"
    if status:
        return "crashes"
    passed = re.search(rf"^    ok \d+ {name}\b", console, re.MULTILINE)
    return "passes" if passed else "does not run"


def check_unmutated(kernel, test):
    """Run a test without a mutation; return how long a mutant may take."""
    start = time.monotonic()
    verdict = kernel.verdict(0, test, 300)
    if verdict != "passes":
        raise Bad(f"{test} {verdict} without a mutation; run make kunit or make selftests, "
                  "and look for it in kunit/ or with qemu/run.py list full")
    return SLOW * (1 + time.monotonic() - start)


def check_mutant(kernel, mutant, timeouts):
    """Return whether a mutant is killed by its tests, and what happened."""
    killed = []
    for test in mutant.test.split():
        verdict = kernel.verdict(mutant.number, test, timeouts[test])
        if verdict.split()[0] not in ("fails", "crashes", "hangs"):
            break
        killed.append(f"{test} {verdict}")
    else:
        return True, f"killed: {', '.join(killed)}"
    return False, (f"survives: {test} {verdict}; of the other tests fail: "
                   f"{kernel.failing(mutant.number)}")


class Results:
    """What became of the mutants. Those that were killed are remembered."""

    def __init__(self, args, mutants):
        self.mutants = mutants
        self.folder, self.inputs = args.killed, args.inputs
        self.results = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        for mutant in mutants:
            if self.path(mutant).exists():
                self.results[mutant.name] = True, self.path(mutant).read_text(encoding="utf-8")

    def path(self, mutant):
        """Return the file that says that a mutant was killed."""
        text = "\0".join([self.inputs, mutant.file, mutant.old, mutant.new, mutant.test])
        return self.folder / hashlib.sha256(text.encode()).hexdigest()

    def pending(self):
        """Return the mutants without a result."""
        return [mutant for mutant in self.mutants if mutant.name not in self.results]

    def add(self, mutant, killed, text):
        """Take a result, remember it, and say how far we are."""
        self.results[mutant.name] = killed, text
        if killed:
            new = self.folder / f".new.{mutant.number}"
            new.write_text(text, encoding="utf-8")
            new.rename(self.path(mutant))
        print(f"{len(self.results)} of {len(self.mutants)} mutants", flush=True)


# ---- the run ----------------------------------------------------------------

def build(kernel, mutants, results):
    """Build a kernel with these mutants."""
    print(f"building a kernel with {len(mutants)} of {len(results.mutants)} mutants", flush=True)
    kernel.build(mutants)


def run_all(kernel, results):
    """Build and run all mutants without a result."""
    together, alone = [], []
    for mutant in results.pending():
        (together if kernel.switchable(mutant) else alone).append(mutant)
    build(kernel, together, results)
    with concurrent.futures.ThreadPoolExecutor(kernel.jobs) as pool:
        tests = sorted({test for mutant in results.pending() for test in mutant.test.split()})
        timeouts = dict(zip(tests, pool.map(lambda test: check_unmutated(kernel, test), tests)))
        check = {pool.submit(check_mutant, kernel, mutant, timeouts): mutant
                 for mutant in together}
        for future in concurrent.futures.as_completed(check):
            results.add(check[future], *future.result())
    for mutant in alone:
        build(kernel, [mutant], results)
        results.add(mutant, *check_mutant(kernel, mutant, timeouts))


def print_results(results, absent, file):
    """Print KTAP; return the exit code."""
    ktap = Printer(file=file)
    for mutant in absent:
        ktap.result(True, f"{mutant.name}: {mutant.breaks} # SKIP this tree has no such code, "
                          "or not the test")
    for mutant in results.mutants:
        killed, text = results.results[mutant.name]
        name = f"{mutant.name}: {mutant.breaks}"
        if killed:
            ktap.result(True, f"{name}; {text}")
        else:
            ktap.result(False, name, text)
    count = ktap.number - len(absent)
    ktap.note(f"{count - ktap.bad} of {count} mutants killed"
              + (f", {len(absent)} not in this tree" if absent else ""))
    return ktap.end()


def parse_args():
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="where they are")
    parser.add_argument("--only", default="*", help="a glob of names of mutants")
    parser.add_argument("--list", action="store_true", help="print the mutants")
    parser.add_argument("--port", type=pathlib.Path,
                        help="those of another tree, too: what this one has of them, and that "
                        "do not have a name of the others")
    parser.add_argument("--pending", action="store_true", help="print those that have to be run")
    parser.add_argument("--tree", type=pathlib.Path, help="the patched kernel tree")
    parser.add_argument("--build", type=pathlib.Path, action="append", default=[],
                        help="a folder of the tree that the series changes")
    parser.add_argument("--out", type=pathlib.Path, help="a copy of the build folder")
    parser.add_argument("--guests", type=pathlib.Path,
                        help="a copy of the kernel's folder: run those that name guests")
    parser.add_argument("--busybox", help="for them")
    parser.add_argument("--xen", action="store_true", help="the kernel is Xen")
    parser.add_argument("--image", help="the kernel that they boot, in the build folder")
    parser.add_argument("--killed", type=pathlib.Path, help="the folder that remembers results")
    parser.add_argument("--inputs", help="what the results depend on besides the mutants")
    parser.add_argument("--results", type=pathlib.Path, help="the file for the KTAP")
    parser.add_argument("--log", type=pathlib.Path, help="the file for the compiler's output")
    parser.add_argument("--append", action="append", default=[],
                        help="an argument for a kernel with KUnit")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("make", nargs="*", help="the command that builds the kernel")
    return parser.parse_args()


def main():
    """Do what the arguments say; return the exit code."""
    args = parse_args()
    mutants = [mutant for mutant in read_all(args.folder, args.port)
               if fnmatch.fnmatch(mutant.name, args.only)
               and (args.list or ("/" in mutant.test) == bool(args.guests))]
    if not mutants:
        raise Bad(f"no mutant for {'guests' if args.guests else 'KUnit'} is called "
                  f"'{args.only}'; see scripts/mutants --list")
    if args.list:
        for mutant in mutants:
            print(f"{mutant.name}\t{mutant.test}\t{mutant.row}\t{mutant.breaks}")
        return 0
    absent = []
    if args.tree:
        absent = [mutant for mutant in mutants
                  if mutant.path.parent == args.port and not fits(mutant, args.tree)]
        mutants = [mutant for mutant in mutants if mutant not in absent]
    results = Results(args, mutants)
    if args.pending:
        for mutant in results.pending():
            print(mutant.name)
        return 0
    if results.pending():
        run_all((Guests if args.guests else Kernel)(args), results)
    with open(args.results, "w", encoding="utf-8") as file:
        return print_results(results, absent, file)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Bad as bad:
        sys.exit(f"error: {bad}")
