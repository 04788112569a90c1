"""Names of what lies in RAW: how they are shown, what is passed over, and where a member of an archive stands.

A member's path is the archive's, `!/` and its own; `input_of` is the archive. A folder or file whose name could be
taken for an archive in such a path is shown with `\\x21` for its `!`.

>>> shown(b"caf\\xc3\\xa9.txt"), shown(b"caf\\xe9.txt"), shown(b"caf\\\\xe9.txt"), shown(b"a.zip!"), shown(b"Yahoo!")
('café.txt', 'caf\\\\xe9.txt', 'caf\\\\\\\\xe9.txt', 'a.zip\\\\x21', 'Yahoo!')
>>> input_of("news/a.zip!/b.tar!/c.txt"), input_of("Yahoo!/c.txt")
('news/a.zip', 'Yahoo!/c.txt')
"""

import re
from collections.abc import Callable

# What archives' names end in, however they are compressed; the short ones, and what they stand for.
SHORT = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".tbz": ".tar.bz2", ".txz": ".tar.xz", ".tzst": ".tar.zst"}
_ENDING = r"\.(?:zip|wacz|tar|tgz|tbz2?|txz|tzst|tar\.(?:gz|zst|bz2|xz|lz4))"
_MEMBER = re.compile(rf"(?is)(.*?{_ENDING})!/")
_LIKE_ARCHIVE = re.compile(rf"(?is).*{_ENDING}!".encode())
# What tools leave beside their output, none of it text: Hadoop's and Spark's marks, Databricks' transactions, summaries
# of Parquet folders, checksums, what desktops put into folders they show. Only where no reader knows the format.
LEFTOVER = re.compile(
    rb"_SUCCESS|_metadata|_common_metadata|_(committed|started)_(vacuum)?\d+|.*\.crc|~\$.*"
    rb"|(?i:thumbs\.db|ehthumbs\.db|desktop\.ini)",
    re.DOTALL,
)
# Folders: output of tasks that were never committed (what counts of it stands elsewhere); what macOS puts into
# archives beside the files, under their names.
LEFTOVER_FOLDERS = (b"_temporary", b"__MACOSX")
# How a byte that isn't UTF-8, or an archive's `!`, is shown.
_ESCAPED = re.compile(rb"\\x(?:[89a-f][0-9a-f]|21)")


def shown(name: bytes) -> str:
    """How a name is shown: bytes that aren't UTF-8 as `\\xff`. Backslashes are doubled there, and where a name could
    be taken for one of these, so that no two names are shown alike."""
    is_like_archive = name.endswith(b"!") and _LIKE_ARCHIVE.fullmatch(name)
    try:
        if not is_like_archive and not (b"\\" in name and _ESCAPED.search(name)):
            return name.decode()
    except UnicodeDecodeError:
        pass
    found = name.replace(b"\\", b"\\\\").decode(errors="backslashreplace")
    return found[:-1] + "\\x21" if is_like_archive else found


def input_of(source_path: str) -> str:
    """The file of RAW in which a record stands."""
    found = _MEMBER.match(source_path)
    return found[1] if found else source_path


def is_passed_over(name: bytes, is_folder: bool, is_read: Callable[[], bool]) -> bool:
    """Whether a file or folder of this name holds no records; `is_read`: whether a reader knows its format."""
    if name.startswith(b".") or (is_folder and name in LEFTOVER_FOLDERS):
        return True
    return not is_folder and LEFTOVER.fullmatch(name) is not None and not is_read()
