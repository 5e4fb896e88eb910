# SPDX-License-Identifier: GPL-2.0
"""Disk images with the pattern that the test module compares with.

Sector 0 holds 16 bytes of magic and a little-endian 64-bit seed. Any other
sector s holds 64 little-endian words; word w is
(seed + 64 * s + w) * 0x9E3779B97F4A7C15 modulo 2^64.
"""

import struct

MAGIC = b"virtio-noirq-pat"
FACTOR = 0x9E3779B97F4A7C15
SECTOR_SIZE = 512  # bytes
SECTOR_WORDS = 64
SEED = 0x5EED
SECTORS = 256


def label(seed):
    """Return sector 0."""
    return (MAGIC + struct.pack("<Q", seed)).ljust(SECTOR_SIZE, b"\0")


def sector(seed, number):
    """Return a sector of the pattern."""
    first = seed + number * SECTOR_WORDS
    words = [(first + w) * FACTOR % 2**64 for w in range(SECTOR_WORDS)]
    return struct.pack(f"<{SECTOR_WORDS}Q", *words)


def write_disk(path, number):
    """Write image number so; disks of different numbers share no word."""
    seed = SEED + number * SECTORS * SECTOR_WORDS
    with open(path, "wb") as image:
        image.write(label(seed))
        for place in range(1, SECTORS):
            image.write(sector(seed, place))
