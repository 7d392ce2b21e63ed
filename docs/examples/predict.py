"""Say what people feel, line by line: a small program on Barometer's client.

    python docs/examples/predict.py [ADDRESS] < lines.txt

Lines go to the service a hundred at a time. A key, where the service wants one, comes from the
environment variable API_KEY.
"""

import os
import sys

from barometer.client import Client
from barometer.errors import BarometerError


def main() -> None:
    """Classify the lines of standard input; one line of output for each."""
    lines = [line.strip() for line in sys.stdin if line.strip()]
    with Client(*sys.argv[1:2], api_key=os.environ.get("API_KEY")) as client:
        for start in range(0, len(lines), 100):
            texts = lines[start : start + 100]
            answer = client.predict_batch(texts)
            for text, said in zip(texts, answer.results, strict=True):
                confidence = said.confidence or 0.0
                print(f"{said.emotion or '-':>8} {confidence:4.0%}  {said.sentiment:>8}  {text}")


if __name__ == "__main__":
    try:
        main()
    except BarometerError as error:
        sys.exit(f"error: {error}")
