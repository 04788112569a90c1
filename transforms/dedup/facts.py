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
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from rapidfuzz.distance import Indel

from transforms.dedup.tokens import (
    CAPITAL,
    FIRST_MASK,
    INITIAL,
    KIND_BITS,
    KIND_MASK,
    NUMBER,
    PLAIN,
    SIGN,
    U32,
    packed_tokens,
    unpack_tokens,
)
from transforms.vocabulary import languages

# Below so many tokens every word counts: a caption, a finding, a verdict.
CAPTION_TOKENS = 40
# Below so many a single fact makes another text; above, two, and more where there are many: what counts readers or
# says how long ago a page was made differs in copies, too.
NOTICE_TOKENS = 120
FACT_TOKENS = 150
# Of all places where the two differ, facts are at least this share; of a short text's, the lower one.
FACT_SHARE, NOTICE_SHARE = 0.33, 0.2
# More tokens in one place are a passage, not what fills a slot.
SLOT_TOKENS = 12
# Longer texts aren't aligned: it takes memory and time of the product of their lengths.
MOST_TOKENS = 10_000
_NUMERALS = {str(digit): digit for digit in range(10)} | {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}


def tell_different_facts(one: U32, other: U32) -> bool:
    """Whether the tokens of two texts that are alike (dedup/tokens.py) differ as pages of one pattern do."""
    if max(len(one), len(other)) > MOST_TOKENS:
        return False
    size = min(len(one), len(other))
    if max(len(one), len(other)) >= NOTICE_TOKENS:  # a text may have no signs for its length, and a part of it some
        one, other = (tokens[tokens & KIND_MASK != SIGN] for tokens in (one, other))
    whole, others_whole = _letters(one), _letters(other)
    # Where they differ, by what stands there: facts as often as they stand.
    facts: Counter[tuple[str, str]] = Counter()
    edits: Counter[tuple[str, str]] = Counter()
    spelled: set[tuple[str, str]] = set()  # perhaps one word in two spellings
    for start, end, first, last in differences(one, other):
        mine, theirs = one[start:end], other[first:last]
        place = (whole[start:end], others_whole[first:last])
        is_inside = start > 0 and first > 0 and end < len(one) and last < len(other)
        if not len(mine) or not len(theirs):
            if _turns(mine, theirs):
                facts[place] += 1
            elif is_inside:  # more at an end is no edit
                edits[place] += 1
            continue
        if _are_one_number(mine, theirs):
            continue
        if not (mine[0] ^ theirs[0]) & FIRST_MASK:
            spelled.add(place)
        if max(map(len, place)) > SLOT_TOKENS or not _are_alike(mine, theirs):
            edits[place] += 1
        elif size < NOTICE_TOKENS:
            facts[place] += 1
        elif not is_inside:  # another headline, another foot
            edits[place] += 1
        elif place[0] not in others_whole or place[1] not in whole:  # else moved
            facts[place] += 1
    if size < CAPTION_TOKENS:
        return bool(facts or edits)
    for place, count in edits.items():
        if count > 1 and all(place) and place not in spelled:
            facts[place] = count  # one word for another wherever it stood
    found = sum(1 if place in spelled else count for place, count in facts.items())
    places = found + len(edits.keys() - facts.keys())
    if size < NOTICE_TOKENS:
        return found > 0 and found >= NOTICE_SHARE * places
    return found >= max(2, size // FACT_TOKENS) and found >= FACT_SHARE * places


def _turns(mine: U32, theirs: U32) -> bool:
    """Whether what one has more makes another statement of it: a negation, or signs alone."""
    more = np.concatenate([mine, theirs])
    return bool((more & KIND_MASK == SIGN).all()) or (
        len(more) == 1 and int(more[0]) >> KIND_BITS in _words().negations
    )


def _are_alike(mine: U32, theirs: U32) -> bool:
    """Whether a name stands for a name, a number for a number, a day or a month for another."""
    kinds, others = (tokens & KIND_MASK for tokens in (mine, theirs))
    short, long = sorted((kinds.tolist(), others.tolist()), key=len)
    if short == [CAPITAL] and long == [CAPITAL, PLAIN]:
        return False  # a word parted
    if any(kind in short and kind in long for kind in (CAPITAL, NUMBER, SIGN)):
        return True
    words = [set((tokens >> KIND_BITS).tolist()) for tokens in (mine, theirs)]
    return any(words[0] & names and words[1] & names for names in (_words().weekdays, _words().months))


class _Words(NamedTuple):
    """Hashes of words that say what a place is, of all languages."""

    weekdays: frozenset[int]
    months: frozenset[int]
    negations: frozenset[int]
    numerals: Mapping[int, int]  # the value of digits, and of 十 百 千 万 亿


@cache
def _words() -> _Words:
    every = languages().values()
    return _Words(
        _hashes(word for language in every for day in language.weekdays for word in day),
        _hashes(word for language in every for month in language.months for word in month),
        _hashes(word for language in every for word in language.negations),
        {next(iter(_hashes([numeral]))): value for numeral, value in _NUMERALS.items()},
    )


def _hashes(words: Iterable[str]) -> frozenset[int]:
    tokens = unpack_tokens(packed_tokens(pa.array(sorted(set(words)))))
    return frozenset(int(found[0]) >> KIND_BITS for found in tokens if len(found) == 1)


def _are_one_number(mine: U32, theirs: U32) -> bool:
    """Whether two numbers may be one: written in Han numerals, or in other groups of digits (1,000 and 1000)."""
    if not (np.concatenate([mine, theirs]) & KIND_MASK == NUMBER).all():
        return False
    value, other = _value(mine), _value(theirs)
    if value is not None and other is not None:
        return value == other
    for known, tokens in ((value, theirs), (other, mine)):
        if known is not None:
            return len(tokens) == 1 and _hashes([str(known)]) == {int(tokens[0]) >> KIND_BITS}
    return len(mine) != len(theirs) and not np.isin(mine, theirs).any() and max(len(mine), len(theirs)) > 1


def _value(numerals: U32) -> int | None:
    """The number that Han numerals make."""
    known = [_words().numerals.get(int(token) >> KIND_BITS) for token in numerals]
    total = section = digits = 0
    for value in known:
        if value is None:
            return None
        if value < 10:
            digits = 10 * digits + value
        elif value < 10_000:
            section, digits = section + (digits or 1) * value, 0
        else:
            total, section, digits = (total + section + digits) * value, 0, 0
    return total + section + digits


def differences(one: U32, other: U32) -> list[tuple[int, int, int, int]]:
    """Where two sequences of tokens differ once most is aligned: (start, end) in one, and in the other."""
    found: list[tuple[int, int, int, int]] = []
    for step in Indel.opcodes(_letters(one), _letters(other)):
        if step.tag == "equal":
            continue
        start, end, first, last = step.src_start, step.src_end, step.dest_start, step.dest_end
        # Names and numbers that stand in both, but elsewhere, part no slot; of a number in several tokens all differ.
        if found and (gap := one[found[-1][1] : start]).size < 2 and (gap & KIND_MASK > INITIAL).all():
            start, _, first, _ = found.pop()
        elif (one[start:end] & KIND_MASK == NUMBER).all() and (other[first:last] & KIND_MASK == NUMBER).all():
            least = found[-1][1] if found else 0
            while start > least and one[start - 1] & KIND_MASK == NUMBER:
                start, first = start - 1, first - 1
            while end < len(one) and last < len(other) and one[end] == other[last] and one[end] & KIND_MASK == NUMBER:
                end, last = end + 1, last + 1
        found.append((start, end, first, last))
    return found


def _letters(tokens: U32) -> str:
    """A character of the upper planes for each token: 20 bits of its hash."""
    return ((tokens >> np.uint32(12)) + np.uint32(0x10000)).astype("<u4").tobytes().decode("utf-32-le")
