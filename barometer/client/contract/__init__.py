"""What the API answers, written once: the service documents these shapes, the client returns them.

Fields that a newer service adds are left out by an older client.
"""

from barometer.client.contract.analytics import (
    Analytics,
    Comparison,
    Explanation,
    ShareLine,
    TaskShares,
    TaskUncertainty,
    Uncertainty,
)
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
from barometer.client.contract.models import (
    ModelAlert,
    ModelDetails,
    ModelJob,
    ModelJobProgress,
    ModelList,
    Promoted,
    RegisteredModel,
    Traffic,
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
    "Analytics",
    "Classified",
    "Comparison",
    "Content",
    "DriftColumn",
    "DriftList",
    "DriftReport",
    "Emotion",
    "EventList",
    "Explanation",
    "LiveMessage",
    "ModelAlert",
    "ModelDetails",
    "ModelJob",
    "ModelJobProgress",
    "ModelList",
    "PartState",
    "PostPage",
    "Prediction",
    "PredictionBatch",
    "Problem",
    "Promoted",
    "Refused",
    "RegisteredModel",
    "ScoredPost",
    "Searched",
    "Sentiment",
    "Share",
    "ShareLine",
    "SourceList",
    "SourceState",
    "Status",
    "Taken",
    "TaskShares",
    "TaskUncertainty",
    "TrackedEvent",
    "Traffic",
    "Trend",
    "TrendPoint",
    "Uncertainty",
]
