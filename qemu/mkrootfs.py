# SPDX-License-Identifier: GPL-2.0
"""Pack a guest's root: busybox, our init with that of a kind, and the modules
and the selftests of a kernel folder.

The kernel's own usr/gen_init_cpio does the packing, so no root is needed for
the device nodes.
"""

import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDERS = ("bin", "dev", "mnt", "proc", "sys", "tmp")
COMMANDS = ("sh", "mount", "stty", "dmesg", "poweroff", "cat", "ls", "echo",
            "grep", "insmod", "rmmod", "mkswap", "swapon", "swapoff", "sleep",
            "find", "sed", "base64", "md5sum")


def entries(kernel, kind, busybox, selftests):
    """Yield the lines of the cpio list."""
    for folder in FOLDERS:
        yield f"dir /{folder} 0755 0 0"
    yield "nod /dev/console 0600 0 0 c 5 1"
    yield f"file /bin/busybox {busybox} 0755 0 0"
    for command in COMMANDS:
        yield f"slink /bin/{command} busybox 0777 0 0"
    yield f"file /init {os.path.join(HERE, 'init')} 0755 0 0"
    yield f"file /init.kind {os.path.join(HERE, kind, 'init.sh')} 0755 0 0"
    yield from tree_entries(os.path.join(kernel, "modules"), "/modules")
    if selftests:
        yield from tree_entries(os.path.join(kernel, "kselftest"), "/kselftest")


def tree_entries(source, target):
    """Yield cpio list lines that copy the folder source to target."""
    for folder, folders, files in os.walk(source):
        folders.sort()
        inside = os.path.join(target, os.path.relpath(folder, source))
        inside = os.path.normpath(inside)
        yield f"dir {inside} 0755 0 0"
        for name in sorted(files):
            path = os.path.join(folder, name)
            mode = "0755" if os.access(path, os.X_OK) else "0644"
            yield f"file {inside}/{name} {path} {mode} 0 0"


def pack(kernel, kind, busybox, selftests):
    """Return the root with a kind's init, in the kernel folder; what is in it decides each bit."""
    cpio = os.path.join(kernel, f"rootfs-{kind}.cpio")
    # Another run may pack the same one.
    with tempfile.TemporaryDirectory(dir=kernel) as work:
        listing, part = (os.path.join(work, name) for name in ("list", "part"))
        with open(listing, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in entries(kernel, kind, busybox, selftests))
        with open(part, "wb") as file:
            subprocess.run([os.path.join(kernel, "gen_init_cpio"), "-t", "0", listing],
                           stdout=file, check=True)
        os.replace(part, cpio)
    return cpio
