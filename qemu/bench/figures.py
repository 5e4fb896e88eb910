# SPDX-License-Identifier: GPL-2.0
"""Show the figures that bench.py found, and judge them: whether they are what the
series promises, and the same as stored ones, times within 1 % or a tick of the
guest's clock for each interval in them, counts exactly. Times are instruction counts
of one kernel and compiler: where these are not those of the stored ones, only the
ratios are compared, within 10 %, and the times are a skip that says so.
"""

from bench.kind import MANY, MAX_QUEUES

SAME = 0.01
# A guest takes 6448 or 6624 ns for the suspend callbacks, in all of its cycles, and what is
# in its root decides which.
SAME_SUSPEND = 0.03
SIMILAR = 0.10  # of a ratio, with another kernel or compiler
TICK = 16  # nanoseconds, of the guest's clock
# What a time can be off, in nanoseconds: that of a device's queues is the sum of two
# callbacks, each a difference of two readings; that of a ring is the mean of many.
SLACK = {"queues": 2 * TICK, "rings": 1}
# Times, the last of 31 devices; behind ports they first come from D3hot.
EARLIER = {"split": 8, "packed": 6.5, "pci-split": 12, "pci-port-split": 1,
           "viommu-split": 4, "smmu-split": 4, "suspend-split": 9}
SUSPENDED = "suspend-split"  # and what that is compared with
RESET = "split"
CHEAPER = 3  # times, to resume a device with many queues, each of which is looked at
# Accesses to suspend and resume a device: six in the noirq phase, and in the normal ones a
# look at the status in freeze and two in restore
FEW = 9
RING_SHARE = 1 / 4  # of what it costs to create the largest ring anew
OVERHEAD = 0.01
LINEAR = 0.05
LINEAR_PCI = 0.10  # more happens there, and a reset waits for each vector, found in a tree
FLAT = 10  # nanoseconds between the smallest and the largest ring
FULL_RING = 1024  # entries; QEMU always offers so many
CLEARED = {
    "split": "the device sees by one index what is available, so that two "
    "indices, flags and events are cleared",
    "packed": "the device sees by the flags of each descriptor whether it is "
    "available, and stale ones look so after a reset, so that all are cleared, by one memset"}
PATHS = ("noirq", "normal")


def us(nanoseconds):
    """Return "12.3" microseconds."""
    return f"{nanoseconds / 1000:,.1f}"


def times(number):
    """Return "4.9 x"."""
    return f"{number:.1f} x"


def percent(part):
    """Return "+0.30 %"."""
    return f"{100 * part:+.2f} %"


def ratio(entry, name):
    """Return how many times more the normal path takes."""
    return entry["normal"][name] / entry["noirq"][name]


def table(title, columns, rows, *notes):
    """Return Markdown that lines up on a terminal, too."""
    rows = [columns, *([str(cell) for cell in row] for row in rows)]
    widths = [max(3, *map(len, column)) for column in zip(*rows)]
    rows[1:1] = [["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]]
    lines = [f"\n### {title}\n"]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, *("\n" + note for note in notes)])


def shares(figures):
    """Yield, for a layout, what is in the time of many devices besides their requests."""
    for layout in (RESET, SUSPENDED):
        past = {e["devices"]: e["normal"]["consumer_noirq_ns"] for e in figures["readiness"]
                if e["layout"] == layout and not e["sibling_us"]}
        callbacks = [e["noirq"]["resume_ns"] for e in figures["queues"]
                     if e["layout"] == layout and e["queues"] == 1]
        if callbacks and past.keys() >= {1, MANY}:
            core = (past[MANY] - past[1]) / (MANY - 1) * MANY
            yield (f"{layout}: of the noirq time with {MANY} devices, {us(MANY * callbacks[0])} µs "
                   f"are their PM callbacks, and {us(core)} µs the PM core needs for {MANY} "
                   "devices without any in the noirq phase.")


