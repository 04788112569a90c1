"""When an article was published and last changed: the dates a page shows, read in the language of the page.

Only what is written: day, month and year, and the moment where time *and* zone are said. A time without a zone, or in
one whose name several zones share (IST, CST, BST), says no moment; then, as where there is no time, the date stands
for its day: midnight UTC. Nothing is guessed: "03/04/2020" is two days, and only the language says which; English is
written both ways, so there it stays unread, unless a number over 12 settles it. A year of two digits, "yesterday",
"5 hours ago" and the years of other calendars stay unread, but for Thai ones, which are the common ones and 543. Our
own reader, because dateparser guesses (order by locale, relative dates, missing parts from today) and takes
milliseconds a string; this takes microseconds.

Names of months, and what may stand between the parts, are in vocabulary.toml. A date is looked for from its year: its
day and month stand before it or behind it.

>>> parse_date("Dienstag, 3. März 2020, 12:04 Uhr MEZ", "de").isoformat()
'2020-03-03T11:04:00+00:00'
>>> parse_date("03/04/2020, 11:15", "fr").isoformat(), parse_date("03/04/2020", "en")
('2020-04-03T00:00:00+00:00', None)
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple

import pyarrow as pa

from transforms.folding import fold
from transforms.schema import own_or, with_columns
from transforms.vocabulary import languages

# A date line is short; what is longer is prose (a label's value has 60, a header of several parts more).
RAW_CHARS = 160
LINE_CHARS = 60
YEARS = range(1500, 2101)
# Years of the Thai calendar; it is that of pages in Thai, whatever is said.
BUDDHIST = 543
# Languages whose pages count years otherwise, so that figures alone say nothing: Bikram Sambat, Ethiopian.
_OTHER_YEARS = frozenset(["ne", "am"])
# A page may be dated tomorrow where it is read: zones are up to 14 hours ahead.
AHEAD = timedelta(days=1)

# Minutes ahead of UTC, of abbreviations that mean one zone (IANA's tz database; German, French and Russian ones by
# their pages). Left out, for they mean several: IST, CST, BST, AST, GST, SST, AMT, ECT.
_ZONES = {
    name: minutes
    for minutes, names in {
        0: "z utc gmt wet wez", 60: "cet mez west wesz wat", 120: "cest mesz eet oez sast cat",
        180: "eest oesz msk мск trt eat",
        240: "azt samt", 270: "aft", 300: "pkt uzt yekt", 330: "slst", 345: "npt", 360: "bdt omst", 390: "mmt",
        420: "wib ict krat novt", 480: "wita hkt sgt myt pht irkt awst", 540: "wit jst kst yakt", 570: "acst",
        600: "aest vlat", 630: "acdt", 660: "aedt", 720: "nzst", 780: "nzdt", -150: "ndt", -180: "adt art brt uyt clst",
        -210: "nst", -240: "edt hae vet clt", -300: "est hne cdt cot pet", -360: "mdt", -420: "mst pdt",
        -480: "pst akdt",
        -540: "akst", -600: "hst",
    }.items()
    for name in names.split()
}  # fmt: skip
# "ET" is either of two, and its page says which by its date. Words of other languages, so only in English.
_AMERICAN = {"et": -300, "ct": -360, "mt": -420, "pt": -480}
FARTHEST = 14 * 60
# Abbreviations of several zones: no moment, but the line is a date's all the same, as with any word so short.
ZONE_CHARS = 4
_SHARED = frozenset(["ist", "cst", "bst", "ast", "gst", "sst", "amt", "ect"])
# What the detector may call it: vocabulary.toml has one table for both.
_SAME = {"nn": "nb", "no": "nb", "tl": "fil"}

_ZEROS = "٠۰߀०০੦૦୦௦౦೦൦෦๐໐༠၀႐០᠐᥆᧐᪀᪐᭐᮰᱀᱐꘠꣐꤀꧐꧰꩐꯰０"  # every script's zero; the nine other digits follow it
_DIGITS = {ord(zero) + digit: str(digit) for zero in _ZEROS for digit in range(10)}

DIGIT = re.compile("[" + "".join(f"{zero}-{chr(ord(zero) + 9)}" for zero in "0" + _ZEROS) + "]")  # half the time of \\d

_NUMBER = re.compile(r"\d+")
_YEAR_OR_DAY = re.compile(r"\d{4}|\d[./-] ?\d{1,2}[./-]")  # one of them stands in every date
_DASH = re.compile(r"\s?([-./])\s?")
_DAY_SIGN = re.compile(r"\s?[日일號号]")
_APART = re.compile(r"[\s,،/()\[\]:;|•·–—-]+")
_ORDINALS = frozenset(["st", "nd", "rd", "th", "er", "re", "eme", "ero", "a", "o", "e", "-"])
_EDGES = ".,()/:-0123456789"
_MARKS = " \t,;:|()/·•–—-"
_MARK = re.compile(r"[,;|()/·•–—]|\s-\s")
_LOOK = 40  # characters: the longest name of a month, in Arabic, and what stands round it

_HALF = r"[ap]\.?\s?m\b\.?|μμ|πμ|μ\.μ\.?|π\.μ\.?|م\b|ص\b|sa\b|ch\b"
_TIME = re.compile(
    r"(?:(?P<before>上午|下午|午前|午後|오전|오후)\s?)?(?<![\d.:])(?P<h>\d{1,2})"
    rf"(?:\s?[:h時时시点點]\s?(?P<min>\d{{2}})(?!\d)|\.(?P<dot>\d{{2}})(?!\d)|(?=\s?(?:[ap]\.?m\b|uhr\b|[h時时시点點](?!\w))))"
    r"(?:[:.分분]\s?(?P<sec>\d{2})(?!\d)(?:[.,]\d{1,9})?)?\s?[h時时시点點分분秒초]{0,2}\s?"
    rf"(?P<half>{_HALF})?\s?(?:uhr|hrs?|น\.?)?\s?"
    r"\(?(?:(?P<utc>utc|gmt)?\s?(?P<sign>[+-])\s?(?P<off>\d{1,2}(?::?\d{2})?)(?!\d)|(?P<zone>[^\W\d_]{1,5}))?(?![^\W\d])\)?"
)
_CLOCKS = frozenset(["上午", "下午", "午前", "午後", "오전", "오후"])
_AFTERNOON = ("p", "μμ", "μ.", "م", "下", "午後", "오후", "ch")


class Written(NamedTuple):
    """A date as it stands in a folded text; its parts may be of any calendar and out of range."""

    start: int
    end: int
    year: int
    first: int  # the day; where both are figures, what stands first
    second: int | None = None  # the month, or the day
    month: str | None = None  # its name, folded
    is_ordered: bool = False  # year, month, day: `first` is the month


class _Words(NamedTuple):
    """The vocabulary, folded."""

    months: dict[str, dict[str, int]]  # name -> language -> 1..12
    number: dict[str, int | None]  # name -> month; None where languages differ
    dated: frozenset[str]  # what may stand between and beside the parts
    beside: frozenset[str]  # all that may stand on the line of a date
    edges: frozenset[str]  # with what such a line may begin or end
    weekdays: frozenset[str]
    changed: re.Pattern[str]
    day_first: frozenset[str]


@cache
def _words() -> _Words:
    months: dict[str, dict[str, int]] = {}
    dated: set[str] = set()
    weekdays: set[str] = set()
    changed: set[str] = set()
    for code, language in languages().items():
        for number, names in enumerate(language.months, 1):
            for name in names:
                months.setdefault(fold(name).strip("."), {}).setdefault(code, number)
        weekdays |= {fold(name).strip(".") for names in language.weekdays for name in names}
        dated |= {fold(word).strip(".") for word in language.dated}
        changed |= {fold(word) for word in language.changed}
    # A beginning of words, where words are told apart by spaces and take nothing before them.
    stems = "|".join(
        (r"(?<![^\W\d_])" if stem[0] < "\u0590" else "")
        + (re.escape(stem[:-1]) + r"(?![^\W\d_])" if stem[-1] == "." else re.escape(stem))
        for stem in sorted(changed, reverse=True)
    )
    beside = frozenset(dated) | _ORDINALS | {word for name in weekdays for word in _split(name)} | {"t"}
    return _Words(
        months=months,
        number={
            name: next(iter(found.values())) if len(set(found.values())) == 1 else None
            for name, found in months.items()
        },
        dated=frozenset(dated) | _ORDINALS,
        beside=beside,
        edges=beside | {name.split()[0] for name in (*months, *weekdays)} | _CLOCKS,
        weekdays=frozenset(weekdays),
        changed=re.compile(stems),
        day_first=frozenset(code for code, language in languages().items() if language.day_first),
    )


def figures(folded: str) -> str:
    """The text with the digits of every script as 0 to 9."""
    return folded if folded.isascii() else folded.translate(_DIGITS)


def says_change(folded: str) -> bool:
    """Whether the words before a date make it that of a change, not of publication.

    >>> says_change("zuletzt aktualisiert am"), says_change("erschienen am")
    (True, False)
    """
    return _words().changed.search(folded) is not None


# --- where a date stands -------------------------------------------------------------------------------------------


def find(text: str) -> Written | None:
    """The first date of a folded text whose digits are `figures`.

    >>> find("am 3. marz 2020 um zehn")[:4], find("marz 2020") is None
    ((3, 15, 2020, 3), True)
    """
    if _YEAR_OR_DAY.search(text) is None:
        return None
    numbers = [found.span() for found in _NUMBER.finditer(text)]
    for at, (start, end) in enumerate(numbers):
        if end - start == 4:
            found = _before(text, numbers, at) or _after(text, numbers, at)
        elif end - start == 2 and at > 1:
            found = _figures_before(text, numbers, at)
        else:
            continue
        if found is not None:
            return found
    return None


def _is_short(span: tuple[int, int]) -> bool:
    return span[1] - span[0] <= 2


def _before(text: str, numbers: list[tuple[int, int]], at: int) -> Written | None:
    """Day and month before the year: "3/4/2020", "3. März 2020", "March 3, 2020"."""
    if at == 0 or not _is_short(numbers[at - 1]):
        return None
    start, end = numbers[at]
    day_start, day_end = numbers[at - 1]
    year, day, gap = int(text[start:end]), int(text[day_start:day_end]), text[day_end:start]
    if at > 1 and (found := _figures_before(text, numbers, at)) is not None:
        return found
    if (name := _month(gap)) is not None:
        return Written(day_start, end, year, day, month=name)
    if (len(gap) <= 6 and not gap[:1].isalpha()) or gap.strip(" ,.") in _ORDINALS:
        head = text[max(0, day_start - _LOOK) : day_start]
        if (found_name := _last_month(head)) is not None:
            name, length = found_name
            return Written(day_start - length, end, year, day, month=name)
    return None


def _figures_before(text: str, numbers: list[tuple[int, int]], at: int) -> Written | None:
    """ "3.4.2020" or "3.4.20", "3 tháng 4 năm 2020": numbers[at] is the year."""
    (first, first_end), (second, second_end), (third, end) = numbers[at - 2 : at + 1]
    if first_end - first > 2 or second_end - second > 2:
        return None
    year, one, two = int(text[third:end]), int(text[first:first_end]), int(text[second:second_end])
    left, right = text[first_end:second], text[second_end:third]
    dash = _DASH.fullmatch(left)
    if dash is not None and _DASH.fullmatch(right) and dash[1] in right and text[first - 1 : first] not in (".", "/"):
        return Written(first, end, year, one, two)
    if left.strip(" .") in ("thang", "thg") and right.strip(" ,") in ("", "nam"):
        return Written(first, end, year, two, one, is_ordered=True)
    return None


def _after(text: str, numbers: list[tuple[int, int]], at: int) -> Written | None:
    """Month and day behind the year: "2020-03-12", "2020年3月12日", "2020. március 12.", "2020. gada 12. marts"."""
    if at + 1 == len(numbers) or not _is_short(numbers[at + 1]):
        return None
    (start, year_end), (second, second_end) = numbers[at], numbers[at + 1]
    year, number, gap = int(text[start:year_end]), int(text[second:second_end]), text[year_end:second]
    if at + 2 < len(numbers) and _is_short(numbers[at + 2]):
        third, end = numbers[at + 2]
        end = _end_of_figures(text, gap.strip(), text[second_end:third].strip(), end)
        if end:
            return Written(start, end, year, number, int(text[third : numbers[at + 2][1]]), is_ordered=True)
    if (name := _month(gap)) is not None:
        return Written(start, second_end, year, number, month=name)
    if gap.strip(" .") and all(word in _words().dated for word in _split(gap)):
        found = _first_month(text[second_end : second_end + _LOOK])
        if found is not None:
            return Written(start, second_end + found[1], year, number, month=found[0])
    return None


def _end_of_figures(text: str, left: str, right: str, end: int) -> int:
    """Where year, month and day end, by what stands between them; 0 where they are none."""
    if left == right and left in ("-", ".", "/"):
        return end
    day = _DAY_SIGN.match(text, end)
    return day.end() if day is not None and left[:1] in ("年", "년") and right in ("月", "월") else 0


def _split(text: str) -> list[str]:
    return [word for part in _APART.split(text) if (word := part.strip(".'\""))]


@lru_cache(maxsize=1 << 12)
def _month(gap: str) -> str | None:
    """The month that stands between day and year, with nothing else but what may stand there."""
    if len(gap) > _LOOK:
        return None
    words = _split(gap)
    names = _words().number
    for word in (gap.strip(" .,-/"), " ".join(words)):
        if word in names:
            return word
    words = [_bare(word) for word in words if word not in _words().dated or word in names]
    if " ".join(words) in names:
        return " ".join(words)
    if "/" in gap:  # "آذار/مارس": two names of one month
        both = [" ".join(_split(part)) for part in gap.split("/")]
        if all(name in names for name in both) and len({names[name] for name in both}) == 1:
            return both[0]
    return None


def _bare(word: str) -> str:
    """The word without what is written on to it: "d'abril", "במרץ"."""
    if word in _words().number:
        return word
    return word[2:] if word.startswith("d'") else word.removeprefix("ב")


@lru_cache(maxsize=1 << 12)
def _last_month(head: str) -> tuple[str, int] | None:
    """The month with which the text ends, and how many characters that is."""
    if head.rstrip(" .") != head.rstrip(" .,:;-/") or head[-1:].isalpha():
        return None
    words = head.split()
    for count in range(min(3, len(words)), 0, -1):
        name = " ".join(words[-count:]).strip(".,(")
        if name in _words().number:
            return name, len(head) - head.rindex(words[-count])
    return None


@lru_cache(maxsize=1 << 12)
def _first_month(rest: str) -> tuple[str, int] | None:
    words = rest.lstrip(". ").split()
    if words and (name := words[0].strip(".,")) in _words().number:
        return name, rest.index(words[0]) + len(words[0].rstrip(".,"))
    return None


def is_date_line(folded: str) -> bool:
    """Whether a line is a date and nothing else: "dienstag, 3. marz 2020, 12:04 uhr".

    >>> is_date_line("2020. marcius 12., kedd 10:15"), is_date_line("12 march 2020 was a thursday.")
    (True, False)
    """
    if not folded or len(folded) > LINE_CHARS:
        return False
    edges = _words().edges  # most lines with a number begin or end with another word
    if folded[0].isalpha() and folded.split(" ", 1)[0].strip(_EDGES) not in edges:
        return False
    last = folded[folded.rfind(" ") + 1 :].strip(_EDGES)
    if len(last) > ZONE_CHARS and last.isalpha() and last not in edges:
        return False
    text = figures(folded)
    found = find(text)
    if found is None or not _may_be(found):
        return False
    beside = _words().beside
    return all(
        word in beside
        for part in (text[: found.start], text[found.end :])
        for word in _split(_TIME.sub(_untimed, part, 1))
    )


def _may_be(written: Written) -> bool:
    """Whether the figures can be a day and a month, in whatever order."""
    first, second = written.first, written.second
    return 0 < first <= 31 and (second is None or (0 < second <= 31 and min(first, second) <= 12))


def _untimed(time: re.Match[str]) -> str:
    """What is left of a time: a word after it that is no zone."""
    zone = time["zone"] or ""
    return " " if len(zone) <= ZONE_CHARS else f" {zone}"


def is_weekday(folded: str) -> bool:
    """Whether the words are the name of a day of the week."""
    return folded.strip(".,()") in _words().weekdays


def without_dated(text: str) -> str:
    """The text without the words at its end that lead to a date: "Posted by Jane Doe on Thursday,"."""
    words = text.split()
    while words and (fold(words[-1]).strip(".,()") in _words().beside):
        words.pop()
    return " ".join(words)


def pieces(raw: str) -> list[str]:
    """The text, cut so that each piece has one date.

    >>> pieces("12 mars 2020 à 8h15, mis à jour le 13 mars 2020")
    ['12 mars 2020 à 8h15', 'mis à jour le 13 mars 2020']
    """
    text = figures(fold(raw))
    first = find(text)
    second = find(text[first.end :]) if first is not None else None
    if first is None or second is None:
        return [raw]
    above, between = len(_NUMBER.findall(text[: first.end])), text[first.end :][: second.start]
    numbers = _numbers(raw, text)
    if numbers is None:
        return [raw]
    last = above + len(_NUMBER.findall(between)) - 1
    start, end = numbers[last][1], numbers[last + 1][0]
    gap = raw[start:end]
    mark = _MARK.search(gap)
    word = next((word for word in gap.split() if says_change(fold(word))), None)
    cut = start + (mark.start() if mark is not None else gap.index(word) if word is not None else 0)
    return [raw[:cut].strip(_MARKS), *pieces(raw[cut:].strip(_MARKS))]


def _numbers(raw: str, text: str) -> list[tuple[int, int]] | None:
    """Where the numbers of `text` stand in `raw`, of which it is the folded form; None where that isn't plain."""
    numbers = [found.span() for found in _NUMBER.finditer(raw)]
    folded = [found.end() - found.start() for found in _NUMBER.finditer(text)]
    return numbers if [end - start for start, end in numbers] == folded else None


