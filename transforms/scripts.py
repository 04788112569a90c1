"""The script of a text, counted from its letters: ISO 15924 (`Latn`, `Cyrl`, `Hans`, `Jpan`, …).

Python's `unicodedata` has no Script property, so the table below is Unicode's Blocks.txt, merged where neighbours
are of one script. What `langcodes.maximize` gives is the likely script of a language; this is the one that is there.

>>> count_letters("Добрый день, Welt!")
Letters(script='Cyrl', total=14, weight=14, symbols=2)
>>> han_variant("這是國際機場"), han_variant("这是国际机场"), han_variant("中文")
('Hant', 'Hans', None)
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.batches import batches

# Unicode 16, Blocks.txt: first and last code point, script. Letters outside are counted as `Zyyy` (common).
_BLOCKS = """
0041 007A Latn  00AA 024F Latn  0250 02AF Latn  0370 03FF Grek  0400 052F Cyrl  0531 058F Armn  0590 05FF Hebr
0600 06FF Arab  0700 074F Syrc  0750 077F Arab  0780 07BF Thaa  07C0 07FF Nkoo  0800 083F Samr  0840 085F Mand
0860 086F Syrc  0870 08FF Arab  0900 097F Deva  0980 09FF Beng  0A00 0A7F Guru  0A80 0AFF Gujr  0B00 0B7F Orya
0B80 0BFF Taml  0C00 0C7F Telu  0C80 0CFF Knda  0D00 0D7F Mlym  0D80 0DFF Sinh  0E00 0E7F Thai  0E80 0EFF Laoo
0F00 0FFF Tibt  1000 109F Mymr  10A0 10FF Geor  1100 11FF Hang  1200 139F Ethi  13A0 13FF Cher  1400 167F Cans
1680 169F Ogam  16A0 16FF Runr  1700 171F Tglg  1780 17FF Khmr  1800 18AF Mong  18B0 18FF Cans  1900 194F Limb
1950 197F Tale  1980 19DF Talu  19E0 19FF Khmr  1A00 1A1F Bugi  1A20 1AAF Lana  1B00 1B7F Bali  1B80 1BBF Sund
1BC0 1BFF Batk  1C00 1C4F Lepc  1C50 1C7F Olck  1C80 1C8F Cyrl  1C90 1CBF Geor  1CC0 1CCF Sund  1D00 1D25 Latn
1D26 1D2A Grek  1D2B 1D2B Cyrl  1D2C 1DBF Latn  1E00 1EFF Latn  1F00 1FFF Grek  2183 2184 Latn  2C00 2C5F Glag
2C60 2C7F Latn  2C80 2CFF Copt  2D00 2D2F Geor  2D30 2D7F Tfng  2D80 2DDF Ethi  2DE0 2DFF Cyrl  2E80 2FDF Hani
3005 3007 Hani  3040 309F Hira  30A0 30FF Kana  3100 312F Bopo  3130 318F Hang  31A0 31BF Bopo  31F0 31FF Kana
3400 4DBF Hani  4E00 9FFF Hani  A000 A4CF Yiii  A4D0 A4FF Lisu  A500 A63F Vaii  A640 A69F Cyrl  A6A0 A6FF Bamu
A720 A7FF Latn  A800 A82F Sylo  A840 A87F Phag  A880 A8DF Saur  A8E0 A8FF Deva  A900 A92F Kali  A930 A95F Rjng
A960 A97F Hang  A980 A9DF Java  A9E0 A9FF Mymr  AA00 AA5F Cham  AA60 AA7F Mymr  AA80 AADF Tavt  AAE0 AAFF Mtei
AB00 AB2F Ethi  AB30 AB64 Latn  AB65 AB65 Grek  AB66 AB6F Latn  AB70 ABBF Cher  ABC0 ABFF Mtei  AC00 D7FF Hang
F900 FAFF Hani  FB00 FB06 Latn  FB13 FB17 Armn  FB1D FB4F Hebr  FB50 FDFF Arab  FE70 FEFE Arab  FF21 FF5A Latn
FF66 FF9F Kana  FFA0 FFDC Hang  10330 1034F Goth  10400 1044F Dsrt  10A00 10A5F Khar  11000 1107F Brah
11080 110CF Kthi  11100 1114F Cakm  16800 16A3F Bamu  16B00 16B8F Hmng  16F00 16F9F Plrd  1B000 1B16F Kana
1E100 1E14F Hmnp  1DF00 1DFFF Latn  1E7E0 1E7FF Ethi  1E900 1E95F Adlm  1EE00 1EEFF Arab  20000 323AF Hani
"""
_NUMBERS = re.findall(r"(\w+) (\w+) (\w{4})", _BLOCKS)
# Index in counts: 0 space, 1 what is neither space nor letter, 2 letters of no script named here, then the scripts.
SCRIPTS = ("Zsss", "Zsym", "Zyyy", *dict.fromkeys(script for _, _, script in _NUMBERS))
_RANGES = sorted((int(first, 16), int(last, 16), script) for first, last, script in _NUMBERS)
_STARTS = [first for first, _, _ in _RANGES]
_LATN, _HANI, _HIRA, _KANA, _BOPO = (SCRIPTS.index(name) for name in ("Latn", "Hani", "Hira", "Kana", "Bopo"))

# Scripts without spaces between words, in which a character counts as one: letters, digits and marks of Thai, Lao,
# Tibetan, Myanmar, Khmer, Tai Tham, kana, bopomofo, Nüshu and Han (Unicode 16). MinHash signatures hang on it.
_UNSPACED = """
e00-e3e e40-e4e e50-e59 e5c-edf f00 f18-f19 f20-f33 f35 f37 f39 f3e-f84 f86-fbd fc6 fdb-fff 1000-1049 1050-109d
1780-17d3 17d7 17dc-17ff 1a20-1a9f 1aa7 1aae-1aaf 3005-3007 3021-302f 3031-3035 3038-303c 3041-309a 309d-309f 30a1-30fa
30fc-312f 31a0-31bf 31f0-31ff 3400-4dbf 4e00-9fff a9e0-a9ff aa60-aa76 aa7a-aa7f f900-faff ff66-ff9f 1b000-1b2ff
20000-323af
"""
UNSPACED = tuple(
    (int(first, 16), int(last or first, 16)) for first, _, last in (item.partition("-") for item in _UNSPACED.split())
)
# As a set for a regular expression, without its brackets; and those of them that a text may be in.
UNSPACED_SET = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED)
UNSPACED_SCRIPTS = frozenset(("Hani", "Jpan", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"))

# A letter of these says as much as a syllable: three letters of an alphabet, by the length of translated sentences.
_DENSE = np.array([3 if script in ("Hani", "Hira", "Kana", "Hang", "Yiii") else 1 for script in SCRIPTS], np.int64)
_DENSE[:2] = 0
# What a text is written in whose most letters are of a script.
_NAMES = tuple({"Hira": "Jpan", "Hang": "Kore"}.get(script, script) for script in SCRIPTS)
# 64 kB of classes stay in the processor's cache.
_BATCH_CHARS = 1 << 16

# What ends a sentence: a full stop of any script (Arabic, Devanagari, Armenian, Myanmar, Ethiopic, Khmer, …) or a mark
# that is more than one. Thai and Lao have none.
FULL_STOPS = ".。．｡۔।॥։။።។៕"
SENTENCE_ENDS = FULL_STOPS + "!?…！？؟؛՞՜፧"


def _class_of(scripts: Iterable[str]) -> str:
    wanted = frozenset(scripts)
    return "".join(f"{chr(first)}-{chr(last)}" for first, last, script in _RANGES if script in wanted)


# Of the first plane: one range beyond it makes re try the ranges one by one, and no page begins with such a letter.
_BEYOND_LATIN = re.compile(
    "["
    + "".join(f"{chr(first)}-{chr(last)}" for first, last, script in _RANGES if script != "Latn" and last < 0x10000)
    + "]"
)


def first_script(text: str) -> str:
    """The first script beyond Latin that occurs; a text of Latin letters and symbols alone is `Latn`.

    >>> first_script("Foto: Ana"), first_script("© Νέα 2020"), first_script("हमसे जुड़ें")
    ('Latn', 'Grek', 'Deva')
    """
    if text.isascii():
        return "Latn"
    found = _BEYOND_LATIN.search(text)
    return _RANGES[bisect_right(_STARTS, ord(found[0])) - 1][2] if found else "Latn"


class Letters(NamedTuple):
    """The letters of a text: `total`, and `weight`, which counts a syllable or an ideograph as three; the script that
    most of them are of, ISO 15924 (Han alone is `Hani`), or None without any; and what is neither letter nor space."""

    script: str | None
    total: int
    weight: int
    symbols: int


@cache
def _table() -> npt.NDArray[np.uint8]:
    table = np.ones(0x110000, np.uint8)
    table[[code for code in range(0x3001) if chr(code).isspace()]] = 0
    for first, last, script in _NUMBERS:
        low, high = int(first, 16), int(last, 16) + 1
        # Marks (Indic vowel signs, tones) count with the letters: `isalnum` leaves them out.
        letters = [chr(code).isalpha() or (code > 0x2FF and not chr(code).isascii() and _mark(code)) for code in
                   range(low, high)]  # fmt: skip
        table[low:high][np.array(letters)] = SCRIPTS.index(script)
    return table


def _mark(code: int) -> bool:
    return unicodedata.category(chr(code))[0] == "M"


@cache
def _plane() -> npt.NDArray[np.uint8]:
    """The table for UTF-16: 64 kB stay in the processor's cache. Surrogates are one more class."""
    plane = _table()[:0x10000].copy()
    plane[0xD800:0xE000] = len(SCRIPTS)
    return plane


