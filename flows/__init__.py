"""How it runs: the only Prefect, the only disk.

Settings of Prefect's are made here, before anything can import it; a user's own, in the environment or in a Prefect
profile, win.
"""

import os
from contextlib import suppress
from pathlib import Path

_SETTINGS = {
    # No telemetry: privacy, machines without a network, and it is what fills a first run with errors.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}


def can_write(folder: Path) -> bool:
    """Whether this process may write into a folder, or make it where it isn't there yet."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def text_of(file: Path) -> str:
    """A file's text; '' where it can't be read: what is wrong with it, Prefect says if it ever needs it."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def prefect_profiles() -> str:
    """What a user's Prefect profiles say, as text."""
    home = os.environ["PREFECT_HOME"] if os.environ.get("PREFECT_HOME") else "~/.prefect"
    return text_of(
        Path(os.environ.get("PREFECT_PROFILES_PATH") or os.path.join(os.path.expanduser(home), "profiles.toml"))
    )


def is_home(folder: Path) -> bool:
    """Whether Prefect can keep its database in a folder."""
    return can_write(folder) and all(os.access(file, os.W_OK) for file in folder.glob("prefect.db*"))


_made: str | None = None


def remove_home() -> None:
    """Remove the home made for this process, if one was."""
    if _made is not None:
        import shutil

        shutil.rmtree(_made, ignore_errors=True)


def _make_home() -> None:
    """Give Prefect a home that it can write to, where the user has none: a container's uid without a passwd entry,
    no HOME, `HOME=/`, a file system that is read-only. It is a temporary folder, and goes with this process. What is
    named in PREFECT_HOME is the user's word, and stays."""
    user = Path(os.path.expanduser("~/.prefect"))  # as it stands where there is no home: relative
    named = os.environ.get("PREFECT_HOME")
    if named:
        with suppress(OSError):  # `flows.server` says so, when it needs it
            Path(os.path.expanduser(named)).mkdir(parents=True, exist_ok=True)  # Prefect makes it without its parents
    if user.is_absolute() and (named or (user.parent.is_dir() and is_home(user))):
        return
    import atexit
    import tempfile

    global _made
    try:
        _made = made = tempfile.mkdtemp(prefix="tamis-home-")  # for this user alone
    except OSError:  # nowhere at all: `tamis --help` works, and `flows.server` says what to set
        os.environ.setdefault("HOME", "/")
        return
    atexit.register(remove_home)
    if not user.is_absolute():
        os.environ["HOME"] = made  # Prefect asks for it even where PREFECT_HOME is set
    if not named:
        os.environ["PREFECT_HOME"] = made
        if user.is_absolute() and os.access(user / "profiles.toml", os.R_OK):
            os.environ.setdefault("PREFECT_PROFILES_PATH", str(user / "profiles.toml"))


_make_home()
_own = prefect_profiles()
for _name, _value in _SETTINGS.items():
    if _name not in _own:
        os.environ.setdefault(_name, _value)
