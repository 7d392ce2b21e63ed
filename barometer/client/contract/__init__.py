"""What the API answers, written once: the service documents these shapes, the client returns them.

Fields that a newer service adds are left out by an older client.
"""

from barometer.client.contract.content import (
    Content,
    Problem,
)
from barometer.client.contract.events import (
    EventList,
    LiveMessage,
    PostPage,
    Refused,
    ScoredPost,
    Taken,
    TrackedEvent,
    Trend,
    TrendPoint,
)
from barometer.client.contract.mood import (
    Analysis,
    Classified,
    Emotion,
    Prediction,
    PredictionBatch,
    Searched,
    Sentiment,
    Share,
)
from barometer.client.contract.system import (
    DriftColumn,
    DriftList,
    DriftReport,
    PartState,
    SourceList,
    SourceState,
    Status,
)

__all__ = [
    "Analysis",
    "Classified",
    "Content",
    "DriftColumn",
    "DriftList",
    "DriftReport",
    "Emotion",
    "EventList",
    "LiveMessage",
    "PartState",
    "PostPage",
    "Prediction",
    "PredictionBatch",
    "Problem",
    "Refused",
    "ScoredPost",
    "Searched",
    "Sentiment",
    "Share",
    "SourceList",
    "SourceState",
    "Status",
    "Taken",
    "TrackedEvent",
    "Trend",
    "TrendPoint",
]