def count_letters(text: str) -> Letters:
    """The letters of a text. Lone surrogates count as symbols."""
    return count_all_letters([text])[0]


def count_all_letters(texts: Sequence[str]) -> list[Letters]:
    """The letters of each text. Texts are counted together, as many as stay in the processor's cache."""
    return [letters for batch in batches(texts, len, _BATCH_CHARS) for letters in _letters(batch)]


def _letters(texts: Sequence[str]) -> list[Letters]:
    counts = _counts(texts)
    kana = counts[:, _HIRA] + counts[:, _KANA]
    # Japanese prose is a third kana or more; a Chinese text that quotes a Japanese title stays far below.
    japanese = (kana * 10 >= counts[:, _HANI]) & (kana > 0)
    weights, totals, symbols = counts @ _DENSE, counts[:, 2:].sum(axis=1), counts[:, 1]
    counts[:, _HIRA] = np.where(japanese, kana + counts[:, _HANI], counts[:, _HIRA])
    for of_japanese in (_KANA, _HANI):
        counts[japanese, of_japanese] = 0
    counts[:, _HANI] += counts[:, _BOPO]
    most = counts[:, 2:].argmax(axis=1) + 2
    return [
        Letters(_NAMES[script] if total else None, total, weight, others)
        for script, total, weight, others in zip(
            most.tolist(), totals.tolist(), weights.tolist(), symbols.tolist(), strict=True
        )
    ]


