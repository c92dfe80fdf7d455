"""How often a service may be asked."""

import time
from collections import deque
from collections.abc import Callable


class RateLimiter:
    """At most `count` requests in any `seconds`; `wait` sleeps until one more is allowed."""

    def __init__(
        self,
        count: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._seconds, self._clock, self._sleep = seconds, clock, sleep
        self._times: deque[float] = deque(maxlen=count)

    def wait(self) -> None:
        """Sleep as long as must be, and count one request."""
        if len(self._times) == self._times.maxlen:
            self._sleep(max(0.0, self._times[0] + self._seconds - self._clock()))
        self._times.append(self._clock())
