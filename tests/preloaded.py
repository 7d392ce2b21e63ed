"""What the server process of `tests.command_line` imports before it is forked; starts nothing."""
# ruff: noqa: F401

import os

os.environ["COLUMNS"] = "120"  # the console's width is read when it is imported
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import mlflow.store.tracking.sqlalchemy_store
import sklearn.linear_model

import barometer.entry
import inference.classifier
import ingestion.command
import monitoring.command
import training.commands
import training.evaluate
import training.register
