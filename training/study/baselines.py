"""What a model must beat: the most frequent class, and words counted and weighed."""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from training.data import Rows
from training.study.intervals import Labels


def majority(train: Rows, rows: Rows) -> Labels:
    """(n,) the most frequent label of `train`, for every one of the n `rows`."""
    return np.full(len(rows), np.bincount(train.labels).argmax())


def tfidf(train: Rows, rows: Rows) -> Labels:
    """(n,) labels of a logistic regression on TF-IDF of single words, fitted on `train`.

    Its settings are those that did best on the public validation rows of both tasks, among C of 1,
    3 and 10, balanced classes or not, with and without word pairs: a fair opponent, not a weak one.
    """
    words = TfidfVectorizer(sublinear_tf=True, min_df=min(2, len(train)))
    head = LogisticRegression(C=3, class_weight="balanced", max_iter=1000)
    labels: Labels = make_pipeline(words, head).fit(train.texts, train.labels).predict(rows.texts)
    return labels


BASELINES = {"majority class": majority, "TF-IDF + logistic regression": tfidf}
"""Name: (train rows, rows to label) -> labels."""
