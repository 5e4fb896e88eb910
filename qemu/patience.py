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
        self.time = time.monotonic()
        self.waits = {}
        self.wall = self.starved = 0.0      # seconds, of all
        self.still = self.stood = 0.0       # since the last progress: those that count, and all

    def exhausted(self, pid, progress):
        """Look at the process; return whether it is to be given up."""
        before, self.time = self.time, time.monotonic()
        old, self.waits = self.waits, waited(pid)
        wall = self.time - before
        # Of its threads the one that waited most: all of them together wait for longer than that.
        lost = min(wall, max((wait - old.get(path, 0) for path, wait in self.waits.items()),
                             default=0))
        self.wall += wall
        self.starved += lost
        if progress:
            self.still = self.stood = 0.0
        else:
            self.still += wall - lost
            self.stood += wall
        return self.still >= self.limit or self.stood >= MOST * self.limit

    @property
    def share(self):
        """Return which part of its time the process waited."""
        return self.starved / self.wall if self.wall else 0.0
