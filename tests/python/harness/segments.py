"""Reads the headers of record batches in segment files, to see what a client really sent.

The layout is Kafka's record batch v2 (KIP-98); both kinds of broker keep it on disk.
"""

import struct
from pathlib import Path

CODECS = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_HEADER = struct.Struct(">qiibIhiqqqhii")


def batches(data: Path, topic: str):
    """Yields (base_offset, codec, producer_id, records) for every batch of every partition of `topic`."""
    folders = [folder for folder in data.rglob(f"{topic}-*") if folder.is_dir() and folder.name[len(topic) + 1 :].isdigit()]
    assert folders, f"no partition of {topic} under {data}"
    for folder in sorted(folders):
        for segment in sorted(folder.glob("*.log")):
            yield from _batches_of(segment.read_bytes(), segment)


def _batches_of(content, segment):
    position = 0
    while position + _HEADER.size <= len(content):
        fields = _HEADER.unpack_from(content, position)
        base_offset, length, _epoch, magic, _crc, attributes = fields[:6]
        # A preallocated or cleanly rolled file may end in zeros.
        if length == 0:
            return
        assert magic == 2, f"{segment} at {position}: magic {magic}"
        yield base_offset, CODECS[attributes & 7], fields[9], fields[12]
        position += 12 + length