def _counts(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """How many characters of each text are of each class: [text, class]."""
    text = "\n".join(texts) + "\n"
    classes = _plane().take(np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16))
    beyond = np.bincount(classes[classes > _LATN], minlength=len(SCRIPTS) + 1)
    if beyond[-1]:
        classes = _table().take(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32))
        beyond = np.bincount(classes[classes > _LATN], minlength=len(SCRIPTS))
    lengths = np.array(list(map(len, texts))) + 1
    starts = np.cumsum(lengths) - lengths
    sums = np.uint16 if lengths.max() < 1 << 16 else np.uint64  # the narrower, the faster
    counts = np.zeros((len(texts), len(SCRIPTS)), np.int64)
    for kind in (*range(_LATN + 1), *np.flatnonzero(beyond).tolist()):
        counts[:, kind] = np.add.reduceat((classes == kind).view(np.uint8), starts, dtype=sums)
    counts[:, 0] -= 1
    return counts


# Characters that stand in one of the two orthographies only, in pairs (simplified, traditional): the commonest of the
# State Council's list of 1964 whose simplified form is no traditional character of its own.
_PAIRS = """
这這 国國 们們 为為 来來 时時 会會 个個 说說 对對 过過 学學 经經 发發 还還 进進 动動 种種 样樣 现現
开開 长長 问問 没沒 点點 关關 间間 实實 义義 与與 无無 机機 业業 当當 电電 头頭 东東 车車 书書 见見
门門 马馬 语語 华華 员員 区區 产產 级級 体體 变變 认認 让讓 应應 总總 战戰 权權 万萬 边邊 达達 运運
连連 农農 厂廠 观觀 报報 热熱 术術 议議 话話 论論 设設 许許 记記 该該 请請 谈談 谁誰 识識 证證 评評
试試 读讀 课課 调調 败敗 货貨 质質 购購 费費 资資 赛賽 轻輕 较較 辆輛 输輸 选選 远遠 适適 邮郵 银銀
错錯 钱錢 铁鐵 锋鋒 镇鎮 难難 队隊 阳陽 阶階 际際 陆陸 险險 随隨 隐隱 页頁 顶頂 项項 顺順 须須 顾顧
领領 频頻 题題 颜顏 额額 风風 飞飛 饭飯 馆館 驻駐 验驗 鱼魚 鸟鳥 麦麥 黄黃 齐齊 龙龍 亿億 优優 传傳
伤傷 伟偉 众眾 价價 军軍 写寫 决決 况況 冲衝 净淨 减減 击擊 则則 刘劉 创創 办辦 务務 劳勞 势勢 单單
卫衛 压壓 厅廳 历歷 参參 双雙 号號 听聽 启啟 吗嗎 团團 园園 围圍 图圖 圆圓 场場 块塊 声聲 处處 备備
复復 夺奪 妇婦 孙孫 宁寧 宝寶 审審 宽寬 宾賓 导導 将將 尔爾 层層 岁歲 岛島 师師 帮幫 广廣 庆慶 库庫
张張 强強 录錄 忆憶 态態 怀懷 恶惡 惊驚 惯慣 户戶 执執 扩擴 护護 担擔 拥擁 择擇 挥揮 据據 摄攝 数數
断斷 条條 极極 构構 标標 树樹 档檔 桥橋 梦夢 检檢 楼樓 欢歡 欧歐 残殘 气氣 汇匯 汉漢 济濟 测測 浓濃
满滿 灭滅 灯燈 灵靈 爱愛 环環 画畫 疗療 盘盤 监監 础礎 确確 离離 积積 称稱 竞競 笔筆 类類 红紅 约約
纪紀 纯純 纳納 纸紙 线線 组組 细細 织織 终終 绍紹 结結 给給 统統 继繼 绩績 续續 维維 绿綠 网網 编編
缘緣 职職 联聯 肃肅 脑腦 节節 药藥 营營 获獲 虑慮 虽雖 补補 规規 视視 觉覺 订訂 训訓 讨討 访訪 诉訴
词詞 译譯 详詳 误誤 负負 责責 贵貴 贸貿 赢贏 趋趨 跃躍 转轉 轮輪 软軟 载載 迁遷 违違 递遞 释釋 针針
钟鐘 闻聞 阅閱 阵陣 韩韓 预預 鲁魯 鲜鮮 鸡雞 么麼 几幾 从從 仅僅 台臺 后後 里裡 尽盡 届屆
"""
_SIMPLIFIED = "".join(pair[0] for pair in _PAIRS.split() if pair[0] not in "台后里么几")
_TRADITIONAL = "".join(pair[1] for pair in _PAIRS.split() if pair[1] not in "裡後")
_HANS, _HANT = re.compile(f"[{_SIMPLIFIED}]"), re.compile(f"[{_TRADITIONAL}後裡]")
# Written Cantonese: characters that standard written Chinese does without.
_CANTONESE = re.compile("[嘅喺咗啲佢哋冇嚟嗰嘢咁嗌噉乜攞瞓啱咩唔]")
# Thousands of characters decide as surely as the whole text.
_HAN_SAMPLE = 20_000


def han_variant(text: str) -> str | None:
    """`Hans`, `Hant`, or None where no character tells."""
    sample = text[:_HAN_SAMPLE]
    simplified, traditional = len(_HANS.findall(sample)), len(_HANT.findall(sample))
    if simplified == traditional:
        return None
    return "Hans" if simplified > traditional else "Hant"


def is_cantonese(text: str) -> bool:
    """Whether a Chinese text is written Cantonese: a character of it in fifty or more."""
    sample = text[:_HAN_SAMPLE]
    return len(_CANTONESE.findall(sample)) * 50 >= len(sample)
