"""Paragraphs that stand in several documents: the same press release inside two articles.

They are a signal (`q_dup_paragraph_ratio`), nothing is removed for them. A paragraph is a line of PARAGRAPH_CHARS or
more, word for word; its hash (xxh3, 64 bit, the same in every version) stands for it.

>>> documents = pa.table({"id": ["a"], "text": ["Title\\n" + "word " * 20], "reject_reason": pa.nulls(1, pa.string())})
>>> paragraphs_of(documents)["chars"].to_pylist()
[99]
"""

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

# As the lines by which articles are known again: shorter ones are headings, captions and links. Half of it in scripts
# whose characters are three bytes: a line counts by the mean of its characters and bytes.
PARAGRAPH_CHARS = 80

# Which paragraphs stand in which documents: what the index keeps of them, sorted.
PARAGRAPHS = pa.schema(
    [pa.field("paragraph", pa.uint64(), nullable=False), pa.field("document", pa.string(), nullable=False)]
)


def paragraphs_of(documents: pa.Table) -> pa.Table:
    """Every paragraph of the documents that no stage rejected: PARAGRAPHS, and `chars`, its code points."""
    documents = documents.select(["id", "text"]).filter(pc.is_null(documents["reject_reason"]))
    lines = pc.split_pattern(documents["text"].combine_chunks(), "\n")
    owners = pc.list_parent_indices(lines)
    texts = pc.list_flatten(lines)
    for _ in range(2):  # few lines are long enough to be worth trimming
        chars = pc.utf8_length(texts)
        wide = pc.greater_equal(pc.add(chars, pc.binary_length(texts)), 2 * PARAGRAPH_CHARS)
        texts, owners = pc.utf8_trim_whitespace(texts.filter(wide)), owners.filter(wide)
    hashes = [xxhash.xxh3_64_intdigest(text) for text in texts.cast(pa.binary()).to_pylist()]
    return pa.table(
        [pa.array(hashes, pa.uint64()), documents["id"].combine_chunks().take(owners), chars.filter(wide)],
        schema=PARAGRAPHS.append(pa.field("chars", pa.int32(), nullable=False)),
    )
