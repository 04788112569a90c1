"""Same and different: which texts are two though much of them is one, and which are one though spelled otherwise."""

import random
import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.patterns import canonicals, documents, pairs_alone, read_copies, read_patterns
from tests.test_dedup import edited, prose
from transforms.config import Dedup
from transforms.dedup.clusters import verify
from transforms.dedup.exact import clean_chars, content_hash, repaired_hash
from transforms.dedup.facts import CAPTION_WORDS, FACT_WORDS, MOST_TOKENS, differences, tell_different_facts, text_of
from transforms.dedup.tokens import KIND_BITS, U32, packed_tokens, unpack_tokens

FLOORS = tomllib.loads((Path(__file__).parent / "floors.toml").read_text("utf-8"))["facts"]


def tokens(*texts: str) -> list[U32]:
    return unpack_tokens(packed_tokens(pa.array(texts)))


def together(first: str, second: str) -> str | None:
    """What makes one of the two a duplicate."""
    if content_hash(first) == content_hash(second) or repaired_hash(first) == repaired_hash(second):
        return "exact"
    edges = verify(tokens(first, second), np.array([[0, 1]]), Dedup())
    return "near" if len(edges.earlier) else None


NOTICE = (
    "Ferry notice for {0}, {1}\n\nThe ferry from {0} sails {2} hourly on {1}, the first boat at {3}. Because of work "
    "on the upper quay passengers go aboard by the {4} steps, where a warden helps with prams and bicycles. Dogs "
    "travel free on a lead, children under six with an adult. Tickets are sold on board only, the kiosk stays shut. "
    "In fog the boats wait for one another in mid-stream, so please allow for a quarter of an hour more."
)
AR = (
    "تعلن إدارة المكتبة في {0} عن إغلاق قاعة القراءة {1} ابتداء من الساعة {2} بسبب أعمال الصيانة، وترجو من الزوار "
    "إعادة الكتب إلى الصندوق قرب الباب. "
    "وتبقى قاعة الأطفال مفتوحة كالعادة، وينتقل درس الخط إلى الطابق العلوي مع المعلم نفسه."
)
ZH = (
    "{0}图书馆公告：因整修屋顶，阅览室自{1}起关闭{2}天，读者可以在旁边的大厅看报，也可以把书还到门口的箱子里。"
    "儿童室照常开放，书法课改在楼上，由同一位老师讲授，{0}居民凭证免费入场，其他读者请先到柜台登记。"
)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            NOTICE.format("Orrin Head", "Tuesday", "half", "6.40", "north"),
            NOTICE.format("Pellow", "Saturday", "one", "7.15", "south"),
        ),
        (
            NOTICE.format("Orrin Head", "Tuesday", "half", "6.40", "north"),
            NOTICE.format("Orrin Head", "Tuesday", "half", "8.20", "north"),
        ),
        (AR.format("الميناء", "يوم الأحد", "9"), AR.format("البلدة القديمة", "يوم الأربعاء", "11")),
        (ZH.format("江口", "周一", "二十"), ZH.format("白塔镇", "周四", "三十五")),
        ("The lamp on the pier was lit at dusk by the keeper.", "The lamp on the pier was lit at dawn by the keeper."),
        (
            "The court in Pellow found the ferryman guilty of sailing without a light on Monday night.",
            "The court in Pellow found the ferryman not guilty of sailing without a light on Monday night.",
        ),
        (
            "Das Gericht gab der Klage der Fischer am Montag statt.",
            "Das Gericht gab der Klage der Fischer am Montag nicht statt.",
        ),
        ("A first course in C for gardeners", "A first course in C++ for gardeners"),
        ("A first course in F for gardeners", "A first course in F# for gardeners"),
        ("price = cost * rate + tax\nprint(price)", "price = cost / rate - tax\nprint(price)"),
        ("We came back to this inn three times 😀😀", "We came back to this inn three times 😡😡"),
        ("On the ridge it is -12 degrees at noon", "On the ridge it is 12 degrees at noon"),
        (
            "On the ridge it is +3 degrees at noon, in the valley 9",
            "On the ridge it is −3 degrees at noon, in the valley 9",
        ),
        ("The sloop went for 1.450 crowns at the auction", "The sloop went for 14.50 crowns at the auction"),
        (
            "The sloop went for 40 € at the auction in the old hall",
            "The sloop went for 40 % at the auction in the old hall",
        ),
        ("We were given the room over the stables :-)", "We were given the room over the stables :-("),
        ("if wind && tide: sail(boat, crew, lamp)", "if wind || tide: sail(boat, crew, lamp)"),
        ("while !tide { wait(boat, crew, lamp) }", "while tide { wait(boat, crew, lamp) }"),
        (
            "Not for children weighing <12 kg or more than a sheep",
            "Not for children weighing >12 kg or more than a sheep",
        ),
        (
            "港の下手の桟橋に四羽の雛を連れて浮かぶ白鳥。冬の朝、夜の渡し船の窓から船長が撮影した一枚で、役場に掛けてある。",
            "港の下手の桟橋に四羽の雛を連れて浮かぶ白鳥。夏の朝、夜の渡し船の窓から船長が撮影した一枚で、役場に掛けてある。",
        ),
        (
            "县城法院昨天下午宣判，认定被告在码头仓库失火一案中有罪，法官说判决书下周送达，双方都可以上诉，旁听的人很多，"
            "有的站到了走廊里，散场以后还在台阶上谈论了很久，直到门房来锁门。",
            "县城法院昨天下午宣判，认定被告在码头仓库失火一案中无罪，法官说判决书下周送达，双方都可以上诉，旁听的人很多，"
            "有的站到了走廊里，散场以后还在台阶上谈论了很久，直到门房来锁门。",
        ),
        ("Rated ★★★★ by all who stayed a night in the mill", "Rated ★ by all who stayed a night in the mill"),
    ],
)
def test_other_facts_are_another_document(first, second):
    assert together(first, second) is None


