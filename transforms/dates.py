"""When an article was published: the date a page shows, read in the language of the page.

Only what is written: day, month and year, the time where there is one, the zone where it is said, else UTC. Nothing
is guessed: "03/04/2020" is two days, and only the language says which; English is written both ways, so there it
stays unread, unless a number over 12 settles it. A year of two digits, "yesterday" and "5 hours ago" stay unread:
they would read otherwise tomorrow. Our own reader, because dateparser guesses (order by locale, relative dates,
missing parts from today) and takes milliseconds a string; this takes microseconds.

>>> parse_date("Dienstag, 3. März 2020, 12:04 Uhr", "de").isoformat()
'2020-03-03T12:04:00+00:00'
>>> parse_date("03/04/2020", "fr").date().isoformat(), parse_date("03/04/2020", "en")
('2020-04-03', None)
"""

import re
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa

from transforms.boilerplate.anchors import fold
from transforms.schema import with_columns

# A date line is short; what is longer is prose (`anchors._is_date` has 60, a header of several parts more).
RAW_CHARS = 120
YEARS = range(1500, 2101)

# Months as pages write them: names, genitives, abbreviations; CLDR's calendars, folded when loaded.
_MONTHS = (
    "january jan januar janvier janv enero ene gennaio gen janeiro januari styczen stycznia sty leden ledna led "
    "январь января янв січень січня січ ιανουαριος ιανουαριου ιαν ocak oca يناير كانون_الثاني janner tammikuu "
    "tammikuuta ianuarie",
    "february feb februar fevrier fevr febrero febbraio febb fevereiro fev februari luty lutego lut unor unora "
    "февраль февраля фев февр лютий лютого лют φεβρουαριος φεβρουαριου φεβ subat sub فبراير شباط helmikuu "
    "helmikuuta februarie",
    "march mar marz maerz mars marzo marco maart mrt marzec marca brezen brezna март марта мар березень березня "
    "бер μαρτιος μαρτιου μαρ mart مارس آذار اذار maaliskuu maaliskuuta marts martie",
    "april apr avril avr abril abr aprile kwiecien kwietnia kwi duben dubna апрель апреля апр квітень квітня кві "
    "απριλιος απριλιου απρ nisan nis أبريل ابريل إبريل نيسان huhtikuu huhtikuuta aprilie",
    "may mai mayo maggio mag maio mei maj maja kveten kvetna май мая травень травня тра μαιος μαιου μαι mayis "
    "مايو أيار toukokuu toukokuuta",
    "june jun juni juin junio giugno giu junho czerwiec czerwca cze cerven cervna июнь июня июн червень червня "
    "чер ιουνιος ιουνιου ιουν haziran haz يونيو يونيه حزيران kesakuu kesakuuta iunie",
    "july jul juli juillet juil julio luglio lug julho lipiec lipca lip cervenec cervence июль июля июл липень "
    "липня лип ιουλιος ιουλιου ιουλ temmuz tem يوليو يوليه تموز heinakuu heinakuuta iulie",
    "august aug aout agosto ago augustus sierpien sierpnia sie srpen srpna август августа авг серпень серпня сер "
    "αυγουστος αυγουστου αυγ agustos agu أغسطس اغسطس آب elokuu elokuuta",
    "september sep sept septembre septiembre settembre set setembro wrzesien wrzesnia wrz zari сентябрь сентября "
    "сен сент вересень вересня вер σεπτεμβριος σεπτεμβριου σεπ σεπτ eylul eyl سبتمبر أيلول syyskuu syyskuuta "
    "septembrie",
    "october oct oktober okt octobre octubre ottobre ott outubro out pazdziernik pazdziernika paz rijen rijna "
    "октябрь октября окт жовтень жовтня жов οκτωβριος οκτωβριου οκτ ekim eki أكتوبر اكتوبر تشرين_الأول lokakuu "
    "lokakuuta octombrie",
    "november nov novembre noviembre novembro listopad listopada lis listopadu ноябрь ноября ноя нояб листопад "
    "листопада лис νοεμβριος νοεμβριου νοε νοεμ kasim kas نوفمبر تشرين_الثاني marraskuu marraskuuta noiembrie",
    "december dec dezember dez decembre diciembre dic dicembre dezembro grudzien grudnia gru prosinec prosince "
    "декабрь декабря дек грудень грудня гру δεκεμβριος δεκεμβριου δεκ aralik ara ديسمبر كانون_الأول joulukuu "
    "joulukuuta decembrie",
)
# The one name that means another month next door: November in Polish and Czech, October in Croatian.
_NEIGHBOURS = {"listopad": ("hr", "bs", "und"), "listopada": ("hr", "bs", "und")}
# Languages that write day/month/year with any mark. English is not among them, nor those that write the year first.
_DAY_FIRST = frozenset(
    [
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "pl",
        "cs",
        "sk",
        "ru",
        "uk",
        "be",
        "bg",
        "el",
        "tr",
        "ar",
        "he",
        "ro",
        "ca",
        "gl",
        "hr",
        "sl",
        "sr",
        "da",
        "nb",
        "nn",
        "fi",
        "et",
        "lv",
        "id",
        "vi",
    ]
)
_ZONES = {
    "z": 0, "utc": 0, "gmt": 0, "wet": 0, "cet": 60, "mez": 60, "cest": 120, "mesz": 120, "eet": 120, "eest": 180,
    "msk": 180, "мск": 180, "est": -300, "edt": -240, "cdt": -300, "mdt": -360, "pst": -480, "pdt": -420, "jst": 540,
    "kst": 540, "hkt": 480,
}  # fmt: skip

