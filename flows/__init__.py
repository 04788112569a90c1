"""How it runs: the only Prefect, the only disk.

Settings of Prefect's are made here, before anything can import it; a user's own, in the environment or in a Prefect
profile, win.
"""

import os
from pathlib import Path

_SETTINGS = {
    # No telemetry: privacy, machines without a network, and it is what fills a first run with errors.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # The embedded server needs 9-24 s to start on two cores; the default gives up after 20.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
}


def prefect_profiles() -> str:
    """What a user's Prefect profiles say, as text."""
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml"))
    return profiles.read_text(encoding="utf-8") if profiles.is_file() else ""


_own = prefect_profiles()
for _name, _value in _SETTINGS.items():
    if _name not in _own:
        os.environ.setdefault(_name, _value)