LONG = prose(7, 260)
SERBIAN = (
    "Чувар светионика у Љубову сваке вечери пали лампу, џепни сат му каже када, а ћерка Нађа чита његове белешке. "
)
SERBIAN_LATIN = (
    "Čuvar svetionika u Ljubovu svake večeri pali lampu, džepni sat mu kaže kada, a ćerka Nađa čita njegove beleške. "
)
TRADITIONAL = "每天傍晚燈塔的看守點亮燈火，記下經過的兩隻船，風從東邊吹來的時候，他會關上門窗，聽著海浪讀舊書。"
SIMPLIFIED = "每天傍晚灯塔的看守点亮灯火，记下经过的两只船，风从东边吹来的时候，他会关上门窗，听着海浪读旧书。"


@pytest.mark.parametrize(
    ("first", "second", "way"),
    [
        ("The lamp,  on the PIER.", "the lamp on the pier", "exact"),
        ("The cost - so they say - is high", "The cost – so they say – is high", "exact"),
        ("* tea\n* bread\n* salt for the whole week", "tea\nbread\nsalt for the whole week", "exact"),
        (SERBIAN, SERBIAN_LATIN, "near"),
        (TRADITIONAL, SIMPLIFIED, "near"),
        ("كَتَبَ الحَارِسُ رِسَالَةً إِلَى أَخِيهِ فِي المَدِينَةِ", "كتب الحارس رسالة إلى أخيه في المدينة", "near"),
        (
            "نگهبان هر شب چراغ را روشن می‌کند و یک کتاب کهنه می‌خواند",
            "نگهبان هر شب چراغ را روشن مي‌كند و يك كتاب كهنه مي‌خواند",
            "near",
        ),
        ("灯台守はＡ４の紙に２０２４年の記録を書いた", "灯台守はA4の紙に2024年の記録を書いた", "near"),
        (
            "Le gardien a hélé l'île dès l'été, après la fête",
            "LE GARDIEN A HELE L'ILE DES L'ETE, APRES LA FETE",
            "near",
        ),
        (
            "The ﬁrst oﬃcer ﬁlled the ﬂask before the oﬀer",
            "The first officer filled the flask before the offer",
            "near",
        ),
        (
            "Người gác đèn viết thư cho em ở thành phố mỗi tối",
            "Nguoi gac den viet thu cho em o thanh pho moi toi",
            "near",
        ),
        ("שָׁלוֹם לְכָל הַשּׁוֹמְרִים עַל הַחוֹף הַצָּפוֹנִי", "שלום לכל השומרים על החוף הצפוני", "near"),
        (
            "Der Leuchtturmwärter geht zur Sparkasse und zählt",
            "Der Leuchtturmwär-\nter geht zur Spar-\nkasse und zählt",
            "exact",
        ),
        (
            "灯塔的看守记下三十八条船，风大的时候再写一遍，然后睡觉",
            "灯塔的看守记下38条船，风大的时候再写一遍，然后睡觉",
            "near",
        ),
        (LONG, edited(LONG, 0.05, 3), "near"),
        (LONG, "Another headline\n\n" + LONG + "\n\nFirst printed in the Gazette.", "near"),
        (LONG.replace(". ", ", "), LONG, "exact"),
        ("Sold for 1,250 crowns. " + LONG, "Sold for 1250 crowns. " + LONG, "exact"),
    ],
)
def test_one_text_in_two_spellings_is_one(first, second, way):
    assert together(first, second) == way


