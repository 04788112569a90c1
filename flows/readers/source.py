"""A file of RAW, open for reading, whose blocks are hashed as they pass: its content is named without a second pass."""

import hashlib
import io
from typing import BinaryIO

from flows.store import Facts, Store
from transforms.errors import ShardError

# The unit of a content's name, whatever the pieces: changing it renames every content.
BLOCK_BYTES = 8 * 1024 * 1024
# Read from disk at a time: larger steps fall out of the CPU's cache before the reader sees them.
STEP = 256 * 1024


def blocks_of(size: int) -> int:
    """How many blocks a file has."""
    return -(-size // BLOCK_BYTES)


def check_unchanged(store: Store, file: BinaryIO, path: str, listed: Facts) -> None:
    """Raises: ShardError where an open file isn't what was listed."""
    if store.facts(file) != listed:
        raise ShardError(f"{path} changed while it was read; run again")


class Source(io.BufferedReader):
    """The open `file`; of what is read in order from the first to the last of these blocks, each is hashed."""

    def __init__(self, file: BinaryIO, size: int, first_block: int, end_block: int) -> None:
        self._hashing = _Hashing(file, first_block * BLOCK_BYTES, min(end_block * BLOCK_BYTES, size))
        super().__init__(self._hashing, STEP)

    def finish(self) -> tuple[str, ...]:
        """SHA-256 of each block; reads what the reader left out. Raises: OSError."""
        return self._hashing.finish()

    def raise_failure(self) -> None:
        """Raises: OSError where the file could not be read, whatever became of the error."""
        if self._hashing.failure is not None:
            raise self._hashing.failure


class _Hashing(io.RawIOBase):
    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self.file = file
        self.at = start  # the next byte to be hashed
        self.end = end
        self.digest = hashlib.sha256()
        self.hashes: list[str] = []
        self.failure: OSError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        offset = self.file.tell()
        try:
            size = self.file.readinto(buffer)  # type: ignore[attr-defined]
        except OSError as error:
            self.failure = error
            raise
        if offset <= self.at < offset + size and self.at < self.end:
            self._add(memoryview(buffer)[self.at - offset : min(size, self.end - offset)])
        return int(size)

    def _add(self, piece: memoryview) -> None:
        while piece:
            taken = piece[: BLOCK_BYTES - self.at % BLOCK_BYTES]
            self.digest.update(taken)
            self.at += len(taken)
            piece = piece[len(taken) :]
            if self.at % BLOCK_BYTES == 0 or self.at == self.end:
                self.hashes.append(self.digest.hexdigest())
                self.digest = hashlib.sha256()

    def finish(self) -> tuple[str, ...]:
        buffer = bytearray(STEP)
        self.file.seek(self.at)
        while self.at < self.end and self.readinto(buffer):
            pass
        return tuple(self.hashes)