_DIGITS = {ord(digit): str(place % 10) for place, digit in enumerate("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹０１２３４５６７８９")}
_MONTH_OF = {fold(name).replace("_", " "): number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_NAME = "|".join(sorted(map(re.escape, _MONTH_OF), key=len, reverse=True))
_YEAR = r"(?P<y>\d{4})(?!\d)"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"(?<!\d){_YEAR}\s?[年년]\s?(?P<m>\d{{1,2}})\s?[月월]\s?(?P<d>\d{{1,2}})\s?[日일]",
        rf"(?<!\d){_YEAR}(?P<s>[-./])\s?(?P<m>\d{{1,2}})(?P=s)\s?(?P<d>\d{{1,2}})(?!\d)",
        rf"(?<!\d)(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|re|ª|º|°)?[.\s,-]{{0,3}}(?:of |de |d'|del |di )?"
        rf"(?<![^\W\d])(?P<n>{_NAME})(?![^\W\d])\.?,?[\s-]*(?:of |de |del |di |/)?{_YEAR}",
        rf"(?<![^\W\d])(?P<n>{_NAME})(?![^\W\d])\.?\s(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s{{1,2}}{_YEAR}",
        rf"(?<!\d){_YEAR}[.,]?\s(?P<n>{_NAME})(?![^\W\d])\.?\s(?P<d>\d{{1,2}})(?!\d)",
        rf"(?<!\d)(?P<a>\d{{1,2}})(?P<s>[-./])\s?(?P<b>\d{{1,2}})(?P=s)\s?{_YEAR}",
    )
)
_TIME = re.compile(
    r"(?P<before>上午|下午|午前|午後|오전|오후)?\s?(?<![\d.:])(?P<h>\d{1,2})"
    r"(?:\s?[:h時时시]\s?|\.(?=\d\d (?:uhr|h\b|hrs)))(?P<min>\d{2})(?!\d)(?:[:分분]\s?(?P<sec>\d{2})(?!\d))?"
    r"(?:[.,]\d{1,6})?"
    r"[分분秒]?\s?(?P<half>[ap]\.?m\b\.?|μμ|πμ|μ\.μ\.?|π\.μ\.?|م\b|ص\b)?(?:uhr|h|hrs)?"
    r"\s?\(?(?:(?:utc|gmt)?\s?(?P<off>[+-]\d{2}:?\d{2}|(?<=[ct])[+-]\d{1,2})|(?P<zone>z|[^\W\d]{3,4}))?(?![^\W\d])"
)
_AFTERNOON = ("p", "μμ", "μ.", "م", "下", "午後", "오후")


def parse_date(raw: str, language: str) -> datetime | None:
    """The moment that `raw` says, in UTC; None where it says no full date, or two. `language` is BCP-47."""
    if len(raw) > RAW_CHARS:
        return None
    text = fold(raw.translate(_DIGITS))
    found = min(
        (match for form in _FORMS if (match := form.search(text))), key=lambda match: match.start(), default=None
    )
    if found is None or int(found["y"]) not in YEARS:
        return None
    day_and_month = _day_and_month(found.groupdict(), language.split("-")[0])
    if day_and_month is None:
        return None
    day, month = day_and_month
    try:
        date = datetime(int(found["y"]), month, day, tzinfo=UTC)
    except ValueError:
        return None
    after = text[found.end() :]
    others = [match.start() for form in _FORMS if (match := form.search(after))]
    after = after[: min(others)] if others else after
    time = _TIME.search(after.lstrip("t")) or _TIME.search(text[: found.start()])
    return date if time is None else _at(date, time)


def _day_and_month(part: dict[str, str | None], language: str) -> tuple[int, int] | None:
    name, first, second = part.get("n"), part.get("a"), part.get("b")
    if name is not None:
        if language in _NEIGHBOURS.get(name, ()):
            return None
        return int(part["d"] or 0), _MONTH_OF[name]
    if first is None or second is None:
        return int(part["d"] or 0), int(part["m"] or 0)
    a, b = int(first), int(second)
    if a > 12 or a == b or (b <= 12 and language in _DAY_FIRST):
        return a, b
    return (b, a) if b > 12 else None


def _at(date: datetime, time: re.Match[str]) -> datetime:
    """`date` at `time`; as it is where the time is none."""
    hour, half = int(time["h"]), time["half"] or time["before"] or ""
    if half:
        hour = hour % 12 + (12 if half.startswith(_AFTERNOON) else 0)
    minutes = _ZONES.get(time["zone"] or "z", 0)
    if time["off"]:
        sign, digits = time["off"][0], time["off"][1:].replace(":", "")
        minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
        minutes = -minutes if sign == "-" else minutes
    try:
        local = date.replace(hour=hour, minute=int(time["min"]), second=int(time["sec"] or 0))
        return local.replace(tzinfo=timezone(timedelta(minutes=minutes))).astimezone(UTC)
    except ValueError:
        return date


def date_documents(documents: pa.Table) -> pa.Table:
    """Date every document: adds `published_at` from `published_raw` and `language`; rows and order stay."""
    columns = (documents["published_raw"].to_pylist(), documents["language"].to_pylist())
    return with_columns(
        documents,
        published_at=[parse_date(raw, language) if raw else None for raw, language in zip(*columns, strict=True)],
    )
