"""Latencies in a High Dynamic Range histogram, which keeps the tail without keeping every value."""

from __future__ import annotations

import threading

from hdrh.histogram import HdrHistogram

PERCENTILES = (50, 90, 95, 99)
# From a microsecond to ten minutes, three digits. Source: http://hdrhistogram.org/.
_LEAST_US, _MOST_US, _DIGITS = 1, 600_000_000, 3


class Latencies:
    """Collects latencies from several threads."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(_LEAST_US, _MOST_US, _DIGITS)
        self._lock = threading.Lock()

    def add(self, latency_s: float) -> None:
        """Take one latency."""
        with self._lock:
            self._histogram.record_value(max(_LEAST_US, round(latency_s * 1e6)))

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._histogram.get_total_count())

    def summary_ms(self) -> dict[str, float]:
        """Tell the percentiles and the maximum, in milliseconds."""
        found = {
            f"p{percentile}": self._histogram.get_value_at_percentile(percentile) / 1000
            for percentile in PERCENTILES
        }
        return found | {"max": self._histogram.get_max_value() / 1000}
