"""Drift of the live window against a reference, by Evidently: its page, and the figures."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

from monitoring.columns import CATEGORICAL, COLUMNS, NUMERICAL

TESTS = {"categorical": "jensenshannon", "numerical": "wasserstein"}
"""Distances, not p-values: with thousands of posts any difference is significant. Wasserstein is
normed by the reference's standard deviation. Both read alike: 0 is the same, 0.1 is Evidently's
own threshold."""
THRESHOLD = 0.1
DRIFT_SHARE = 0.5
"""Share of drifted columns from which the window counts as drifted."""


@dataclass(frozen=True)
class Drift:
    """What one comparison found."""

    columns: dict[str, dict[str, Any]]
    """A column's `test`, `score`, `threshold` and `drifted`."""
    drifted: bool


def compare(current: pd.DataFrame, reference: pd.DataFrame, page: Path) -> Drift:
    """Compare two windows and write Evidently's page to `page`, its JSON beside it.

    A column that is empty in either window is left out: one of the models lacks that task.
    """
    told = [c for c in COLUMNS if current[c].notna().any() and reference[c].notna().any()]
    definition = DataDefinition(
        categorical_columns=[c for c in CATEGORICAL if c in told],
        numerical_columns=[c for c in NUMERICAL if c in told],
    )
    preset = DataDriftPreset(
        cat_method=TESTS["categorical"],
        num_method=TESTS["numerical"],
        cat_threshold=THRESHOLD,
        num_threshold=THRESHOLD,
        drift_share=DRIFT_SHARE,
    )
    snapshot = Report([preset]).run(
        Dataset.from_pandas(current[told], definition),
        Dataset.from_pandas(reference[told], definition),
    )
    page.parent.mkdir(parents=True, exist_ok=True)
    snapshot.save_html(str(page))
    snapshot.save_json(str(page.with_suffix(".json")))
    columns = {
        metric["config"]["column"]: {
            "test": metric["config"]["method"],
            "score": round(float(metric["value"]), 4),
            "threshold": metric["config"]["threshold"],
            "drifted": float(metric["value"]) >= metric["config"]["threshold"],
        }
        for metric in snapshot.dict()["metrics"]
        if re.search(r"ValueDrift$", metric["config"]["type"])
    }
    drifted = sum(column["drifted"] for column in columns.values()) >= DRIFT_SHARE * len(columns)
    return Drift(columns, drifted)
