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
from flows.processes import Died, in_child, set_clock
from flows.readers import READERS
from flows.readers.records import Part
from flows.readers.source import blocks_of
from flows.store import Store

# CPU time that a Parquet's footer may take.
CUT_SECONDS = 60


def plan_pieces(store: Store, inputs: Sequence[InputFile], piece_bytes: int) -> list[tuple[Part, ...]]:
    """The pieces: every file once, in parts that together are the whole of it."""
    pieces: list[tuple[Part, ...]] = []
    piece: list[Part] = []
    held = 0
    cuts = _cuts_in_child(store, inputs, piece_bytes)
    for file in sorted(inputs, key=_folder_and_path):
        for part, size in cuts.get(file.path) or _parts(store, file, piece_bytes):
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
    if not _is_cut(file, piece_bytes):
        yield whole, file.size
        return
    cut = READERS[file.format].cut
    assert cut is not None
    try:
        with store.open(file.ref) as opened:
            parts = list(cut(opened, whole, piece_bytes))
    except OSError:  # whoever reads it finds out, and says so
        parts = [(whole, file.size)]
    yield from parts


def _is_cut(file: InputFile, piece_bytes: int) -> bool:
    return (
        file.size > piece_bytes
        and not file.compression
        and file.format in READERS
        and READERS[file.format].cut is not None
    )


def _cuts_in_child(store: Store, inputs: Sequence[InputFile], piece_bytes: int) -> dict[str, list[tuple[Part, int]]]:
    """The parts of each file that could end this process as it is opened to be cut; the whole where it ended the child:
    whoever reads it finds out, and says so."""
    left = [file for file in inputs if _is_cut(file, piece_bytes) and READERS[file.format].may_crash]
    cuts = {}
    while left:
        try:
            for parts in in_child(_cut_each, store, tuple(left), piece_bytes):
                cuts[left.pop(0).path] = parts
        except Died:
            file = left.pop(0)
            cuts[file.path] = [(whole_part(file), file.size)]
    return cuts


def _cut_each(store: Store, files: Sequence[InputFile], piece_bytes: int) -> Iterator[list[tuple[Part, int]]]:
    for file in files:
        set_clock(CUT_SECONDS)
        yield list(_parts(store, file, piece_bytes))


def whole_part(file: InputFile) -> Part:
    """A file as one part."""
    part = Part(file.path, file.key, file.format, file.compression, file.size, file.mtime_ns, file.inode)
    return part._replace(
        end=file.size if part.is_lines else 0,
        end_block=blocks_of(file.size),
        error=file.error,
    )
