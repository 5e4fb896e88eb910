# SPDX-License-Identifier: GPL-2.0
"""The tables that say which guests there are."""

import collections
import os

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIGS = os.path.join(HERE, "..", "configs")
KERNELS = os.path.join(CONFIGS, "kernels")

Config = collections.namedtuple("Config", "name sets axes cases")


def read_table(path):
    """Return the words of each line of a table, comments left out."""
    with open(path, encoding="ascii") as table:
        return [line.split() for line in table if line.strip() and not line.startswith("#")]


def machines():
    """Return {"arm64": {"emulator": "qemu-system-aarch64", ...}, ...}."""
    (_, *names), *lines = read_table(os.path.join(CONFIGS, "machines"))
    return {name: {key: values[number] for key, *values in lines}
            for number, name in enumerate(names)}


def unknown_words(kinds):
    """Return what the table of kernels says that no kind of guest knows, or None."""
    for name, _, *lists in (line[:6] for line in read_table(KERNELS)):
        here, sets, axes, cases = (set(words.split(",")) - {"-"} for words in lists)
        known = [kinds[kind] for kind in here if kind in kinds]
        unknown = sorted((here - set(kinds))
                         | (sets - set().union(*(kind.SETS for kind in known)))
                         | (axes - set().union(*(getattr(kind, "AXES", ()) for kind in known)))
                         | (cases - set().union(*(getattr(kind, "GROUPS", ("all",))
                                                  for kind in known))))
        if unknown:
            return f"{name} has {' '.join(unknown)}"
    return None


def configs(kind, subset=None):
    """Return the kernels for a kind of guest, or those of them in a set."""
    found = [Config(name, *(words.split(",") for words in lists)) for name, _, kinds, *lists, in
             (line[:6] for line in read_table(KERNELS)) if kind in kinds.split(",")]
    return [config for config in found if subset in (None, *config.sets)]
