"""The line index against a slow, obvious one."""

import re

import pyarrow as pa
import xxhash
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.boilerplate.lines import (
    ASKED,
    ASKED_LINES,
    KIND_BITS,
    LONG_LINE_CHARS,
    LONG_LINES,
    TITLE_LINES,
    TITLE_WIDTH,
    Kind,
    index,
    index_lines,
    is_prose,
    line_hashes,
    opening_hash,
    title_places,
    width,
)
from transforms.schema import column_type

PROSE = "The ferry left the quay a little after seven, as it had done every morning since the war of 1914, at 8:15."
LINES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "Title",
            "  Seite 12  von 345 ",
            "Seite 0",
            "ΟΔΟΣ 7",
            "a\u2003b",
            "中" * 45 + "。",
            "Ⅷ. 12 May",
            "***",
            "",
            " \t",
            "Read more",
            PROSE,
            f"{PROSE} {PROSE}",
        ]
    ),
)


def hash_of(line: str) -> int:
    """Of a line in lower case, its numbers folded or not."""
    squeezed = " ".join(line.split())
    has_letter = any(re.match(r"[^\W\d_]", char) for char in line)
    return xxhash.xxh3_64_intdigest(squeezed.encode()) & ~KIND_BITS if has_letter else 0


def folded(line: str) -> str:
    return re.sub(r"\d+", "0", line.lower())


def keys_of(text: str) -> list[int]:
    lines = text.split("\n")
    stripped = [line.strip() for line in lines]
    hashes = [hash_of(folded(line)) for line in lines]
    there = [at for at, line in enumerate(stripped) if line]
    titles = title_places(stripped, there)
    keys = {hashes[at] | (Kind.TITLE if at in titles else Kind.LINE) for at in there if hashes[at]}
    for at in there:
        if hashes[at] and not is_prose(stripped[at]) and folded(lines[at]) != lines[at].lower():
            keys.add(hash_of(lines[at].lower()) | Kind.EXACT)
    paragraphs = [at for at in there if is_prose(stripped[at])]
    for number, at in enumerate(paragraphs):
        above: list[int] = []
        for other in reversed(there[: there.index(at)]):
            if is_prose(stripped[other]) or len(above) == TITLE_LINES:
                break
            above.append(other)
        found = [opening_hash(hashes[other], hashes[at]) for other in above if hashes[other] and hashes[at]]
        if number:
            keys |= {one | Kind.OPENING | ASKED for one in found}
        elif there.index(at) <= TITLE_LINES:
            keys |= {one | Kind.OPENING for one in found[-1:]}
    for at in [at for at in there if paragraphs and at > paragraphs[-1]][:ASKED_LINES]:
        if hashes[at] and width(stripped[at]) >= TITLE_WIDTH:
            keys.add(hashes[at] | Kind.TITLE | ASKED)
    return sorted(keys)


def long_lines_of(text: str) -> list[int]:
    """Of the longest lines, at most LONG_LINES that differ; of the whole document where none is long."""
    lines = [(line.strip(), hash_of(folded(line))) for line in text.split("\n")]
    long = sorted((-len(line), value) for line, value in lines if len(line) >= LONG_LINE_CHARS and value)
    return list(dict.fromkeys(value for _, value in long))[:LONG_LINES] or [document_of(text)]


def document_of(text: str) -> int:
    hashes = [hash_of(folded(line)) for line in text.split("\n")]
    return xxhash.xxh3_64_intdigest(b"".join(value.to_bytes(8, "little") for value in hashes if value))


TEXTS = st.lists(LINES, max_size=12).map("\n".join)


@given(TEXTS)
@example("Title\n\n" + PROSE + "\nNext\n" + PROSE)
def test_the_index_is_that_of_an_obvious_one(text: str) -> None:
    assert line_hashes(text) == index(text).lines == [hash_of(folded(line)) for line in text.split("\n")]
    assert index(text).keys == keys_of(text)
    assert index(text).document == document_of(text)
    assert index(text).long_lines == long_lines_of(text)


@given(st.lists(TEXTS, max_size=5))
@example(["Seite 0\n", "\n" + PROSE, "", "1\u0663 ΟΔΟΣ"])
def test_documents_are_indexed_each_by_itself(texts: list[str]) -> None:
    documents = index_lines(pa.table({"text": pa.array(texts, pa.large_string())}))
    columns = [documents[name].to_pylist() for name in ("lines", "line_keys", "line_document", "long_lines")]
    assert list(zip(*columns, strict=True)) == [tuple(index(text)) for text in texts]
    assert documents.schema.field("line_keys").type == column_type("line_keys")
