"""A typed client of Barometer's HTTP API, sync and async.

```python
from barometer.client import Client

with Client("http://127.0.0.1:3000") as client:
    print(client.predict("i am so happy that the night bus stays").emotion)
```

Errors are those of `barometer.errors`, as the service raised them.
"""

from barometer.client.asynchronous import AsyncClient
from barometer.client.synchronous import Client

__all__ = ["AsyncClient", "Client"]