def readiness_table(figures):
    """When devices answer."""
    rows = [(f"{e['layout']}, {e['devices']} device" + "s" * (e["devices"] > 1)
             + (f", sibling takes {e['sibling_us'] // 1000} ms" if e["sibling_us"] else ""),
             us(e["noirq"]["last_ns"]), us(e["normal"]["last_ns"]), times(ratio(e, "last_ns")))
            for e in figures["readiness"]]
    notes = [f"{e['layout']}: of the noirq time with {MANY} devices, "
             f"{us(MANY * e['clear_ns'])} µs are the memset of {MANY} rings."
             for e in figures["rings"] if e["num"] == FULL_RING]
    return table("The last device answers, µs after the start of "
                 "dpm_resume_noirq", ("", "noirq", "normal", "earlier"), rows, *notes,
                 *shares(figures))


def mapping_table(figures):
    """When a device answers that is behind an IOMMU."""
    buses = layouts(figures["mappings"])
    found = {(e["layout"], e["mappings"]): e["last_ns"] for e in figures["mappings"]}
    rows = [(f"{n:,} pages" if n > 1 else "1 page", *(us(found[bus, n]) for bus in buses))
            for n in dict.fromkeys(e["mappings"] for e in figures["mappings"])]
    return table("A device behind an IOMMU answers, by what is mapped, µs after the start of "
                 "dpm_resume_noirq", ("", *buses), rows)


def cost_table(figures):
    """What a device costs, by the number of its queues."""
    rows = [(f"{e['layout']}, {e['queues']} queue" + "s" * (e["queues"] > 1),
             us(e["noirq"]["suspend_ns"]), us(e["normal"]["suspend_ns"]),
             us(e["noirq"]["resume_ns"]), us(e["normal"]["resume_ns"]),
             times(ratio(e, "resume_ns"))) for e in figures["queues"]]
    notes = [f"Each further queue, {layout}: {us(slope(figures, layout, 'noirq'))}"
             f" µs noirq, {us(slope(figures, layout, 'normal'))} µs normal."
             for layout in layouts(figures["queues"])]
    return table("The PM callbacks of one device, µs",
                 ("", "suspend noirq", "normal", "resume noirq", "normal", "faster"), rows, *notes)


def ring_table(figures):
    """What the reset of a ring costs."""
    rows = [(f"{e['layout']}, {e['num']} entries", f"{e['reinit_ns']:,}", f"{e['recreate_ns']:,}",
             f"1/{e['recreate_ns'] / e['reinit_ns']:.0f}",
             f"{e['clear_bytes']:,}", f"{e['clear_ns']:,}") for e in figures["rings"]]
    notes = [f"{layout}: {CLEARED[layout]}; and at most "
             f"{max(beyond_clearing(figures, layout))} ns whatever the size: "
             "the checks, and the state that the driver keeps of the ring."
             for layout in layouts(figures["rings"])]
    return table("Reset of one ring, ns", (
        "", "reinit", "delete and create", "share", "bytes to clear",
        "memset of them"), rows, *notes)


def register_table(figures):
    """How many registers a bring-up accesses."""
    rows = [(f"{e['layout']}, {e['queues']} queue" + "s" * (e["queues"] > 1)
             + f", {e['path']}", e["minimum"], e["accesses"],
             sum(e["surplus"].values()), sum(e["left_out"].values())) for e in figures["registers"]]
    return table("Register accesses of a bring-up, from the reset to the end "
                 "of restore", ("", "the spec's minimum", "accesses", "surplus", "left out"), rows)


def surplus_table(figures):
    """Why a bring-up accesses more or fewer of them, access by access."""
    alike = {}
    for entry in figures["registers"]:
        if entry["queues"] == 1:
            key = entry["path"], str((entry["surplus"], entry["left_out"]))
            alike.setdefault(key, []).append(entry)
    entries = [group[0] for group in alike.values()]
    rows = [(label + reason, *(e[part].get(reason, 0) for e in entries))
            for part, label in (("surplus", ""), ("left_out", "left out: "))
            for reason in dict.fromkeys(why for e in entries for why in e[part])]
    return table("Accesses beyond the minimum, whatever the number of queues",
                 ("", *(", ".join(e["layout"] for e in group) + f" {path}"
                        for (path, _), group in alike.items())), rows)