def around(raw: str) -> tuple[str, str, str] | None:
    """What stands before the only date of a line, the date with its time, and what stands behind it.

    >>> around("Posted on April 2, 2019 at 8:15 am by Jane Doe")
    ('Posted on', 'April 2, 2019 at 8:15 am', 'by Jane Doe')
    """
    text = figures(fold(raw))
    found = find(text)
    if found is None or not _may_be(found) or (numbers := _numbers(raw, text)) is None:
        return None
    first = len(_NUMBER.findall(text[: found.start]))
    last = first + len(_NUMBER.findall(text[found.start : found.end])) - 1
    start, end = numbers[first][0], numbers[last][1]
    name = (found.month or "").split()
    if name and not text[found.start].isdigit():  # "March 3, 2020"
        for _ in name:
            start = raw.rfind(" ", 0, len(raw[:start].rstrip())) + 1
    elif name and not text[found.end - 1].isdigit():  # "2020. gada 12. marts"
        for _ in range(1 + raw[end:].startswith((" ", ". "))):
            end = raw.find(" ", end + 1) if " " in raw[end + 1 :] else len(raw)
    elif (sign := _DAY_SIGN.match(text[found.end - 1 :])) is not None:
        end = max(end, raw.find(sign[0], end) + 1)
    after = text[found.end :]
    time = _TIME.search(after)
    if time is not None and all(word in _words().beside for word in _split(after[: time.start()])):
        end = numbers[last + len(_NUMBER.findall(after[: time.end()]))][1]
        shown = time.start("zone") if time["zone"] and time["zone"] not in _ZONES.keys() | _SHARED else time.end()
        tail = re.split(r"\d", after[:shown])[-1].rstrip()
        end += len(tail)
    return raw[:start].strip(_MARKS), raw[start:end].strip(_MARKS), raw[end:].strip(_MARKS)


