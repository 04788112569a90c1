"""What the characters of a Han text tell: Chinese or Japanese, and whether anyone would write them.

The character sets of the three orthographies list what each writes, the common characters first: GB 2312 (simplified,
3,755 common), Big5 (traditional, 5,401) and JIS X 0208 (Japanese, 2,965). Python's codecs have them, so no table does.

>>> language_of("清华大学"), language_of("東京駅"), language_of("北京大学")
('zh', 'ja', None)
>>> rare_share("港の灯台"), rare_share("娓伴偅鍙般仹")
(0.0, 0.5)
"""

from functools import cache

import numpy as np
import numpy.typing as npt

# Codec, first and last lead byte of the common characters and of the others, trail bytes.
_CHARACTER_SETS = (
    ("gb2312", (0xB0, 0xD7), (0xD8, 0xF7), (0xA1, 0xFE)),
    ("big5", (0xA4, 0xC6), (0xC9, 0xF9), (0x40, 0xFE)),
    ("euc_jp", (0xB0, 0xCF), (0xD0, 0xF4), (0xA1, 0xFE)),
)
_FIRST, _LAST = 0x3400, 0xA000
# Thousands of characters decide as surely as the whole text.
_SAMPLE = 2000


@cache
def _sets() -> npt.NDArray[np.bool_]:
    """Whether a character is listed, and whether as a common one: [character set, 2, code point]."""
    listed = np.zeros((len(_CHARACTER_SETS), 2, _LAST - _FIRST), np.bool_)
    for at, (codec, common, others, trails) in enumerate(_CHARACTER_SETS):
        for first, last in (common, others):
            pairs = (
                bytes((lead, trail)) for lead in range(first, last + 1) for trail in range(trails[0], trails[1] + 1)
            )
            codes = [ord(char) - _FIRST for pair in pairs for char in pair.decode(codec, "ignore")]
            codes = [code for code in codes if 0 <= code < _LAST - _FIRST]
            listed[at, 0, codes] = True
            listed[at, 1, codes] |= (first, last) == common
    return listed


def _characters(text: str) -> npt.NDArray[np.int64]:
    codes = np.frombuffer(text[:_SAMPLE].encode("utf-16-le", "surrogatepass"), np.uint16).astype(np.int64)
    return codes[(codes >= _FIRST) & (codes < _LAST)] - _FIRST


def language_of(text: str) -> str | None:
    """`zh` or `ja`, by which orthography writes more of the characters; None where both write as many."""
    simplified, traditional, japanese = _sets()[:, 0, _characters(text)].sum(axis=1).tolist()
    chinese = max(simplified, traditional)
    if chinese == japanese:
        return None
    return "zh" if chinese > japanese else "ja"


def rare_share(text: str) -> float:
    """Share of the Han characters that are not common ones in the orthography that suits best; 0 without any."""
    characters = _characters(text)
    if not len(characters):
        return 0.0
    return 1 - int(_sets()[:, 1, characters].sum(axis=1).max()) / len(characters)
