"""How what is to be read is cut into pieces, one step each: from the input alone, so that every run cuts alike.

Plain JSONL is cut at every multiple of a piece's bytes, wherever its lines end: a part holds the lines that begin in
it. Parquet is cut between row groups; text and compressed files are whole. No file is opened but what is cut, and of
that only a Parquet's footer, or of a JSONL what would tell that it is none. Parts follow each other by top-level
folder, then path, and fill pieces: each but the last holds `piece_bytes` or more, so there are at most bytes /
`piece_bytes` + 1, however small the files; a piece grows past it by less than its last part. Rows never depend on where
the cuts are.
"""

from collections.abc import Iterator, Sequence

import pyarrow.parquet as pq

from flows.inputs import InputFile
from flows.readers import Part
from flows.readers.compression import compression_of, head_of
from flows.readers.objects import begins_list
from flows.readers.parquet import DAMAGED
from flows.readers.source import BLOCK_BYTES, blocks_of
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
    if file.size <= piece_bytes or not (whole.is_lines or file.format == "parquet"):
        yield whole, file.size
        return
    try:
        with store.open(file.ref) as opened:
            if whole.is_lines and _is_one(head_of(opened)):
                yield whole, file.size
                return
            if whole.is_lines:
                groups = []
            else:
                with pq.ParquetFile(opened) as parquet:
                    groups = _groups(parquet.metadata)
    except DAMAGED:  # or not to be opened: whoever reads it finds out, and says so
        yield whole, file.size
        return
    yield from _cut_lines(whole, piece_bytes) if whole.is_lines else _cut_groups(whole, groups, piece_bytes)


def _is_one(head: bytes) -> bool:
    """Whether what is called a JSONL, and begins like this, is no lines to be cut: compressed, or a list."""
    return bool(compression_of(head, "")) or begins_list(head)


def whole_part(file: InputFile) -> Part:
    """A file as one part."""
    part = Part(file.path, file.key, file.format, file.compression, file.size, file.mtime_ns, file.inode)
    return part._replace(
        end=file.size if part.is_lines else 0,
        end_block=blocks_of(file.size),
        error=file.error,
    )


def _cut_lines(whole: Part, piece_bytes: int) -> Iterator[tuple[Part, int]]:
    for start in range(0, whole.size, piece_bytes):
        end = min(start + piece_bytes, whole.size)
        # A block belongs to the part in which it begins.
        yield whole._replace(start=start, end=end, first_block=blocks_of(start), end_block=blocks_of(end)), end - start


def _groups(metadata: pq.FileMetaData) -> list[tuple[int, int]]:
    """Rows and compressed bytes of each row group."""
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    return [
        (group.num_rows, sum(group.column(column).total_compressed_size for column in range(group.num_columns)))
        for group in groups
    ]


def _cut_groups(whole: Part, groups: list[tuple[int, int]], piece_bytes: int) -> Iterator[tuple[Part, int]]:
    """Cut where row groups reach `piece_bytes`; the blocks are dealt out by the bytes passed."""
    start = first_row = next_row = first_block = held = passed = 0
    for index, (rows, size) in enumerate(groups):
        next_row += rows
        held += size
        passed += size
        is_last = index == len(groups) - 1
        if held < piece_bytes and not is_last:
            continue
        end_block = whole.end_block if is_last else max(first_block, min(passed // BLOCK_BYTES, whole.end_block))
        cut = whole._replace(
            start=start, end=index + 1, first_row=first_row, first_block=first_block, end_block=end_block
        )
        yield whole if start == 0 and is_last else cut, held
        start, first_row, first_block, held = index + 1, next_row, end_block, 0
    if not groups:
        yield whole, whole.size