# --- what it says --------------------------------------------------------------------------------------------------


def parse_date(raw: str, language: str) -> datetime | None:
    """The moment that `raw` says, in UTC; None where it says no full date, or two. `language` is BCP-47."""
    if len(raw) > RAW_CHARS:
        return None
    text = figures(fold(raw))
    found = find(text)
    if found is None:
        return None
    base = language.split("-")[0]
    base = _SAME.get(base, base)
    day = _day(found, base)
    if day is None:
        return None
    after = text[found.end :]
    following = find(after)
    after = after[: following.start] if following is not None else after
    time = _TIME.search(after) or _TIME.search(text[: found.start])
    return (_moment(day, time, raw, base) if time is not None else None) or day


def _day(written: Written, language: str) -> datetime | None:
    """Midnight UTC of the day that is written."""
    day, month, year = written.first, written.second, written.year
    if written.month is not None:
        by_language = _words().months[written.month]
        number = _words().number[written.month]
        month = by_language.get(language) if number is None else number
        is_thai = "th" in by_language
    else:
        is_thai = language == "th"
        if month is None or language in _OTHER_YEARS:
            return None
        if written.is_ordered or month > 12:
            day, month = month, day
        elif day <= 12 and day != month and language not in _words().day_first:
            return None
    if is_thai and year - BUDDHIST in YEARS and year not in YEARS:
        year -= BUDDHIST
    if month is None or year not in YEARS:
        return None
    try:
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None


