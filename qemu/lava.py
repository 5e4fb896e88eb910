#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""LAVA jobs for guests, from QEMU's command lines here, and what came of them.

A job is JSON, which is YAML. Its results are those of its monitors: one for each program
in the guest, with the tests that are expected of it, and one for the guest itself. Neither
the end of the job nor the exit code of lava-run says that they passed.
"""

import argparse
import json
import os
import re
import subprocess
import sys

from guest import digest
from tables import HERE

sys.path.append(os.path.join(HERE, "..", "scripts", "lib"))
from ktap import Printer  # noqa: E402
from table_check import TEST_F, read  # noqa: E402

# What LAVA's own template of a QEMU says, by the names of its variables; the rest is said
# as we do, but for what is about the console and the network.
TEMPLATE = {"arm64": {"-machine": "machine", "-cpu": "cpu", "-m": "memory"},
            "x86_64": {"-m": "memory"}}
NOT_THERE = ("-display", "-monitor", "-nic", "-qmp", "-chardev", "-serial")
IMAGES = {"-kernel": "kernel", "-initrd": "ramdisk", "-dtb": "dtb"}
BEFORE = 300  # seconds for the files

# LAVA looks for a pattern in what it has read so far, so each ends with the line. The
# result of a skip is the "o" of its "ok": the word for it comes after the name.
START = r"# program {}\r"
END = r"# program {} ended, status \d+\r"
RESULT = (r"\n(?P<result>(?:not )?o(?:k(?! \d+ \S+ # SKIP))?)k? \d+ "
          r"(?P<test_case_id>\S+)[^\r\n]*\r")
RESULTS = {"ok": "pass", "not ok": "fail", "o": "skip", "not o": "fail"}
GUEST = {"name": "guest", "start": r"\n", "end": "reboot: Power down",
         "pattern": r"# (?P<test_case_id>guest done), status (?P<result>\d+)\r",
         "fixupdict": {"0": "pass", "1": "fail"}, "expected": ["guest_done"]}
OURS = "virtio_noirq_"  # programs
# What makes all of their tests fail, though the guest may come to its end
BROKEN = {"another-variant": (r"VARIANT=\w+", "VARIANT=packed_in_order"),
          "panic": ("panic=-1", "panic=-1 rdinit=/none init=/none")}


def case_id(name):
    """Return what LAVA calls a test."""
    return re.sub(r"\W+", "_", name.lower())


def tests(guest, program):
    """Return the names of the tests of a program in the guest."""
    if program == "kernel_checks":
        return guest.checks
    source = read(os.path.join(HERE, "..", "selftests", program + ".c"))
    return [f"noirq.{guest.cell.variant}.{name}" for name in TEST_F.findall(source)]


def monitors(guest):
    """Return the monitors of a guest's console."""
    return [{"name": program, "start": START.format(program), "end": END.format(program),
             "pattern": RESULT, "fixupdict": RESULTS,
             "expected": [case_id(name) for name in tests(guest, program)]}
            for program in guest.programs()] + [GUEST]


def options(command):
    """Yield (option, value) of QEMU's command line."""
    words = command[1:]
    while words:
        option = words.pop(0)
        yield option, words.pop(0) if words and not words[0].startswith("-") else ""


def job(guest, config, link):
    """Return a guest's job; link() returns the URL of a file."""
    arch = guest.kernel.arch
    context = {"arch": arch, "no_network": True, "no_kvm": True, "extra_options": []}
    images = {}

    def image(name, path, argument):
        images[name] = {"url": link(path), "sha256sum": digest(path), "image_arg": argument}

    for option, value in options(guest.command()):
        if option in NOT_THERE:
            continue
        if option in TEMPLATE[arch]:
            context[TEMPLATE[arch][option]] = value
        elif option in IMAGES:
            image(IMAGES[option], value, f"{option} {{{IMAGES[option]}}}")
        elif option == "-append":
            images["kernel"]["image_arg"] += f' {option} "{value}"'
        elif option == "-drive":
            name, path = (re.search(rf"\b{key}=([^,]+)", value)[1] for key in ("id", "file"))
            image(name, path, f"{option} {value.replace(path, f'{{{name}}}')}")
        else:
            context["extra_options"].append(f"{option} {value}".rstrip())
    limit = {"seconds": guest.timeout}
    return {
        "job_name": f"virtio-noirq {config} {guest.cell.name}", "device_type": "qemu",
        "visibility": "public", "context": context,
        "metadata": {"config": config, "guest": guest.cell.name, "skips": guest.skips},
        "timeouts": {"job": {"seconds": guest.timeout + 2 * BEFORE},
                     "action": {"seconds": BEFORE}, "connection": limit},
        "actions": [{"deploy": {"to": "tmpfs", "images": images}},
                    {"boot": {"method": "qemu", "media": "tmpfs"}},
                    {"test": {"timeout": limit, "monitors": monitors(guest)}}]}