def allocation_table(figures):
    """What is allocated in the PM callbacks."""
    rows = [(f"{e['layout']}, {e['queues']} queue",
             *(e[path][f"{part}_allocs"] for part in ("suspend", "resume") for path in PATHS))
            for e in figures["allocations"]]
    return table("Allocations in the PM callbacks of one device",
                 ("", "suspend noirq", "normal", "resume noirq", "normal"), rows)


def overhead(figures, name):
    """Return (base, series, added part) of a whole cycle."""
    base, series = (figures["overhead"][kernel][name] for kernel in ("base", "series"))
    return base, series, series / base - 1


def overhead_table(figures):
    """What a cycle costs that does not use the feature."""
    devices = figures["overhead"]["series"]["devices"]
    rows = []
    for part in ("suspend", "resume"):
        base, series, added = overhead(figures, f"{part}_total_ns")
        rows.append((f"all phases of {part}, {devices} devices", us(base),
                     us(series), percent(added)))
    return table("Drivers that do not use the feature, µs",
                 ("", "v7.3", "with the series", "added"), rows)


TABLES = {
    "readiness": [readiness_table], "mappings": [mapping_table], "queues": [cost_table],
    "rings": [ring_table], "registers": [register_table, surplus_table],
    "allocations": [allocation_table], "overhead": [overhead_table]}


def layouts(entries):
    """Return the layouts in them, in order."""
    return list(dict.fromkeys(entry["layout"] for entry in entries))


def beyond_clearing(figures, layout):
    """Return what a reset costs beyond clearing memory, for each size."""
    return [e["reinit_ns"] - e["clear_ns"] for e in figures["rings"] if e["layout"] == layout]


def slope(figures, layout, path):
    """Return what one further queue costs in resume."""
    costs = [(e["queues"], e[path]["resume_ns"]) for e in figures["queues"]
             if e["layout"] == layout]
    (first, least), (last, most) = costs[0], costs[-1]
    return (most - least) / (last - first)


def off_the_line(costs, limit):
    """Yield (number, cost, that on the straight line) of those that are off it."""
    (first, least), (last, most) = costs[0], costs[-1]
    for number, cost in costs:
        expected = least + (most - least) / (last - first) * (number - first)
        if abs(cost / expected - 1) > limit:
            yield number, cost, expected


def linear_faults(figures, layout, path):
    """Yield the numbers of queues whose cost is off the straight line."""
    costs = [(e["queues"], e[path]["resume_ns"]) for e in figures["queues"]
             if e["layout"] == layout]
    limit = LINEAR_PCI if layout.startswith("pci") else LINEAR
    for queues, found, expected in off_the_line(costs, limit):
        yield (f"{path}, {queues} queues: {us(found)} µs, "
               f"{us(expected)} µs on the line")


# ---- what the series promises: (name, what is wrong with it) ---------------

def readiness_goals(figures):
    """The last of many devices answers much earlier."""
    for e in figures["readiness"]:
        if e["devices"] == MANY:
            goal, found = EARLIER[e["layout"]], ratio(e, "last_ns")
            yield (f"readiness {e['layout']} sibling {e['sibling_us']} us: "
                   f"the last of {MANY} devices is {goal} times earlier",
                   [f"only {times(found)}"] if found < goal else [])


def mapping_goals(figures):
    """A mapping costs the same, however many there are."""
    for layout in layouts(figures["mappings"]):
        costs = [(e["mappings"], e["last_ns"]) for e in figures["mappings"]
                 if e["layout"] == layout]
        yield (f"mappings {layout}: the time is linear in them",
               [f"{n:,} pages: {us(found)} µs, {us(expected)} µs on the line"
                for n, found, expected in off_the_line(costs, LINEAR_PCI)])