def _moment(day: datetime, time: re.Match[str], raw: str, language: str) -> datetime | None:
    """The time on that day; None where it is no time, or its zone isn't known."""
    hour, half = int(time["h"]), time["half"] or time["before"] or ""
    if half:
        hour = hour % 12 + (12 if half.startswith(_AFTERNOON) else 0)
    try:
        local = day.replace(hour=hour, minute=int(time["min"] or time["dot"] or 0), second=int(time["sec"] or 0))
    except ValueError:
        return None
    minutes = _offset(time, raw) if time["sign"] else _zone(local, time["zone"] or time["utc"] or "", raw, language)
    return None if minutes is None or abs(minutes) > FARTHEST else local - timedelta(minutes=minutes)


def _offset(time: re.Match[str], raw: str) -> int | None:
    """Minutes ahead of UTC. "10:00 - 12:00" is none: without "GMT" it stands after seconds or a "T", or as "+0100"."""
    digits = time["off"].replace(":", "")
    if not time["utc"] and (
        len(digits) < 4
        or not (time["sec"] or time["sign"] == "+" or ":" not in time["off"] or re.search(r"\dT\d", raw))
    ):
        return None
    hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
    return (-1 if time["sign"] == "-" else 1) * (60 * hours + minutes)


def _zone(local: datetime, name: str, raw: str, language: str) -> int | None:
    """Minutes ahead of UTC, of a zone's abbreviation. In lower case most are words: "est", "art", "eat"."""
    if name.isascii() and name.upper() not in raw and name not in ("utc", "gmt"):
        return None
    if name in _AMERICAN and language == "en":
        return _AMERICAN[name] + (60 if _is_summer_in_america(local.date()) else 0)
    return _ZONES.get(name)


