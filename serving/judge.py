"""The model's probabilities as judgements."""

from collections.abc import Sequence

from barometer.labels import EMOTIONS, SENTIMENTS
from barometer.posts import Judgement
from inference.registry import LoadedModel


def judge(model: LoadedModel, texts: Sequence[str]) -> list[Judgement]:
    """What `model` says of each text; probabilities to six places, summing to 1."""
    scores = model.classifier.score(texts)
    judgements = []
    for emotions, sentiments in zip(scores.emotions, scores.sentiments, strict=True):
        emotion, sentiment = int(emotions.argmax()), int(sentiments.argmax())
        judgements.append(
            Judgement(
                emotion=EMOTIONS[emotion],
                confidence=round(float(emotions[emotion]), 6),
                emotions={n: round(float(p), 6) for n, p in zip(EMOTIONS, emotions, strict=True)},
                sentiment=SENTIMENTS[sentiment],
                sentiment_confidence=round(float(sentiments[sentiment]), 6),
                sentiments={
                    n: round(float(p), 6) for n, p in zip(SENTIMENTS, sentiments, strict=True)
                },
                model_version=model.version,
            )
        )
    return judgements
