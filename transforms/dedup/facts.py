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

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from rapidfuzz.distance import Indel

from transforms.dedup.tokens import (
    CAPITAL,
    FIRST,
    KIND_BITS,
    KIND_MASK,
    NUMBER,
    PLAIN,
    SIGN,
    U32,
    UNSPACED_LETTER,
    packed_tokens,
    unpack_tokens,
)
from transforms.vocabulary import languages

# Below so many words every one counts: a caption, a finding, a verdict. A word of a script without spaces is taken for
# UNSPACED_WORD characters.
UNSPACED_WORD = 1.6
CAPTION_WORDS = 40
# Below so many a single fact makes another text; above, two, and more where there are many: what counts readers or
# says how long ago a page was made differs in copies, too.
NOTICE_WORDS = 120
FACT_WORDS = 150
# Of all places where the two differ, facts are at least this share; of a short text's, the lower one.
FACT_SHARE, NOTICE_SHARE = 0.33, 0.2
# More tokens in one place are a passage, not what fills a slot.
SLOT_TOKENS = 12
# Of so many tokens in one place, of both texts, a negation makes another statement.
NEGATED_TOKENS = 3
# Longer texts aren't aligned: it takes memory and time of the product of their lengths.
MOST_TOKENS = 10_000
_NUMBER, _SIGN = bytes([NUMBER]), bytes([SIGN])
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
    if max(len(one.kinds), len(other.kinds)) > MOST_TOKENS:
        return False
    size, longest = sorted((_count_words(one), _count_words(other)))
    if longest >= NOTICE_WORDS:
        one, other = without_signs(one), without_signs(other)
    # Where they differ, by what stands there: how often, and where first. What one has more is counted alone.
    facts: dict[tuple[str, str], int] = {}
    edits: dict[tuple[str, str], int] = {}
    where: dict[tuple[str, str], tuple[int, int]] = {}
    turns = more = 0
    is_notice = size < NOTICE_WORDS
    names = _names()
    for start, end, first, last in differences(one, other):
        kinds, others = one.kinds[start:end], other.kinds[first:last]
        is_inside = start > 0 and first > 0 and end < len(one.kinds) and last < len(other.kinds)
        if not kinds or not others:
            if _turns(kinds or others, one.words[start:end] or other.words[first:last]):
                turns += 1
            else:
                more += is_inside  # more at an end is no edit
            continue
        words, theirs = one.words[start:end], other.words[first:last]
        is_slot = len(kinds) <= SLOT_TOKENS and len(others) <= SLOT_TOKENS
        is_fact = is_slot and _are_alike(kinds, others)
        if is_fact and not (kinds + others).strip(_NUMBER):
            if _are_one_number(words, theirs):
                continue
        elif is_slot and not is_fact and not names.named.isdisjoint(words) and not names.named.isdisjoint(theirs):
            is_fact = any(not kind.isdisjoint(words) and not kind.isdisjoint(theirs) for kind in names.kinds)
        if is_notice and not is_fact and len(kinds) + len(others) <= NEGATED_TOKENS:
            is_fact = names.negations.isdisjoint(words) != names.negations.isdisjoint(theirs)
        place = (one.letters[start:end], other.letters[first:last])
        if is_fact and not is_notice:
            if is_inside and place[0] in other.letters and place[1] in one.letters:
                continue  # moved
            is_fact = is_inside  # else another headline, another foot
        where.setdefault(place, (start, first))
        counts = facts if is_fact else edits
        counts[place] = counts.get(place, 0) + 1
    if size < CAPTION_WORDS:
        return bool(facts or edits or turns or more)
    # One word for another wherever it stood is a fact, too, but for one in two spellings, or moved.
    renamed = {place for place, (at, first) in where.items() if (one.words[at] ^ other.words[first]) & FIRST}
    facts |= {
        place: count
        for place, count in edits.items()
        if count > 1 and place in renamed and (place[0] not in other.letters or place[1] not in one.letters)
    }
    found = turns + sum(count if place in renamed else 1 for place, count in facts.items())
    places = found + more + len(edits.keys() - facts.keys())
    if is_notice:
        return found > 0 and found >= NOTICE_SHARE * places
    return found >= max(2, size // FACT_WORDS) and found >= FACT_SHARE * places


def _count_words(text: Text) -> int:
    unspaced = text.kinds.count(UNSPACED_LETTER)
    return len(text.kinds) - unspaced + int(unspaced / UNSPACED_WORD)


def _turns(kinds: bytes, words: Sequence[int]) -> bool:
    """Whether what one has more makes another statement of it: a negation, or signs alone."""
    return not kinds.strip(_SIGN) or (len(words) == 1 and words[0] in _names().negations)


def _are_alike(kinds: bytes, others: bytes) -> bool:
    """Whether a name stands for a name, or a number for a number."""
    if {kinds, others} == _PARTED:
        return False
    return any(kind in kinds and kind in others for kind in (CAPITAL, NUMBER, SIGN))


class _Names(NamedTuple):
    """Hashes of words that say what a place is, of all languages."""

    kinds: Sequence[frozenset[int]]  # weekdays, months, numbers, colours, …
    named: frozenset[int]  # all of them
    negations: frozenset[int]
    numerals: Mapping[int, int]  # the value of digits, and of 十 百 千 万 亿


@cache
def _names() -> _Names:
    every = languages().values()
    kinds = [
        _hashes(word for language in every for day in language.weekdays for word in day),
        _hashes(word for language in every for month in language.months for word in month),
        *(
            _hashes(word for language in every for word in getattr(language, kind))
            for kind in ("numbers", "colours", "seasons", "directions")
        ),
    ]
    return _Names(
        kinds,
        frozenset().union(*kinds),
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
            return set(tokens) == {_hash_of_number(known)}
    return len(words) != len(others) and not set(words) & set(others)


@lru_cache(maxsize=4096)
def _hash_of_number(value: int) -> int | None:
    """Of its digits as one word; None of more digits than one token has."""
    return next(iter(_hashes([str(value)])), None)


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
    kinds, others = one.kinds, other.kinds
    at = place = until = 0  # where what follows begins to be the same; where the last difference ends
    for block in Indel.opcodes(one.letters, other.letters).as_matching_blocks():
        start, end, first, last = at, block.a, place, block.b
        at, place = end + block.size, last + block.size
        if start == end and first == last:
            continue
        # Names and numbers that stand in both, but elsewhere, part no slot; of a number in several tokens all differ.
        if found and (start == until or (start == until + 1 and kinds[until] in (CAPITAL, NUMBER))):
            start, _, first, _ = found.pop()
        elif not kinds[start:end].strip(_NUMBER) and not others[first:last].strip(_NUMBER):
            while start > until and kinds[start - 1] == NUMBER:
                start, first = start - 1, first - 1
            while end < at and kinds[end] == NUMBER:
                end, last = end + 1, last + 1
        found.append((start, end, first, last))
        until = end
    return found
