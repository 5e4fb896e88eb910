#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Pack the guest's initramfs: busybox, our init, the installed kselftests.

The kernel's own usr/gen_init_cpio does the packing, so no root is needed for
the device nodes.
"""

import argparse
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDERS = ("bin", "dev", "proc", "sys", "tmp", "kselftest", "modules")
COMMANDS = ("sh", "mount", "dmesg", "poweroff", "cat", "ls", "echo", "grep",
            "insmod", "mkswap", "sleep", "find", "sed", "base64")


def fixed_entries(busybox):
    """Yield the lines of the cpio list that never change."""
    for folder in FOLDERS:
        yield f"dir /{folder} 0755 0 0"
    yield "nod /dev/console 0600 0 0 c 5 1"
    yield f"file /bin/busybox {busybox} 0755 0 0"
    for command in COMMANDS:
        yield f"slink /bin/{command} busybox 0777 0 0"
    yield f"file /init {os.path.join(HERE, 'init')} 0755 0 0"


def tree_entries(source, target):
    """Yield cpio list lines that copy the folder source to target."""
    for folder, folders, files in os.walk(source):
        folders.sort()
        inside = os.path.join(target, os.path.relpath(folder, source))
        inside = os.path.normpath(inside)
        if inside != target:
            yield f"dir {inside} 0755 0 0"
        for name in sorted(files):
            path = os.path.join(folder, name)
            mode = "0755" if os.access(path, os.X_OK) else "0644"
            yield f"file {inside}/{name} {path} {mode} 0 0"


def write_cpio(gen_init_cpio, busybox, kselftest, modules, out):
    """Write the initramfs to out, whole or not at all."""
    lines = [*fixed_entries(busybox), *tree_entries(kselftest, "/kselftest"),
             *(f"file /modules/{os.path.basename(module)} {module} 0644 0 0"
               for module in modules)]
    part = out + ".part"
    with tempfile.NamedTemporaryFile("w", suffix=".list") as listing:
        listing.write("\n".join(lines) + "\n")
        listing.flush()
        with open(part, "wb") as cpio:
            subprocess.run([gen_init_cpio, listing.name], stdout=cpio,
                           check=True)
    os.replace(part, out)


def main():
    """Pack what the command line names."""
    parser = argparse.ArgumentParser(
        description="Pack the guest's initramfs.")
    parser.add_argument("--gen-init-cpio", required=True, metavar="FILE",
                        help="usr/gen_init_cpio of a built kernel")
    parser.add_argument("--busybox", required=True, metavar="FILE",
                        help="static busybox for the guest")
    parser.add_argument("--kselftest", required=True, metavar="DIR",
                        help="kselftest install folder")
    parser.add_argument("--module", action="append", default=[],
                        metavar="FILE", help="kernel module for /modules")
    parser.add_argument("--out", required=True, metavar="FILE",
                        help="initramfs to write")
    args = parser.parse_args()

    for path in (args.gen_init_cpio, args.busybox, args.kselftest,
                 *args.module):
        if not os.path.exists(path):
            sys.exit(f"error: {path} does not exist; build it first")
    try:
        write_cpio(args.gen_init_cpio, args.busybox,
                   os.path.abspath(args.kselftest), args.module, args.out)
    except (OSError, subprocess.CalledProcessError) as err:
        sys.exit(f"error: cannot write {args.out}: {err}")


if __name__ == "__main__":
    main()
