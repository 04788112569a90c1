"""Whether two texts that are alike say different things: pages of one pattern, whose numbers and names differ.

What is shared can't tell them from an edited copy, what differs can. A copy's edits are scattered, and half of them
take away or add; what fills the slots of a pattern stands in the place of its like: a number for a number, a name for
a name.

>>> import pyarrow as pa
>>> from transforms.dedup.tokens import packed_tokens, unpack_tokens
>>> say = "After a night of rain the river at {} stood {} centimetres above the mark, and the ferry was tied up, {}."
>>> say += " The office asks everybody who has a cellar by the river to look after pumps, lamps and old neighbours."
>>> fill = [("Orford", 41, "says the mayor"), ("Pell", 67, "says the mayor"), ("Orford", 41, "so says our mayor")]
>>> one, pattern, copy = unpack_tokens(packed_tokens(pa.array([say.format(*slots) for slots in fill])))
>>> tell_different_facts(one, pattern), tell_different_facts(one, copy)
(True, False)
"""

from collections import Counter

import numpy as np
from rapidfuzz.distance import Indel

from transforms.dedup.tokens import CAPITAL, INITIAL, KIND_MASK, NUMBER, SIGN, U32

# Below so many tokens every word counts: a caption, a finding, a verdict.
CAPTION_TOKENS = 40
# Below so many a single fact makes another text; above, two, and more where there are many: what counts readers or
# says how long ago a page was made differs in copies, too.
NOTICE_TOKENS = 100
FACT_TOKENS = 150
# Of all places where the two differ, facts are at least this share. Of copies edited word by word none has .3 of two.
FACT_SHARE = 0.4
# More tokens in one place are a passage, not what fills a slot.
SLOT_TOKENS = 8
# Names, numbers and signs: what stands for its like.
_FACTS = {INITIAL, CAPITAL, NUMBER, SIGN}
# Longer texts aren't aligned: it takes memory and time of the product of their lengths.
MOST_TOKENS = 10_000


def tell_different_facts(one: U32, other: U32) -> bool:
    """Whether the tokens of two texts that are alike (dedup/tokens.py) differ as pages of one pattern do."""
    if max(len(one), len(other)) > MOST_TOKENS:
        return False
    size = min(len(one), len(other))
    if max(len(one), len(other)) >= NOTICE_TOKENS:  # a text may have no signs for its length, and a part of it some
        one, other = (tokens[tokens & KIND_MASK != SIGN] for tokens in (one, other))
    slots: list[tuple[bytes, bytes]] = []
    facts = places = 0
    for start, end, first, last in differences(one, other):
        mine, theirs = one[start:end], other[first:last]
        kinds, others = (set((tokens & KIND_MASK).tolist()) for tokens in (mine, theirs))
        if not kinds or not others:
            is_sign = kinds | others == {SIGN}
            facts += is_sign
            # More at an end is no edit.
            places += is_sign or (start > 0 and first > 0 and end < len(one) and last < len(other))
        elif max(len(mine), len(theirs)) > SLOT_TOKENS:
            places += 1
        elif kinds == others == {NUMBER} and len(mine) != len(theirs) and size >= NOTICE_TOKENS:
            continue  # 1,000 and 1000
        else:
            places += 1
            if kinds | others <= _FACTS and kinds & others - {INITIAL}:
                # What stands elsewhere in the other was moved, if there is an elsewhere.
                facts += size < NOTICE_TOKENS or not (mine[:, None] == other).any(axis=1).all()
            else:
                slots.append((mine.tobytes(), theirs.tobytes()))
    if size < CAPTION_TOKENS:
        return places > 0
    if not any(_has_case(tokens) for tokens in (one, other)):
        # Where no capital tells a name, one word for another wherever it stood does; elsewhere that is a spelling.
        facts += sum(count for count in Counter(slots).values() if count > 1)
    wanted = 1 if size < NOTICE_TOKENS else max(2, size // FACT_TOKENS)
    return facts >= wanted and facts >= FACT_SHARE * places


def _has_case(tokens: U32) -> bool:
    kinds = tokens & KIND_MASK
    return bool(((kinds == INITIAL) | (kinds == CAPITAL)).any())


def differences(one: U32, other: U32) -> list[tuple[int, int, int, int]]:
    """Where two sequences of tokens differ once most is aligned: (start, end) in one, and in the other."""
    found: list[tuple[int, int, int, int]] = []
    for step in Indel.opcodes(_letters(one), _letters(other)):
        if step.tag == "equal":
            continue
        start, end, first, last = step.src_start, step.src_end, step.dest_start, step.dest_end
        # A number that stands in both, but elsewhere, parts no slot.
        if found and (gap := one[found[-1][1] : start]).size < 2 and (gap & KIND_MASK > INITIAL).all():
            start, _, first, _ = found.pop()
        found.append((start, end, first, last))
    return found


def _letters(tokens: U32) -> str:
    """A character of the upper planes for each token: 20 bits of its hash."""
    return ((tokens >> np.uint32(12)) + np.uint32(0x10000)).astype("<u4").tobytes().decode("utf-32-le")
