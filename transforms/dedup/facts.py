"""Whether two texts that are alike say different things: pages of one pattern, whose numbers and names differ.

What is shared can't tell them from an edited copy, what differs can. A copy's edits are scattered, and half of them
take away or add; what fills the slots of a pattern stands in the place of its like: a number for a number, a name for
a name.

>>> import pyarrow as pa
>>> from transforms.dedup.tokens import packed_tokens, unpack_tokens
>>> say = "After a night of rain the river at {} stood {} centimetres above the mark, and the ferry was tied up, {}."
>>> say += " The office asks everybody who has a cellar by the river to look after pumps, lamps and old neighbours."
>>> fill = [("Orford", 41, "says the mayor"), ("Pell", 67, "says the mayor"), ("Orford", 41, "so says our mayor")]
>>> texts = packed_tokens(pa.array([say.format(*slots) for slots in fill]))
>>> one, pattern, copy = map(text_of, unpack_tokens(texts))
>>> tell_different_facts(one, pattern), tell_different_facts(one, copy)
(True, False)
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from rapidfuzz.distance import Indel

from transforms.dedup.tokens import (
    CAPITAL,
    FIRST,
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
_INITIAL, _NUMBER, _SIGN = (bytes([kind]) for kind in (INITIAL, NUMBER, SIGN))
_PARTED = {bytes([CAPITAL]), bytes([CAPITAL, PLAIN])}  # a word, and the same in two parts
_NUMERALS = {str(digit): digit for digit in range(10)} | {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}


class Text(NamedTuple):
    """The tokens of a text (dedup/tokens.py) as they are aligned: three views of the same ones."""

    letters: str  # a character of the upper planes for each: 20 bits of its hash
    kinds: bytes
    words: list[int]  # hashes, the first letter in the lowest bits


def text_of(tokens: U32) -> Text:
    letters = ((tokens >> np.uint32(12)) + np.uint32(0x10000)).astype("<u4").tobytes().decode("utf-32-le")
    return Text(letters, (tokens & KIND_MASK).astype(np.uint8).tobytes(), (tokens >> KIND_BITS).tolist())


def without_signs(text: Text) -> Text:
    """A text may have no signs for its length, and a part of it some."""
    if SIGN not in text.kinds:
        return text
    stays = [at for at, kind in enumerate(text.kinds) if kind != SIGN]
    return Text(
        "".join(text.letters[at] for at in stays), text.kinds.replace(_SIGN, b""), [text.words[at] for at in stays]
    )


def tell_different_facts(one: Text, other: Text) -> bool:
    """Whether two texts that are alike differ as pages of one pattern do."""
    size, longest = sorted((len(one.letters), len(other.letters)))
    if longest > MOST_TOKENS:
        return False
    if longest >= NOTICE_TOKENS:
        one, other = without_signs(one), without_signs(other)
    # Where they differ, by what stands there: facts as often as they stand.
    facts: Counter[tuple[str, str]] = Counter()
    edits: Counter[tuple[str, str]] = Counter()
    spelled: set[tuple[str, str]] = set()  # perhaps one word in two spellings
    for start, end, first, last in differences(one, other):
        place = (one.letters[start:end], other.letters[first:last])
        is_inside = start > 0 and first > 0 and end < len(one.letters) and last < len(other.letters)
        kinds, others_kinds = one.kinds[start:end], other.kinds[first:last]
        words, others_words = one.words[start:end], other.words[first:last]
        if not kinds or not others_kinds:
            if _turns(kinds + others_kinds, words + others_words):
                facts[place] += 1
            elif is_inside:  # more at an end is no edit
                edits[place] += 1
            continue
        is_number = not (kinds + others_kinds).strip(_NUMBER)
        if is_number and _are_one_number(words, others_words):
            continue
        if not (words[0] ^ others_words[0]) & FIRST:
            spelled.add(place)
        if max(end - start, last - first) > SLOT_TOKENS or not (
            _are_alike(kinds, others_kinds) or _are_dates(words, others_words)
        ):
            edits[place] += 1
        elif size < NOTICE_TOKENS:
            facts[place] += 1
        elif not is_inside:  # another headline, another foot
            edits[place] += 1
        elif place[0] not in other.letters or place[1] not in one.letters:  # else moved
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


def _turns(kinds: bytes, words: Sequence[int]) -> bool:
    """Whether what one has more makes another statement of it: a negation, or signs alone."""
    return not kinds.strip(_SIGN) or (len(words) == 1 and words[0] in _names().negations)


def _are_alike(kinds: bytes, others: bytes) -> bool:
    """Whether a name stands for a name, or a number for a number."""
    if {kinds, others} == _PARTED:
        return False
    return any(kind in kinds and kind in others for kind in (CAPITAL, NUMBER, SIGN))


def _are_dates(words: Sequence[int], others: Sequence[int]) -> bool:
    """Whether a day stands for another, or a month for another."""
    names = _names()
    return any(not of.isdisjoint(words) and not of.isdisjoint(others) for of in (names.weekdays, names.months))


class _Names(NamedTuple):
    """Hashes of words that say what a place is, of all languages."""

    weekdays: frozenset[int]
    months: frozenset[int]
    negations: frozenset[int]
    numerals: Mapping[int, int]  # the value of digits, and of 十 百 千 万 亿


@cache
def _names() -> _Names:
    every = languages().values()
    return _Names(
        _hashes(word for language in every for day in language.weekdays for word in day),
        _hashes(word for language in every for month in language.months for word in month),
        _hashes(word for language in every for word in language.negations),
        {next(iter(_hashes([numeral]))): value for numeral, value in _NUMERALS.items()},
    )


def _hashes(words: Iterable[str]) -> frozenset[int]:
    tokens = unpack_tokens(packed_tokens(pa.array(sorted(set(words)))))
    return frozenset(int(found[0]) >> KIND_BITS for found in tokens if len(found) == 1)


def _are_one_number(words: Sequence[int], others: Sequence[int]) -> bool:
    """Whether two numbers may be one: written in Han numerals, or in other groups of digits (1,000 and 1000)."""
    value, other = _value(words), _value(others)
    if value is not None and other is not None:
        return value == other
    for known, tokens in ((value, others), (other, words)):
        if known is not None:
            return _hashes([str(known)]) == set(tokens)
    return len(words) != len(others) and not set(words) & set(others)


def _value(numerals: Sequence[int]) -> int | None:
    """The number that Han numerals make."""
    total = section = digits = 0
    for numeral in numerals:
        value = _names().numerals.get(numeral)
        if value is None:
            return None
        if value < 10:
            digits = 10 * digits + value
        elif value < 10_000:
            section, digits = section + (digits or 1) * value, 0
        else:
            total, section, digits = (total + section + digits) * value, 0, 0
    return total + section + digits


def differences(one: Text, other: Text) -> list[tuple[int, int, int, int]]:
    """Where two texts differ once most of their tokens is aligned: (start, end) in one, and in the other."""
    found: list[tuple[int, int, int, int]] = []
    at = place = 0  # where what follows begins to be the same
    for block in Indel.opcodes(one.letters, other.letters).as_matching_blocks():
        start, end, first, last = at, block.a, place, block.b
        at, place = block.a + block.size, block.b + block.size
        if start == end and first == last:
            continue
        # Names and numbers that stand in both, but elsewhere, part no slot; of a number in several tokens all differ.
        gap = one.kinds[found[-1][1] : start] if found else None
        if gap == b"" or (gap is not None and len(gap) == 1 and gap > _INITIAL):
            start, _, first, _ = found.pop()
        elif not (one.kinds[start:end] + other.kinds[first:last]).strip(_NUMBER):
            least = found[-1][1] if found else 0
            while start > least and one.kinds[start - 1] == NUMBER:
                start, first = start - 1, first - 1
            while end < at and one.kinds[end] == NUMBER:
                end, last = end + 1, last + 1
        found.append((start, end, first, last))
    return found
