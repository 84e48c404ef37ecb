"""All the places that a record goes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trifuse.systems.surveillance.watch.records import PROBLEM, URGENT, Record, record
from trifuse.systems.surveillance.watch.sinks.json_lines import JsonLines
from trifuse.systems.surveillance.watch.sinks.mqtt import MqttPublisher
from trifuse.systems.surveillance.watch.sinks.outbox import Outbox, OutboxSettings
from trifuse.systems.surveillance.watch.sinks.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class OutletSettings:
    """Where records go: JSON lines to a file, else to standard output; what is urgent also elsewhere.

    `webhook_body` is the text of a template. Addresses may hold secrets, which no record shows.
    """

    lines: Path | None = None
    webhook: str | None = None
    webhook_body: str | None = None
    mqtt: str | None = None
    delivery: OutboxSettings = field(default_factory=OutboxSettings)


class Outlets:
    """Tells everybody, at once. Raises ConfigurationError for addresses that are none."""

    def __init__(self, settings: OutletSettings) -> None:
        webhook = Webhook(settings.webhook, settings.webhook_body) if settings.webhook else None
        self._mqtt = MqttPublisher(settings.mqtt) if settings.mqtt else None
        self._lines = Outbox("lines", JsonLines(settings.lines), _say_nothing, settings.delivery)
        self._urgent: list[Outbox] = []
        for sink in (webhook, self._mqtt):
            if sink:
                self._urgent.append(_remote(sink, sink.shown, self._lines, settings.delivery))

    def __call__(self, told: Record) -> None:
        """Send a record to whoever wants it."""
        self._lines.send(told)
        if told["record"] in URGENT:
            for outbox in self._urgent:
                outbox.send(told)

    def close(self, timeout_s: float) -> None:
        """Deliver what waits, within a time for each; last of all the lines, which tell what was given up."""
        for outbox in self._urgent:
            outbox.close(timeout_s)
        if self._mqtt:
            self._mqtt.close()
        self._lines.close(timeout_s)

    def summary(self) -> dict[str, Any]:
        """Count what was delivered, retried, given up and dropped, by place."""
        return {outbox.name: dict(outbox.counts) for outbox in (self._lines, *self._urgent)}


def _remote(sink: Callable[[Record], None], name: str, lines: Outbox, delivery: OutboxSettings) -> Outbox:
    def give_up(reason: str, lost: Record) -> None:
        lost_id = lost.get("id")
        lines.send(record(PROBLEM, lost.get("camera"), problem=f"not delivered to {reason}", id=lost_id))

    return Outbox(name, sink, give_up, delivery)


def _say_nothing(reason: str, lost: Record) -> None:
    """Without the lines there is nowhere to say it; the summary counts it."""