def test_one_figure_of_many_words_is_an_edit():
    words = LONG.split()
    assert together(" ".join([*words[:90], "17", *words[91:]]), " ".join([*words[:90], "19", *words[91:]])) == "near"


def test_a_paragraph_that_moved_is_no_fact():
    lines = [f"In {2000 + n} Marta Quill counted {n * 7} boats. {prose(n, 30)}" for n in range(8)]
    assert together("\n".join(lines), "\n".join([*lines[3:], *lines[:3]])) == "near"


def test_patterns_and_copies():
    """The kinds of tests/data: pages of 20 patterns, each beside its neighbour alone; and edited copies."""
    made, pairs = documents(read_patterns())
    merged = pairs_alone([(one.text, other.text) for one, other in pairs], [one.pattern.name for one, _ in pairs])
    assert sum(merged) <= FLOORS["patterns_merged"]
    dropped = sum(root != place for place, root in enumerate(canonicals([document.text for document in made])))
    assert dropped <= FLOORS["patterns_dropped"]
    copies = read_copies()
    found = pairs_alone([(copy.original, copy.text) for copy in copies], [copy.article for copy in copies])
    print(sum(merged), dropped, sum(f for f, copy in zip(found, copies, strict=True) if copy.is_copy))
    assert sum(f for f, copy in zip(found, copies, strict=True) if copy.is_copy) >= FLOORS["copies_found"]
    assert not any(f for f, copy in zip(found, copies, strict=True) if not copy.is_copy)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=60), min_size=2, max_size=2), st.integers(0, 3))
def test_the_two_are_alike_in_either_order(texts, repeat):
    one, other = map(text_of, tokens(*(text * (1 + 30 * repeat) for text in texts)))
    assert tell_different_facts(one, other) == tell_different_facts(other, one)
    assert not tell_different_facts(one, one)


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="ab1 A\n-+é你", max_size=80), st.text(alphabet="ab1 A\n-+é你", max_size=80))
def test_what_stands_between_differences_is_equal(first, second):
    one, other = (found >> KIND_BITS for found in tokens(first, second))
    at = place = 0
    for start, end, first_of, last in differences(*map(text_of, tokens(first, second))):
        assert one[at:start].tolist() == other[place:first_of].tolist()
        at, place = end, last
    assert one[at:].tolist() == other[place:].tolist()


def test_work_on_long_texts_is_bounded():
    chosen = random.Random(1)
    one = np.array([chosen.randrange(1 << 28) << 3 for _ in range(MOST_TOKENS + 1)], np.uint32)
    assert not tell_different_facts(text_of(one), text_of(one[::-1]))


def test_what_is_broken_counts_against_a_copy():
    whole = "Der Wärter zählt die Boote und schreibt sie auf."
    worse = [whole.replace("zählt", "zäh-\nlt"), whole.upper(), whole.replace("ä", "Ã¤"), whole.replace(" ", "&nbsp;")]
    best, *others = clean_chars(pa.array([whole, *worse])).to_pylist()
    assert all(best > other for other in others)


def test_thresholds_are_in_order():
    assert CAPTION_WORDS < FACT_WORDS < MOST_TOKENS
