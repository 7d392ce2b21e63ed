"""MLflow in a serving process: import this first, and MLflow is imported without pandas and SciPy.

MLflow takes both along where they are installed, for logging data sets and models; its "skinny"
form runs without, and so does reading the registry, which is all that serving does. It saves 90 MB
of resident memory and half a second of each start (`python -m benchmarks.start`).
"""

import sys
from typing import Final

from barometer.tracking import prepare_mlflow

UNNEEDED: Final = ("pandas", "pyarrow", "scipy", "sklearn")

prepare_mlflow()
_hidden = [name for name in UNNEEDED if name not in sys.modules]
sys.modules.update(dict.fromkeys(_hidden))  # type: ignore[arg-type]  # None: "cannot be imported"
try:
    import mlflow  # noqa: F401
finally:
    for name in _hidden:  # whoever wants them later, such as a plot, gets them
        del sys.modules[name]
