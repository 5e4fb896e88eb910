#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""LAVA jobs for guests, from QEMU's command lines here, and what came of them.

A job is JSON, which is YAML. Its results are those of its monitors: one for each program
in the guest, with the tests that are expected of it, and one for the guest itself. Neither
the end of the job nor the exit code of lava-run says that they passed. One guest has a
second job, in the form that others run: LAVA's test shell in a root without our init or
tests, an overlay with the tarball of kselftests, and the kernel's own run_kselftest.sh.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import time
import xmlrpc.client

import mkrootfs
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
PATIENCE = 300  # seconds for a server to start
SILENCE = 3600  # seconds without the end of a job; each has a limit of its own

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
SHELL = "-shell.yaml"   # beside the folder of a guest that has such a job
TESTED = (OURS, "0_kselftest")  # suites
# The root's prompt, and what the kernel has to say for LAVA to look for it
PROMPT, LOGLEVEL = "/ # ", "loglevel=6"
KSELFTEST = "/opt/kselftest"
# Results of tests, and of programs, as calls of LAVA's test shell
TO_LAVA = "; t; ".join(
    rf"s/^(# )?{line} [0-9]+ (selftests: \S+: )?(\S+){rest}.*/lava-test-case \3 --result {result}/p"
    for line, rest, result in (
        ("ok", " # SKIP", "skip"), ("ok", "", "pass"), ("not ok", "", "fail")))
# What makes all tests fail, though the guest may come to its end
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


def definition(guest):
    """Return a test definition that runs a guest's programs by run_kselftest.sh."""
    programs = guest.programs()
    variables = [f'export KSELFTEST_{name.upper()}_ARGS="-v $VIRTIO_NOIRQ_VARIANT"'
                 for name in programs]
    wanted = " ".join(f"-t drivers/virtio:{name}" for name in programs)
    return {
        "from": "inline", "name": "kselftest", "path": "inline/kselftest.yaml",
        "repository": {
            "metadata": {"format": "Lava-Test Test Definition 1.0", "name": "kselftest"},
            "run": {"steps": [
                "dmesg -n 5", *variables,
                f"{KSELFTEST}/run_kselftest.sh {wanted} 2>&1 | tee /tmp/ktap",
                f"sed -nE '{TO_LAVA}' /tmp/ktap | sh -e"]}},
        "expected": [name for program in programs for name in (*tests(guest, program), program)]}


def shell_job(guest, config, link):
    """Return a guest's job in the form that others run."""
    found = job(guest, config, link)
    deploy, boot, test = (next(iter(action.values())) for action in found["actions"])
    images, settings = deploy["images"], guest.settings
    root = mkrootfs.pack(guest.kernel.folder, "shell", settings.busybox, False)
    tarball = os.path.join(settings.out, "kselftest.tar")
    with tarfile.open(tarball, "w") as file:
        file.add(os.path.join(guest.kernel.folder, "kselftest"), ".")
    images["ramdisk"].update(
        url=link(root), sha256sum=digest(root), format="cpio.newc", overlays={
            "kselftest": {"url": link(tarball), "sha256sum": digest(tarball),
                          "format": "tar", "path": KSELFTEST},
            "lava": True})
    images["kernel"]["image_arg"] = re.sub(
        r"loglevel=\d+", LOGLEVEL, images["kernel"]["image_arg"])
    boot["prompts"] = [PROMPT]
    del test["monitors"]
    test["definitions"] = [definition(guest)]
    return {**found, "job_name": found["job_name"] + " in a test shell"}


def write_job(path, content):
    """Write a job."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)


def write_jobs(guests, config, link):
    """Write the job of each guest beside its folder; return why some have none."""
    without = {}
    shell = False
    for guest in guests:
        if guest.needs_host:
            without.setdefault(guest.needs_host, []).append(guest.cell.name)
            continue
        if text := guest.device_tree():
            os.makedirs(guest.folder, exist_ok=True)
            guest.make_device_tree(text)
        write_job(guest.folder + ".yaml", job(guest, config, link))
        if not (shell or guest.skips) and all(name.startswith(OURS) for name in guest.programs()):
            shell = True
            write_job(guest.folder + SHELL, shell_job(guest, config, link))
    return without


def expected(content):
    """Yield (what LAVA calls a suite, its tests) of a job."""
    test = content["actions"][-1]["test"]
    for monitor in test.get("monitors", ()):
        yield monitor["name"], monitor["expected"]
    for number, one in enumerate(test.get("definitions", ())):
        yield f"{number}_{one['name']}", one["expected"]


def faults(content, results):
    """Return {"suite.test": "" or what is wrong with its result} of a job."""
    found = {}
    for suite, names in expected(content):
        for name in names:
            name = f"{suite}.{name}"
            result = results.get(name, "missing")
            skips = result == "skip" and content["metadata"]["skips"]
            found[name] = "" if result == "pass" or skips else result
    return found


def by_name(found):
    """Return {"suite.test": result} of what lavacli or lava-run says."""
    return {f"{one.get('suite') or one['definition']}.{one.get('name') or one['case']}":
            one["result"] for one in found}


def read_json(path):
    """Return what is in a file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def print_job(ktap, content, results):
    """Print the results of a job; return whether they are those that are expected."""
    found = faults(content, results)
    for name, fault in found.items():
        skip = content["metadata"]["skips"] if results.get(name) == "skip" else None
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


