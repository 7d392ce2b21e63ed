"""From labelled rows to a registered model."""

import os

# Read by the Hugging Face libraries when they are first imported: they must not phone home (local
# files would be counted too), and what they cannot reach is said once, by the error that names the
# setting.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
os.environ.setdefault("HF_HUB_VERBOSITY", "critical")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it warns of every fresh head
