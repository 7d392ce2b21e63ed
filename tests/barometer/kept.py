"""An analysis as `/analyze` keeps it."""

from datetime import datetime

from barometer.client.contract import KeptAnalysis, Searched, Share, TaskUncertainty, Uncertainty
from barometer.labels import EMOTIONS, SENTIMENTS

UNSURE = Uncertainty(
    method=None, note="a test's", posts=3, model_versions=[], borrowed_posts=0, uncorrected_posts=3,
    from_few_posts_pct=None, from_the_classifier_pct=None, uncertain_pct=12.5,
)  # fmt: skip


def kept(keyword: str, time: datetime) -> KeptAnalysis:
    """An analysis of three posts, all of the first emotion and the first sentiment."""
    return KeptAnalysis(
        keyword=keyword,
        limit=250,
        count=3,
        agg=shares(EMOTIONS),
        sentiment=shares(SENTIMENTS),
        searched=[Searched(source="stored", posts=3, error=None)],
        time=time,
        model_version="7",
        judged_by={"7": 2, "6": 1},
        fallback_used=False,
        uncertainty=TaskUncertainty(emotion=UNSURE, sentiment=UNSURE),
        degraded=False,
    )


def shares(labels: tuple[str, ...]) -> list[Share]:
    """The whole of it for the first label."""
    return [
        Share(
            label=label, pct=0.0 if place else 100.0, avg_score=None if place else 0.75,
            corrected_pct=None, low_pct=None, high_pct=None,
        )
        for place, label in enumerate(labels)
    ]  # fmt: skip
