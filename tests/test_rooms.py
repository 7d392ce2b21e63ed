"""The design's rooms: who may import whom, and what only `training` brings in."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

from barometer.settings import REPOSITORY

ROOMS = ("barometer", "inference", "ingestion", "monitoring", "serving", "flows")
HEAVY = ("torch", "transformers", "ray", "optimum", "datasets")
PROBE = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""


def modules() -> list[str]:
    return [
        module.name
        for room in ROOMS
        for module in pkgutil.walk_packages([str(REPOSITORY / room)], f"{room}.")
        if "migrations" not in module.name and not module.name.endswith("__main__")
    ]


def test_import_table_holds() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run(
        [sys.executable, str(linter)], check=False, cwd=REPOSITORY, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


def test_nothing_but_training_brings_in_torch_transformers_or_ray() -> None:
    assert len(modules()) > 40
    result = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(modules()), json.dumps(HEAVY)],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(result.stdout.splitlines()[-1]) == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True
    ).stdout.decode()
    suffixes = (".py", ".toml", ".yaml", ".yml", ".md", ".lock", ".js", ".html", ".json", "")
    for name in filter(None, listed.split("\0")):
        path = REPOSITORY / name
        if path.suffix in suffixes and path != Path(__file__) and path.is_file():
            text = path.read_text(encoding="utf-8", errors="ignore")
            for forbidden in ("/work/", "/root/", "pypi.org", "registry.npmjs", "deb.debian"):
                assert forbidden not in text, f"{name} names {forbidden}"