def cost_goals(figures):
    """No number of queues costs more than before; linear."""
    for layout in layouts(figures["queues"]):
        entries = [e for e in figures["queues"] if e["layout"] == layout]
        yield (f"queues {layout}: a bring-up costs no more than before",
               [f"{e['queues']} queues: {times(ratio(e, 'resume_ns'))}"
                for e in entries if ratio(e, "resume_ns") < 1])
        yield (f"queues {layout}: the cost is linear in queues",
               list(linear_faults(figures, layout, "noirq")))


def ring_goals(figures):
    """The reset of a ring is cheap, of a large one above all."""
    for layout in layouts(figures["rings"]):
        entries = [e for e in figures["rings"] if e["layout"] == layout]
        yield (f"rings {layout}: a reset costs no more than before",
               [f"{e['num']} entries: {e['reinit_ns']} ns" for e in entries
                if e["reinit_ns"] > e["recreate_ns"]])
        beyond = beyond_clearing(figures, layout)
        yield (f"rings {layout}: beyond the memory to clear, the size does "
               "not matter", [f"{min(beyond)} to {max(beyond)} ns"]
               if max(beyond) - min(beyond) > FLAT else [])
        largest = entries[-1]
        share = largest["reinit_ns"] / largest["recreate_ns"]
        yield (f"rings {layout}: a quarter at most with {largest['num']} "
               "entries", [f"{share:.2f}"] if share > RING_SHARE else [])


def register_goals(figures):
    """Each access beyond the minimum has a reason, and the noirq phase has no more."""
    normal = {(e["layout"], e["queues"]): e["accesses"]
              for e in figures["registers"] if e["path"] == "normal"}
    for e in figures["registers"]:
        yield (f"registers {e['layout']} {e['queues']} queues {e['path']}: "
               "each access is required or has a reason",
               [name for name in e["surplus"] if "unexplained" in name])
        if e["path"] == "noirq":
            limit = normal[e["layout"], e["queues"]]
            yield (f"registers {e['layout']} {e['queues']} queues: no more than normally",
                   [f"{e['accesses']}, and {limit}"] if e["accesses"] > limit else [])


def suspended_goals(figures):
    """A device that is suspended takes few accesses, and hardly more time for many queues."""
    for e in figures["registers"]:
        if e["layout"] == SUSPENDED and e["path"] == "noirq":
            found = e["suspend"] + e["accesses"]
            yield (f"registers {SUSPENDED} {e['queues']} queues: {FEW} at most for both ways",
                   [f"{found}"] if found > FEW else [])
    costs = {(e["layout"], e["queues"]): e["noirq"]["resume_ns"] for e in figures["queues"]}
    for (layout, queues), found in costs.items():
        if layout == SUSPENDED and queues == MAX_QUEUES:
            cheaper = costs[RESET, queues] / found
            yield (f"queues {SUSPENDED}: with {queues} queues a resume costs {CHEAPER} times less "
                   "than a bring-up in the noirq phase",
                   [f"only {times(cheaper)}"] if cheaper < CHEAPER else [])


def allocation_goals(figures):
    """Nothing is allocated."""
    for e in figures["allocations"]:
        yield (f"allocations {e['layout']}: none by core and transport",
               [f"{count} {name}" for name, count in e["noirq"].items() if count])


def overhead_goals(figures):
    """Who does not use the feature does not notice."""
    for part in ("suspend", "resume") if figures["overhead"] else ():
        added = overhead(figures, f"{part}_total_ns")[2]
        yield (f"overhead: {part} takes less than 1 % more",
               [percent(added)] if added > OVERHEAD else [])


GOALS = (readiness_goals, mapping_goals, cost_goals, ring_goals, register_goals,
         suspended_goals, allocation_goals, overhead_goals)


# ---- comparison with what is stored ------------------------------------------