def _is_summer_in_america(day: date) -> bool:
    """Daylight-saving time of the United States since 2007 (Energy Policy Act of 2005, sec. 110); before, as then.

    On the two days themselves the hour decides at two in the morning, so they are an hour off till then.
    """
    march, november = date(day.year, 3, 8), date(day.year, 11, 1)
    second_sunday = march + timedelta(days=(6 - march.weekday()) % 7)
    first_sunday = november + timedelta(days=(6 - november.weekday()) % 7)
    return second_sunday <= day < first_sunday


def date_documents(documents: pa.Table) -> pa.Table:
    """Date every document: adds `published_at` and `modified_at` from what was read, where the record doesn't say them;
    rows and order stay.

    A page can't say what came after it was fetched: a later date is of something else, an event say.
    """
    languages_, fetched = documents["language"].to_pylist(), documents["fetched_at"].to_pylist()
    return with_columns(
        documents,
        **{
            name: own_or(
                documents,
                name,
                [
                    _until(parse_date(raw, language), at) if raw else None
                    for raw, language, at in zip(documents[column].to_pylist(), languages_, fetched, strict=True)
                ],
            )
            for name, column in (("published_at", "published_raw"), ("modified_at", "modified_raw"))
        },
    )


def _until(found: datetime | None, fetched: datetime | None) -> datetime | None:
    return None if found is not None and fetched is not None and found > fetched + AHEAD else found
