"""Records as MQTT messages: trifuse/<camera>/<event>."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from trifuse.errors import ConfigurationError
from trifuse.systems.surveillance.watch.records import topic
from trifuse.systems.surveillance.watch.sinks.outbox import DeliveryError

if TYPE_CHECKING:
    from trifuse.systems.surveillance.watch.records import Record

ROOT = "trifuse"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_AT_LEAST_ONCE = 1
# The watch itself speaks under this name.
_NO_CAMERA = "watch"


class MqttPublisher:
    """Publishes to mqtt[s]://[user:password@]host[:port], at least once; paho's thread keeps the connection.

    Raises ConfigurationError for an address that is none.
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigurationError(
                "the MQTT broker has no address", expected="mqtt://[user:password@]host[:port]"
            )
        self._timeout_s = timeout_s
        self.shown = f"{parts.scheme}://{parts.hostname}"
        self._client = Client(CallbackAPIVersion.VERSION2)
        if parts.username is not None:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            self._client.tls_set()
        self._client.connect_async(parts.hostname, parts.port or _PORTS[parts.scheme])
        self._client.loop_start()

    def __call__(self, record: Record) -> None:
        """Publish a record and wait until the broker has it. Raises DeliveryError."""
        if not self._client.is_connected():
            raise DeliveryError("there is no connection")
        name = f"{ROOT}/{record.get('camera', _NO_CAMERA)}/{topic(record)}"
        try:
            message = self._client.publish(name, json.dumps(record, ensure_ascii=False), _AT_LEAST_ONCE)
            message.wait_for_publish(self._timeout_s)
        except (ValueError, RuntimeError) as error:
            raise DeliveryError(str(error)) from error
        if not message.is_published():
            raise DeliveryError("it does not acknowledge")

    def close(self) -> None:
        """Say goodbye and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()
