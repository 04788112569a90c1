"""What the characters of a Han text tell: Chinese or Japanese, and whether anyone would write them.

The character sets of the three orthographies list what each writes, the common characters first: GB 2312 (simplified,
3,755 common), Big5 (traditional, 5,401) and JIS X 0208 (Japanese, 2,965). Python's codecs have them, so no table does.

>>> language_of("清华大学"), language_of("東京駅"), language_of("北京大学")
('zh', 'ja', None)
>>> rare_share("港の灯台"), rare_share("娓伴偅鍙般仹")
(0.0, 0.5)
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

# Codec, first and last lead byte of the common characters and of the others, trail bytes.
_CHARACTER_SETS = (
    ("gb2312", (0xB0, 0xD7), (0xD8, 0xF7), (0xA1, 0xFE)),
    ("big5", (0xA4, 0xC6), (0xC9, 0xF9), (0x40, 0xFE)),
    ("euc_jp", (0xB0, 0xCF), (0xD0, 0xF4), (0xA1, 0xFE)),
)
_FIRST, _LAST = 0x3400, 0x9FFF
# Hundreds of characters decide as surely as the whole text.
_SAMPLE = 400


_WRITTEN, _COMMON = (1, 2, 4), (8, 16, 32)


@cache
def _table() -> npt.NDArray[np.uint8]:
    """Which character sets have a character of the first plane, and which as a common one: a bit for each."""
    table = np.zeros(0x10000, np.uint8)
    for (codec, common, others, trails), written, is_common in zip(_CHARACTER_SETS, _WRITTEN, _COMMON, strict=True):
        for (first, last), bits in ((common, written | is_common), (others, written)):
            pairs = (
                bytes((lead, trail)) for lead in range(first, last + 1) for trail in range(trails[0], trails[1] + 1)
            )
            codes = [ord(char) for pair in pairs for char in pair.decode(codec, "ignore")]
            table[[code for code in codes if _FIRST <= code <= _LAST]] |= np.uint8(bits)
    return table


def _characters(text: str) -> npt.NDArray[np.uint8]:
    """The bits of every Han character at the beginning."""
    codes = np.frombuffer(text[:_SAMPLE].encode("utf-16-le", "surrogatepass"), np.uint16)
    return _table().take(codes[(codes >= _FIRST) & (codes <= _LAST)])


def _most(characters: npt.NDArray[np.uint8], bits: Sequence[int]) -> int:
    return max(int(np.count_nonzero(characters & bit)) for bit in bits)


def language_of(text: str) -> str | None:
    """`zh` or `ja`, by which orthography writes more of the characters; None where both write as many."""
    characters = _characters(text)
    chinese, japanese = _most(characters, _WRITTEN[:2]), _most(characters, _WRITTEN[2:])
    if chinese == japanese:
        return None
    return "zh" if chinese > japanese else "ja"


def rare_share(text: str) -> float:
    """Share of the Han characters that are not common ones in the orthography that suits best; 0 without any."""
    characters = _characters(text)
    return 1 - _most(characters, _COMMON) / len(characters) if len(characters) else 0.0
