"""How what is to be read is cut into pieces, one step each: from the input alone, so that every run cuts alike.

Plain JSONL is cut at every multiple of a piece's bytes, wherever its lines end: a part holds the lines that begin in
it. Parquet is cut between row groups; text and compressed files are whole. No file is opened but what is cut, and of
that only a Parquet's footer, or of a JSONL what would tell that it is none. Parts follow each other by top-level
folder, then path, and fill pieces: each but the last holds `piece_bytes` or more, so there are at most bytes /
`piece_bytes` + 1, however small the files; a piece grows past it by less than its last part. Rows never depend on where
the cuts are.
"""

from collections.abc import Iterator, Sequence

from flows.inputs import InputFile
from flows.readers import READERS
from flows.readers.records import Part
from flows.readers.source import blocks_of
from flows.store import Store


def plan_pieces(store: Store, inputs: Sequence[InputFile], piece_bytes: int) -> list[tuple[Part, ...]]:
    """The pieces: every file once, in parts that together are the whole of it."""
    pieces: list[tuple[Part, ...]] = []
    piece: list[Part] = []
    held = 0
    for file in sorted(inputs, key=_folder_and_path):
        for part, size in _parts(store, file, piece_bytes):
            piece.append(part)
            held += size
            if held >= piece_bytes:
                pieces.append(tuple(piece))
                piece, held = [], 0
    if piece:
        pieces.append(tuple(piece))
    return pieces


def _folder_and_path(file: InputFile) -> tuple[str, str]:
    folder, separator, _ = file.path.partition("/")
    return folder if separator else "", file.path


def _parts(store: Store, file: InputFile, piece_bytes: int) -> Iterator[tuple[Part, int]]:
    """The parts of a file, each with its bytes."""
    whole = whole_part(file)
    cut = READERS[file.format].cut if file.format in READERS else None
    if file.size <= piece_bytes or file.compression or not cut:
        yield whole, file.size
        return
    try:
        with store.open(file.ref) as opened:
            parts = list(cut(opened, whole, piece_bytes))
    except OSError:  # whoever reads it finds out, and says so
        parts = [(whole, file.size)]
    yield from parts


def whole_part(file: InputFile) -> Part:
    """A file as one part."""
    part = Part(file.path, file.key, file.format, file.compression, file.size, file.mtime_ns, file.inode)
    return part._replace(
        end=file.size if part.is_lines else 0,
        end_block=blocks_of(file.size),
        error=file.error,
    )