def broken(paths):
    """Write the first job of each form with each fault; return their paths."""
    found = []
    for path in (next((path for path in paths if path.endswith(SHELL) == shell), None)
                 for shell in (False, True)):
        for what, change in BROKEN.items() if path else ():
            with open(path, encoding="utf-8") as file:
                text = file.read()
            found.append(f"{path.removesuffix('.yaml')}.{what}")
            with open(found[-1], "w", encoding="utf-8") as file:
                file.write(re.sub(*change, text))
    return found


def print_broken(ktap, path, results):
    """Print whether all tests of a job with a fault fail; a program does not if all are skips."""
    good = [name for name, fault in faults(read_json(path), results).items()
            if not fault and name.startswith(TESTED) and f".{OURS}" not in name]
    ktap.result(not good, f"{os.path.basename(path)}: all tests fail", *good)


def run_jobs(args):
    """Run jobs, and the first of each form with faults, and print the results."""
    ktap = Printer()
    for path in args.jobs:
        tests_of = ktap.parts()
        good = print_job(tests_of, read_json(path), run_job(args.root, path))
        tests_of.end()
        ktap.result(good, os.path.basename(path).removesuffix(".yaml"))
    for path in broken(args.jobs):
        print_broken(ktap, path, run_job(args.root, path))
    return ktap.end()


def differences(content, results, guest):
    """Return which tests a guest's result.json has another result of."""
    suites = [suite for suite, _ in expected(content) if suite.startswith(TESTED)
              or suite == "kernel_checks"]
    there = {case_id(test): result for suite, test, result in (
        (*name.partition(".")[::2], result) for name, result in results.items())
        if suite in suites and not test.startswith(OURS)}
    here = {case_id(test["name"]): test["result"] for test in guest["tests"]}
    if content["metadata"]["skips"]:
        there = {name: here.get(name) if result == "skip" else result
                 for name, result in there.items()}
    return [f"{name}: {there.get(name, 'missing')} in LAVA, {here.get(name, 'missing')} here"
            for name in sorted({*here, *there}) if there.get(name) != here.get(name)]


def side_by_side(shown):
    """Return whether two jobs ran at the same time, on two devices."""
    spans = [(one["device"], str(one["start_time"]), str(one["end_time"])) for one in shown]
    return any(one[0] != other[0] and one[1] < other[2] and other[1] < one[2]
               for one in spans for other in spans)


def submit(url, paths):
    """Submit jobs to a server, wait for them, return {path: (what it shows, results)}."""
    import yaml  # pylint: disable=import-outside-toplevel
    server = xmlrpc.client.ServerProxy(url, allow_none=True)
    for _ in range(PATIENCE):
        try:
            server.system.version()
            break
        except (OSError, xmlrpc.client.ProtocolError):
            time.sleep(1)
    else:
        sys.exit(f"error: the server did not start in {PATIENCE} s; see its logs")
    ids = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            ids[path] = server.scheduler.jobs.submit(file.read())
    shown, spoke = {}, time.monotonic()
    while len(shown) < len(ids):
        if time.monotonic() - spoke > SILENCE:
            sys.exit(f"error: the server ended no job for {SILENCE} s; see its logs")
        time.sleep(1)
        for path in ids.keys() - shown.keys():
            one = server.scheduler.jobs.show(ids[path])
            if one["state"] == "Finished":
                shown[path], spoke = one, time.monotonic()
                log = server.scheduler.jobs.logs(ids[path])[1].data
                with open(path.removesuffix(".yaml") + ".lava-log", "wb") as file:
                    file.write(log)
                print(f"{len(shown)} of {len(ids)} jobs", file=sys.stderr, flush=True)
    return {path: (shown[path], by_name(yaml.safe_load(
        server.results.get_testjob_results_yaml(number)))) for path, number in ids.items()}


def serve_jobs(args):
    """Run jobs by a server, and the first of each form with faults, and print the results."""
    ktap = Printer()
    faulty = broken(args.jobs)
    found = submit(args.url, [*args.jobs, *faulty])
    for path in args.jobs:
        content, results = read_json(path), found[path][1]
        tests_of = ktap.parts()
        good = print_job(tests_of, content, results)
        tests_of.end()
        name = os.path.basename(path).removesuffix(".yaml")
        ktap.result(good, name)
        guest = os.path.join(args.guests, content["metadata"]["guest"], "result.json")
        differ = differences(content, results, read_json(guest))
        ktap.result(not differ, f"{name}: as here", *differ)
    for path in faulty:
        print_broken(ktap, path, found[path][1])
    ktap.result(side_by_side([one for one, _ in found.values()]), "jobs ran side by side")
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
    serve = verbs.add_parser("serve", help="the same, by a server, and compare with guests here")
    serve.set_defaults(do=serve_jobs)
    serve.add_argument("url", help="of the server's XML-RPC, with user and token")
    serve.add_argument("guests", help="the results of the same guests here")
    serve.add_argument("jobs", nargs="+")
    args = parser.parse_args()
    return args.do(args)


if __name__ == "__main__":
    sys.exit(main())
