"""Encoding repair: mojibake, control characters, line ends, Unicode form, by ftfy under a config that damages nothing.

ftfy's defaults turn `，` into `,`, `ＡＢＣ` into `ABC`, `“` into `"` and `ﬁ` into `fi`; FineWeb-2 had to be corrected
over this (NeMo-Curator#476, datatrove PR#319). Quotes, ligatures, full-width forms and CJK punctuation stay here.

>>> repair_text("fÃ¼r „uns“，ＡＢＣ\\r\\n", Limits())[0]
'für „uns“，ＡＢＣ\\n'
>>> [span.reason for span in repair_text("fÃ¼r\\r\\n", Limits())[1]]
['encoding.mojibake', 'encoding.whitespace']
"""

import re
import unicodedata

import ftfy
import pyarrow as pa

from transforms.config import Config, Limits
from transforms.errors import RecordError
from transforms.schema import with_columns
from transforms.spans import Span, merge_adjacent, to_arrow

TRANSFORM = "repair_encoding"

# One segment at a time, so that each repair has its place; explain=False as in `ftfy.fix_text`.
FTFY = ftfy.TextFixerConfig(
    explain=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    normalization="NFC",
)

# A segment of nothing else can't change: printable ASCII without `&` (entities), TAB and LF, and the letters,
# quotes and dashes of NFC text that no mojibake is made of when the line has no Latin-1 symbol beside them.
_PLAIN = re.compile(r"[\t\n\x20-\x25\x27-\x7e]*")
_ENTITY_CHAIN = "&(?:amp;){%d}"
_TOKEN = re.compile(r"\s+|\S+")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\x85]")


def repair_text(text: str, limits: Limits) -> tuple[str, list[Span]]:
    """The repaired text and what was changed, in coordinates of `text`.

    The same as `ftfy.fix_text` under our config. Raises: RecordError (`limit.*`) past a limit.
    """
    if len(text) > limits.document_chars:
        raise RecordError("limit.document_chars", f"{len(text)} characters, allowed {limits.document_chars}")
    if "&amp;amp;" in text and re.search(_ENTITY_CHAIN % limits.entity_depth, text):
        raise RecordError("limit.entity_depth", f"`&amp;amp;…` nested more than {limits.entity_depth} deep")
    if _PLAIN.fullmatch(text):
        return text, []
    pieces: list[str] = []
    spans: list[Span] = []
    config, position = FTFY, 0
    while position < len(text):
        end = text.find("\n", position) + 1 or len(text)
        end = min(end, position + FTFY.max_decode_length)
        segment = text[position:end]
        if config.unescape_html and "<" in segment:  # HTML-looking text keeps its entities from here on
            config = config._replace(unescape_html=False)
        fixed = segment if _PLAIN.fullmatch(segment) else ftfy.fix_and_explain(segment, config).text
        if fixed != segment:
            spans += _changes(segment, fixed, position)
        pieces.append(fixed)
        position = end
    return "".join(pieces), merge_adjacent(spans)


def _changes(before: str, after: str, offset: int) -> list[Span]:
    """What changed within a segment, trimmed to the characters that differ."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    if len(old) != len(new):
        old, new = [before], [after]
    spans = []
    for was, now in zip(old, new, strict=True):
        if was != now:
            spans.append(_trimmed(was, now, offset))
        offset += len(was)
    return spans


def _trimmed(was: str, now: str, offset: int) -> Span:
    head = 0
    while head < min(len(was), len(now)) and was[head] == now[head]:
        head += 1
    tail = 0
    while tail < min(len(was), len(now)) - head and was[-1 - tail] == now[-1 - tail]:
        tail += 1
    old, new = was[head : len(was) - tail], now[head : len(now) - tail]
    reason = _reason(old, new)
    return Span(offset + head, offset + len(was) - tail, new, f"encoding.{reason}", f"ftfy.{reason}", TRANSFORM, 1.0)


def _reason(was: str, now: str) -> str:
    if _LINE_ENDS.search(was) and _LINE_ENDS.sub("\n", was).strip("\n") == now.strip("\n"):
        return "whitespace"
    if not now and all(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Cn") for char in was):
        return "whitespace" if was == "\r" else "control"
    if unicodedata.normalize("NFC", was) == now or unicodedata.normalize("NFD", was) == unicodedata.normalize(
        "NFD", now
    ):
        return "normalization"
    return "mojibake"


def repair_encoding(documents: pa.Table, config: Config) -> pa.Table:
    """Repair the encoding of every document: adds `text` and `spans` from `original`; rows and order stay.

    A document past a limit gets `reject_reason` and keeps its original as text.
    """
    texts: list[str] = []
    spans: list[list[Span]] = []
    reasons = documents["reject_reason"].to_pylist()
    details = documents["reject_detail"].to_pylist()
    stages = documents["reject_stage"].to_pylist()
    for row, original in enumerate(documents["original"].to_pylist()):
        text: str = original
        changes: list[Span] = []
        if reasons[row] is None:
            try:
                text, changes = repair_text(original, config.limits)
            except RecordError as error:
                reasons[row], details[row], stages[row] = error.reason, error.detail, "repair"
        texts.append(text)
        spans.append(changes)
    return with_columns(
        documents,
        text=texts,
        spans=to_arrow(spans),
        reject_reason=reasons,
        reject_detail=details,
        reject_stage=stages,
    )
