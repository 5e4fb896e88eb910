#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make the trace of a sleep cycle, as a guest's console has it, one that
sleepgraph.py renders well.

sleepgraph.py draws milliseconds, and these devices take microseconds: so that one
sees them, a microsecond of the guest becomes a millisecond. What comes before
dpm_prepare and after dpm_complete is left out, and the sleep is one of 1 us. The
mode is called standby: for s2idle sleepgraph.py looks for timekeeping_freeze, which
needs a driver for CPU idle states; what it looks for in standby is there.
"""

import argparse
import re
import sys

MARK = "# trace: "
SCALE = 1000
EVENT_LINE = re.compile(r"^(?P<task>.*\s)(?P<time>\d+\.\d+): (?P<event>.*)$")
SLEPT = "suspend_resume: machine_suspend[1] end"


def events(console):
    """Yield (task, seconds, event) of the guest's trace."""
    with open(console, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = EVENT_LINE.match(line.rstrip())
            if match and line.startswith(MARK):
                yield (match["task"][len(MARK):], float(match["time"]), match["event"])


def one_cycle(trace):
    """Return the events from the start of dpm_prepare to the end of
    dpm_complete, with what sleepgraph.py wants around them."""
    names = [event for _, _, event in trace]
    first = next(i for i, name in enumerate(names) if re.search(r"dpm_prepare\[\d+\] begin", name))
    last = next(i for i, name in enumerate(names) if re.search(r"dpm_complete\[\d+\] end", name))
    start, end = trace[first], trace[last]
    return [(*start[:2], "suspend_resume: suspend_enter[1] begin"), *trace[first:last + 1],
            (*end[:2], "suspend_resume: thaw_processes[0] begin"),
            (*end[:2], "suspend_resume: thaw_processes[0] end")]


def without_sleep(trace):
    """Return the events as if the machine had slept for 1 us."""
    woken = next(i for i, (_, _, event) in enumerate(trace) if event == SLEPT)
    slept = trace[woken][1] - trace[woken - 1][1] - 1e-6
    return [(task, time - slept * (i >= woken), event)
            for i, (task, time, event) in enumerate(trace)]


def main():
    """Print the trace of the console that the command line names."""
    parser = argparse.ArgumentParser(
        description="Print the trace on a guest's console for sleepgraph.py, "
        "a microsecond of the guest as a millisecond.")
    parser.add_argument("console", help="console.log of the guest")
    parser.add_argument("--title", required=True, help="what the picture is of")
    args = parser.parse_args()
    try:
        trace = without_sleep(one_cycle(list(events(args.console))))
    except StopIteration:
        sys.exit(f"error: no trace of a whole sleep cycle in {args.console}; "
                 "run make timeline")
    print(f"# suspend-010126-000000 {args.title} standby 1ms=1us")
    print("# tracer: nop")
    for task, time, event in trace:
        print(f"{task}{(time - trace[0][1]) * SCALE + 1:.6f}: {event}")


if __name__ == "__main__":
    main()
