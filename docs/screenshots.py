"""Pictures of what Prefect's UI shows of a run: its page, artifacts, tasks and the form of parameters.

    python docs/screenshots.py http://127.0.0.1:4200 FOLDER

for a server on which the flow `curate` was served and has run (docs/operations.md); with Debian's `chromium`.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

# Pixels: tall enough for what is to be seen; the form goes on with the settings.
SIZES = {"form": (1100, 2400), "version": (1100, 1300), "reasons": (1100, 1500)}


def ask(server: str, path: str, said: dict[str, Any]) -> Any:
    """What the server answers."""
    request = urllib.request.Request(
        f"{server}/api/{path}", json.dumps(said).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def pages(server: str) -> dict[str, str]:
    """The addresses of the pages, of the last run that was published."""
    published = {"sort": "START_TIME_DESC", "limit": 200, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    runs = [run for run in ask(server, "flow_runs/filter", published) if run["state"]["name"].startswith("Published")]
    run = next(run for run in runs if run["deployment_id"])
    artifacts = ask(server, "artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    of_run = {one["key"].rsplit("-", 1)[-1]: f"artifacts/artifact/{one['id']}" for one in artifacts if one["key"]}
    return {
        "run": f"runs/flow-run/{run['id']}",
        "tasks": f"runs/flow-run/{run['id']}?tab=Task%20Runs",
        **{name: of_run[name] for name in ("version", "reasons", "progress")},
        "form": f"deployments/deployment/{run['deployment_id']}/run",
        "deployment": f"deployments/deployment/{run['deployment_id']}",
    }


def main(server: str, folder: Path) -> None:
    """Take all of them."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in pages(server).items():
        width, height = SIZES.get(name, (1400, 1200))
        with tempfile.TemporaryDirectory() as profile:
            subprocess.run(
                [
                    chromium,
                    "--headless=new",
                    "--no-sandbox",
                    "--hide-scrollbars",
                    f"--user-data-dir={profile}",
                    f"--window-size={width},{height}",
                    "--virtual-time-budget=45000",
                    f"--screenshot={folder.resolve() / name}.png",
                    f"{server}/{path}",
                ],
                check=True,
                stderr=subprocess.DEVNULL,
                timeout=180,
            )
        print(folder / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), Path(sys.argv[2]))