def write_jobs(guests, config, link):
    """Write the job of each guest beside its folder; return why some have none."""
    without = {}
    for guest in guests:
        if guest.needs_host:
            without.setdefault(guest.needs_host, []).append(guest.cell.name)
            continue
        if text := guest.device_tree():
            os.makedirs(guest.folder, exist_ok=True)
            guest.make_device_tree(text)
        with open(guest.folder + ".yaml", "w", encoding="utf-8") as file:
            json.dump(job(guest, config, link), file, indent=1)
    return without


def faults(definition, results):
    """Return {"monitor.test": "" or what is wrong with its result} of a job."""
    found = {}
    for monitor in definition["actions"][-1]["test"]["monitors"]:
        for name in monitor["expected"]:
            name = f"{monitor['name']}.{name}"
            result = results.get(name, "missing")
            skips = result == "skip" and definition["metadata"]["skips"]
            found[name] = "" if result == "pass" or skips else result
    return found


def by_name(found):
    """Return {"monitor.test": result} of what lavacli or lava-run says."""
    return {f"{one.get('suite') or one['definition']}.{one.get('name') or one['case']}":
            one["result"] for one in found}


def read_json(path):
    """Return what is in a file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def print_job(ktap, definition, results):
    """Print the results of a job; return whether they are those that are expected."""
    found = faults(definition, results)
    for name, fault in found.items():
        skip = definition["metadata"]["skips"] if results.get(name) == "skip" else None
        ktap.result(not fault, name, fault, skip=skip or None)
    return not any(found.values())


def judge(args):
    """Print the results of a job."""
    ktap = Printer()
    print_job(ktap, read_json(args.job), by_name(read_json(args.results)))
    return ktap.end()


def run_job(root, path):
    """Run a job by lava-run; return its results."""
    import yaml  # pylint: disable=import-outside-toplevel
    from jinja2 import FileSystemLoader  # pylint: disable=import-outside-toplevel
    from lava_common.jinja import create_device_templates_env  # pylint: disable=all
    out = path.removesuffix(".yaml") + ".lava-run"
    os.makedirs(out, exist_ok=True)
    templates = create_device_templates_env(
        loader=FileSystemLoader(root + "/usr/share/lava-server/device-types"))
    with open(out + "/device.yaml", "w", encoding="utf-8") as file:
        file.write(templates.get_template("qemu.jinja2").render(read_json(path)["context"]))
    with open(out + "/output", "w", encoding="utf-8") as file:
        subprocess.run([sys.executable, root + "/usr/bin/lava-run", "--job-id", str(os.getpid()),
                        "--device", out + "/device.yaml", "--output-dir", out,
                        "--skip-sudo-warning", path],
                       check=False, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    with open(out + "/logs.yaml", encoding="utf-8") as file:
        return by_name(line["msg"] for line in yaml.safe_load(file) if line["lvl"] == "results")


def run_jobs(args):
    """Run jobs, and the first one with faults, and print the results."""
    ktap = Printer()
    for path in args.jobs:
        tests_of = ktap.parts()
        good = print_job(tests_of, read_json(path), run_job(args.root, path))
        tests_of.end()
        ktap.result(good, os.path.basename(path).removesuffix(".yaml"))
    with open(args.jobs[0], encoding="utf-8") as file:
        text = file.read()
    for what, change in BROKEN.items():
        path = f"{args.jobs[0].removesuffix('.yaml')}-{what}.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub(*change, text))
        found = faults(read_json(path), run_job(args.root, path))
        good = [name for name, fault in found.items() if not fault and name.startswith(OURS)]
        ktap.result(not good, f"{what}: all tests fail", *good)
    return ktap.end()


def check_schema(args):
    """Print what is wrong with jobs, by LAVA's own schema."""
    from lava_common.schemas import validate  # pylint: disable=import-outside-toplevel
    bad = 0
    for path in args.jobs:
        try:
            validate(read_json(path))
        except Exception as err:  # pylint: disable=broad-exception-caught
            bad += 1
            print(f"{path}: {err}")
    return 1 if bad else 0


def main():
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    verbs = parser.add_subparsers(required=True)
    judger = verbs.add_parser("judge", help="print the results of a job as KTAP")
    judger.set_defaults(do=judge)
    judger.add_argument("job")
    judger.add_argument("results", help="JSON, of lavacli results --json say")
    schema = verbs.add_parser("schema", help="check jobs; lava_common has to be in PYTHONPATH")
    schema.set_defaults(do=check_schema)
    schema.add_argument("jobs", nargs="+")
    run = verbs.add_parser("run", help="run jobs by lava-run, and the first with faults")
    run.set_defaults(do=run_jobs)
    run.add_argument("root", help="where LAVA is; it has to be in PYTHONPATH, too")
    run.add_argument("jobs", nargs="+")
    args = parser.parse_args()
    return args.do(args)


if __name__ == "__main__":
    sys.exit(main())
