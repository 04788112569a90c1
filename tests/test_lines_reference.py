"""The line index against a slow, obvious one."""

import re

import xxhash
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.boilerplate.lines import (
    ASKED,
    ASKED_LINES,
    KIND_BITS,
    TITLE_LINES,
    TITLE_WIDTH,
    Kind,
    index,
    is_prose,
    line_hashes,
    opening_hash,
    title_places,
    width,
)

PROSE = "The ferry left the quay a little after seven, as it had done every morning since the war of 1914, at 8:15."
LINES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["Title", "  Seite 12  von 345 ", "Ⅷ. 12 May", "***", "", " \t", "Read more", PROSE, f"{PROSE} {PROSE}"]
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


@given(st.lists(LINES, max_size=12).map("\n".join))
@example("Title\n\n" + PROSE + "\nNext\n" + PROSE)
def test_the_index_is_that_of_an_obvious_one(text: str) -> None:
    assert line_hashes(text) == index(text).lines == [hash_of(folded(line)) for line in text.split("\n")]
    assert index(text).keys == keys_of(text)
