"""Entries as bytes: what a file holds, and whether it is what was written under that name.

    magic, digest of all that follows and of the key, length of the label, label, content

A digest that does not fit, for whatever reason, makes it no entry. The digest keeps accidents out, not enemies: these
are kept out by whom the directory belongs to (``directory.py``).
"""

from __future__ import annotations

import hashlib

__all__ = ["HEAD", "digest", "label_of", "packed", "unpacked"]

MAGIC = b"functad cache 1\n"
DIGEST = 32
LENGTH = 4
HEAD = len(MAGIC) + DIGEST + LENGTH
"""The bytes before the label."""


def digest(*parts: bytes | str) -> str:
    """A name for what these parts say, in 40 hexadecimal digits; parts are told from each other.

    Examples
    --------
    >>> digest("ab", "c") == digest("a", "bc")
    False
    """
    made = hashlib.blake2b(digest_size=20)
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        made.update(len(content).to_bytes(8, "little"))
        made.update(content)
    return made.hexdigest()


def packed(key: str, label: str, content: bytes) -> bytes:
    """The bytes of an entry; the label is one line for people.

    Examples
    --------
    >>> unpacked("k", packed("k", "a label", b"content"))
    b'content'
    >>> unpacked("another", packed("k", "a label", b"content"))
    """
    line = label.encode()
    rest = len(line).to_bytes(LENGTH, "little") + line + content
    return MAGIC + _checksum(key, rest) + rest


def unpacked(key: str, data: bytes) -> bytes | None:
    """The content of an entry; None for bytes that are not one of this key, whole and as it was written."""
    rest = data[len(MAGIC) + DIGEST :]
    if data[: len(MAGIC) + DIGEST] != MAGIC + _checksum(key, rest):
        return None
    return rest[LENGTH + int.from_bytes(rest[:LENGTH], "little") :]


def label_of(start: bytes) -> str:
    """The label in the first bytes of an entry, unchecked; empty where there is none."""
    if not start.startswith(MAGIC):
        return ""
    length = int.from_bytes(start[HEAD - LENGTH : HEAD], "little")
    return start[HEAD : HEAD + length].decode(errors="replace")


def _checksum(key: str, rest: bytes) -> bytes:
    made = hashlib.blake2b(key.encode(), digest_size=DIGEST)
    made.update(b"\0" + rest)
    return made.digest()