def entries_of(figures):
    """Yield (kind, what it is, entry) of all entries."""
    for kind in TABLES:
        found = figures.get(kind, [])
        if isinstance(found, dict):
            yield from ((kind, name, entry) for name, entry in found.items())
            continue
        for entry in found:
            what = " ".join(f"{name}={value}" for name, value in entry.items() if name in (
                "layout", "devices", "sibling_us", "mappings", "queues", "num", "path"))
            yield kind, what, entry


def numbers(entry, prefix=""):
    """Yield (name, number) of all numbers in an entry."""
    for name, value in entry.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{name} ")
        elif isinstance(value, (int, float)):
            yield prefix + name, value


def ratios(entry):
    """Yield (name, ratio of the two paths) of the times in an entry."""
    pairs = [("noirq last_ns", "normal last_ns"), ("noirq resume_ns", "normal resume_ns"),
             ("reinit_ns", "recreate_ns")]
    found = dict(numbers(entry))
    for noirq, normal in pairs:
        if noirq in found:
            yield f"{normal} / {noirq} ratio", found[normal] / found[noirq]


def moved(new, old, tolerance, slack=0):
    """Yield the numbers that are not the same, nanoseconds with a slack."""
    new, old = dict(new), dict(old)
    for name in {**old, **new}:
        value, before = new.get(name, 0), old.get(name, 0)
        least = slack if name.endswith("_ns") else 0
        same = SAME_SUSPEND if name.endswith("suspend_ns") else tolerance
        if abs(value - before) > max(same * before, least):
            yield f"{name}: {value:.6g}, stored {before:.6g}"


def comparisons(figures, stored):
    """Yield (test, faults or None for a skip, reason) against stored ones."""
    same = figures["made_with"] == stored["made_with"]
    olds = {(kind, what): entry for kind, what, entry in entries_of(stored)}
    for kind, what, entry in entries_of(figures):
        old = olds.get((kind, what))
        name = f"as stored: {kind} {what}"
        if old is None:
            yield name, ["not stored"], ""
        elif same or kind == "registers":
            slack = SLACK.get(kind, TICK)
            yield name, list(moved(numbers(entry), numbers(old), SAME, slack)), ""
        else:
            yield name, None, "made with " + ", ".join(
                f"{key} {value}, stored {stored['made_with'].get(key)}"
                for key, value in figures["made_with"].items()
                if value != stored["made_with"].get(key))
            if found := list(ratios(entry)):
                yield (f"ratio {name}", list(moved(found, ratios(old), SIMILAR)), "")


def check(ktap, figures, stored):
    """Print the results."""
    results = [(name, faults, "") for goals in GOALS for name, faults in goals(figures)]
    if stored:
        results += comparisons(figures, stored)
    for name, faults, why in results:
        ktap.result(not faults, name, *(faults or ()), skip=why if faults is None else None)
    if any(faults for name, faults, _ in results if "stored" in name):
        ktap.note("If the figures changed on purpose, store them: make bench STORE=1")


def tables(figures):
    """Return those of each kind of figures that there are."""
    return "\n".join(make(figures) for name, makers in TABLES.items() if figures[name]
                     for make in makers) + "\n"


def markdown(figures):
    """Return the page with them."""
    with_what = ", ".join(f"{name} {value}" for name, value in figures["made_with"].items())
    return f"""\
<!-- made by: make bench STORE=1 -->

# Figures

Guest time under `-icount`, made with {with_what}, configuration arm64, which has
no debug checks. Each instruction counts a nanosecond. So does one that accesses a
register, though it leaves the guest, where it takes longer: these are counted
apart, and both paths need nearly as many.

noirq: a driver that uses the noirq phase. normal: one that deletes its queues in
freeze and finds them again in restore, as those in the tree do; same kernel, same
run. The request is VIRTIO_BLK_T_GET_ID, which QEMU answers at once, without its
block layer; `make demo` reads sectors. suspend: in the noirq phase the device is suspended
instead of reset (VIRTIO_F_SUSPEND), on the QEMU of `make qemu`; its register accesses are all
from the wake-up to the end of restore.
""" + tables(figures)
