#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Write a disk image with the pattern that the test module compares with.

Sector 0 holds 16 bytes of magic and a little-endian 64-bit seed. Any other
sector s holds 64 little-endian words; word w is
(seed + 64 * s + w) * 0x9E3779B97F4A7C15 modulo 2^64.
"""

import argparse
import struct
import sys

MAGIC = b"virtio-noirq-pat"
FACTOR = 0x9E3779B97F4A7C15
SECTOR_SIZE = 512  # bytes
SECTOR_WORDS = 64
DEFAULT_SEED = 0x5EED
DEFAULT_SECTORS = 256


def label(seed):
    """Return sector 0."""
    return (MAGIC + struct.pack("<Q", seed)).ljust(SECTOR_SIZE, b"\0")


def sector(seed, number):
    """Return a sector of the pattern."""
    first = seed + number * SECTOR_WORDS
    words = [(first + w) * FACTOR % 2**64 for w in range(SECTOR_WORDS)]
    return struct.pack(f"<{SECTOR_WORDS}Q", *words)


def write_disk(path, number=0, seed=DEFAULT_SEED, sectors=DEFAULT_SECTORS):
    """Write an image of so many sectors to path.

    Disks of different numbers have no word in common.
    """
    seed += number * sectors * SECTOR_WORDS
    with open(path, "wb") as image:
        image.write(label(seed))
        for number in range(1, sectors):
            image.write(sector(seed, number))


def main():
    """Write the image that the command line names."""
    parser = argparse.ArgumentParser(
        description="Write a disk image with the test pattern.")
    parser.add_argument("path", help="image to write")
    parser.add_argument("--seed", type=lambda text: int(text, 0),
                        default=DEFAULT_SEED,
                        help=f"64-bit seed (default {DEFAULT_SEED:#x})")
    parser.add_argument("--sectors", type=int, default=DEFAULT_SECTORS,
                        help=f"size in sectors of {SECTOR_SIZE} bytes "
                             f"(default {DEFAULT_SECTORS})")
    args = parser.parse_args()
    if args.sectors < 2 or not 0 <= args.seed < 2**64:
        parser.error("at least 2 sectors and a seed of 64 bits are needed")
    write_disk(args.path, 0, args.seed, args.sectors)


if __name__ == "__main__":
    sys.exit(main())
