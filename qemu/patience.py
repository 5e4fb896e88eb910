# SPDX-License-Identifier: GPL-2.0
"""How long a guest may stand still. What it waits for a processor of the host does not count."""

import glob
import time

STARVED = 0.25  # part of its time, from which on the host may be the cause of what fails
MOST = 10       # times as long may pass on the clock


def waited(pid):
    """Return how long each thread of a process has waited for a processor, in seconds."""
    found = {}
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            with open(path, encoding="ascii") as file:
                found[path] = int(file.read().split()[1]) / 1e9
        except OSError:
            pass  # the thread has ended
    return found


class Patience:
    """Ends when a process made no progress for so many seconds."""

    def __init__(self, limit):
        self.limit = limit
        self.start = self.progress = self.now = time.monotonic(), {}

    def exhausted(self, pid, progress):
        """Look at the process; return whether it is to be given up."""
        # What a thread that has ended has waited is kept.
        self.now = time.monotonic(), self.now[1] | waited(pid)
        if progress:
            self.progress = self.now
        stood, lost = self.since(self.progress)
        return stood - lost >= self.limit or stood >= MOST * self.limit

    def since(self, then):
        """Return how many seconds have passed, and how many of them the process waited.

        Of its threads the one that waited most counts: all of them together wait for longer
        than that. The kernel tells of a wait when it is over, which may be many looks later.
        """
        passed = self.now[0] - then[0]
        waits = (wait - then[1].get(path, 0) for path, wait in self.now[1].items())
        return passed, min(passed, max(waits, default=0))

    @property
    def share(self):
        """Return which part of its time the process waited."""
        passed, lost = self.since(self.start)
        return lost / passed if passed else 0.0
