# SPDX-License-Identifier: GPL-2.0
"""The results of guests as KCIDB wants them, version 5.3 of its schema. Nobody sends them."""

import hashlib
import json
import os
import re
import time

from guest import digest

ORIGIN = os.environ.get("KCIDB_ORIGIN", "virtio_noirq")
STATUS = {"pass": "PASS", "fail": "FAIL", "skip": "SKIP", "not run": "MISS"}
OTHER = "FAIL"  # of a guest that ended by a panic, say, or did not


def patchset_hash(patches):
    """Return KCIDB's hash over patches, nothing for none."""
    lines = "".join(digest(path) + "\n" for path in patches)
    return hashlib.sha256(lines.encode()).hexdigest() if lines else ""


def test_path(*names):
    """Return names as a path of KCIDB."""
    parts = ".".join(("virtio_noirq", *names)).split(".")
    return ".".join(re.sub(r"[^\w-]+", "_", part, flags=re.ASCII) or "_" for part in parts)


def tests(guest):
    """Yield (path, status, reason) of a guest and of its tests."""
    result, cell = guest.result, guest.cell.name
    yield test_path(cell), STATUS.get(result["verdict"], OTHER), result["reason"]
    for test in result["tests"]:
        yield test_path(cell, test["name"]), STATUS[test["result"]], test.get("why", "")


def report(guests, patches, begun):
    """Return the report of a run, which names no host."""
    kernel = guests[0].kernel
    patchset = patchset_hash(patches)
    start = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(begun))
    config = os.path.basename(kernel.folder).partition("@")[0]
    checkout = f"{ORIGIN}:{patchset or 'none'}"
    build = f"{ORIGIN}:{patchset[:12] or 'none'}-{config}-{digest(kernel.image)[:12]}"
    found = []
    for guest in guests:
        for path, status, reason in tests(guest):
            found.append({
                "id": f"{build}-{start}-{len(found)}", "origin": ORIGIN, "build_id": build,
                "path": path, "status": status, "start_time": start,
                "environment": {"comment": f"QEMU {guest.settings.qemu_version}"},
                **({"comment": reason} if reason else {})})
            if path == test_path(guest.cell.name):
                found[-1]["duration"] = guest.result["wall_s"]
    return {
        "version": {"major": 5, "minor": 3},
        "checkouts": [{"id": checkout, "origin": ORIGIN, "tree_name": "mainline",
                       "git_commit_name": "v7.3", "patchset_hash": patchset}],
        "builds": [{"id": build, "origin": ORIGIN, "checkout_id": checkout, "status": "PASS",
                    "architecture": kernel.arch, "config_name": config}],
        "tests": found}


def write(path, *run):
    """Write the report of a run."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report(*run), file, indent=1)
