"""Telling never takes time: what cannot be delivered is tried again, given up in the end, and told."""

from __future__ import annotations

import http.server
import json
import socket
import socketserver
import threading
import time
from pathlib import Path

import pytest

from trifuse.errors import ConfigurationError
from trifuse.systems.surveillance.watch.outlets import Outlets, OutletSettings
from trifuse.systems.surveillance.watch.records import ALERT, PROBLEM, SUMMARY, record
from trifuse.systems.surveillance.watch.sinks.mqtt import MqttPublisher
from trifuse.systems.surveillance.watch.sinks.outbox import DeliveryError, Outbox, OutboxSettings
from trifuse.systems.surveillance.watch.sinks.webhook import Webhook

QUICK = OutboxSettings(attempts=3, first_pause_s=0.01)
SMALL = OutboxSettings(capacity=3)


class Receiver:
    """An HTTP server that keeps what is posted and answers with the statuses given, the last one for ever."""

    def __init__(self, *statuses: int, hang: bool = False) -> None:
        self.bodies: list[bytes] = []
        self.released = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                if hang:
                    receiver.released.wait(20)
                    return
                self.send_response(statuses[min(len(receiver.bodies), len(statuses)) - 1])
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/secret-path"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def alert(number: int = 1) -> dict:
    return record(ALERT, "gate", state="new", event="fight", id=str(number), score=0.912345)


class TestOutbox:
    def test_records_arrive_in_their_order(self):
        arrived: list[dict] = []
        outbox = Outbox("here", arrived.append, pytest.fail)
        for number in range(50):
            outbox.send({"number": number})
        outbox.close(5)
        assert [one["number"] for one in arrived] == list(range(50))
        assert outbox.counts["delivered"] == 50

    def test_it_is_tried_again_and_given_up_in_the_end(self):
        given_up: list[str] = []
        failures = iter([True, True, False, True, True, True])

        def deliver(_: object) -> None:
            if next(failures):
                raise DeliveryError("closed")

        outbox = Outbox("there", deliver, lambda reason, _: given_up.append(reason), QUICK)
        outbox.send({"number": 1})
        outbox.send({"number": 2})
        outbox.close(5)
        assert given_up == ["there: closed, after 3 attempts"]
        assert dict(outbox.counts) == {"delivered": 1, "retried": 4, "given_up": 1, "dropped": 0}

    def test_the_oldest_are_dropped_when_too_many_wait(self):
        arrived: list[int] = []
        busy, go_on = threading.Event(), threading.Event()

        def deliver(told: dict) -> None:
            busy.set()
            go_on.wait(10)
            arrived.append(told["number"])

        outbox = Outbox("slow", deliver, pytest.fail, SMALL)
        outbox.send({"number": 0})
        assert busy.wait(5)
        for number in range(1, 8):
            outbox.send({"number": number})
        go_on.set()
        outbox.close(5)
        assert arrived == [0, 5, 6, 7]
        assert outbox.counts["dropped"] == 4

    def test_the_end_does_not_wait_for_what_hangs(self):
        hanging = threading.Event()
        outbox = Outbox("hangs", lambda _: hanging.wait(20), pytest.fail, QUICK)
        for number in range(3):
            outbox.send({"number": number})
        began_s = time.monotonic()
        outbox.close(0.2)
        assert time.monotonic() - began_s < 2
        assert outbox.counts["dropped"] == 3
        hanging.set()


class TestWebhook:
    def test_a_record_is_posted_as_json(self):
        with Receiver(200) as receiver:
            Webhook(receiver.url)(alert())
        (body,) = receiver.bodies
        assert json.loads(body)["score"] == 0.9123

    def test_a_template_makes_any_body_and_values_cannot_break_it(self):
        template = '{"text": "$event at $camera: $score ($reason)", "id": "$id", "price": "$$5"}'
        told = alert() | {"camera": 'gate "5"\n', "id": "1"}
        body = json.loads(Webhook("http://127.0.0.1", template).body(told))
        assert body == {"text": 'fight at gate "5"\n: 0.9123 ()', "id": "1", "price": "$5"}

    @pytest.mark.parametrize("template", ["$weather", "only $ 5", "${event"])
    def test_a_template_that_cannot_be_filled_is_refused(self, template):
        with pytest.raises(ConfigurationError, match="template"):
            Webhook("http://127.0.0.1", template)

    @pytest.mark.parametrize("url", ["", "ftp://host/x", "file:///etc/passwd", "host/x", "http://"])
    def test_an_address_that_is_none_is_refused_and_not_repeated(self, url):
        with pytest.raises(ConfigurationError, match="no address"):
            Webhook(url)

    @pytest.mark.parametrize(("status", "lasting"), [(500, False), (503, False), (429, False), (404, True)])
    def test_a_refusal_is_final_unless_it_may_pass(self, status, lasting):
        with Receiver(status) as receiver, pytest.raises(DeliveryError, match=str(status)) as caught:
            Webhook(receiver.url)(alert())
        assert caught.value.lasting is lasting

    def test_one_that_hangs_is_left_after_a_time(self):
        with Receiver(hang=True) as receiver, pytest.raises(DeliveryError, match="does not answer"):
            Webhook(receiver.url, timeout_s=0.1)(alert())

    def test_one_that_is_not_there_can_be_tried_again(self):
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
        with pytest.raises(DeliveryError, match="cannot be reached") as caught:
            Webhook(f"http://127.0.0.1:{port}")(alert())
        assert not caught.value.lasting


class TestOutlets:
    def test_what_is_urgent_goes_everywhere_the_rest_into_the_lines(self, tmp_path):
        path = tmp_path / "deep" / "records.jsonl"
        with Receiver(200) as receiver:
            outlets = Outlets(OutletSettings(path, receiver.url))
            outlets(record(SUMMARY, cameras={}))
            outlets(alert())
            outlets(record(PROBLEM, "gate", problem="damaged"))
            outlets.close(5)
        assert [one["record"] for one in lines(path)] == ["summary", "alert", "problem"]
        assert [json.loads(body)["record"] for body in receiver.bodies] == ["alert"]

    def test_what_failed_twice_arrives_with_the_third_attempt(self, tmp_path):
        with Receiver(500, 503, 200) as receiver:
            outlets = Outlets(OutletSettings(tmp_path / "lines", receiver.url, delivery=QUICK))
            outlets(alert())
            outlets.close(5)
        assert len(receiver.bodies) == 3
        assert outlets.summary()["http://127.0.0.1"] == {
            "delivered": 1,
            "retried": 2,
            "given_up": 0,
            "dropped": 0,
        }

    def test_a_webhook_that_hangs_holds_up_nobody(self, tmp_path):
        path = tmp_path / "lines"
        with Receiver(hang=True) as receiver:
            outlets = Outlets(OutletSettings(path, receiver.url, delivery=QUICK))
            began_s = time.monotonic()
            for number in range(100):
                outlets(alert(number))
            assert time.monotonic() - began_s < 1
            outlets.close(0.3)
            assert time.monotonic() - began_s < 5
        assert len(lines(path)) == 100
        assert outlets.summary()["http://127.0.0.1"]["dropped"] == 100

    def test_what_is_given_up_is_told_without_the_secret(self, tmp_path):
        path = tmp_path / "lines"
        with Receiver(404) as receiver:
            outlets = Outlets(OutletSettings(path, receiver.url, delivery=QUICK))
            outlets(alert(7))
            outlets.close(5)
        problem = lines(path)[-1]
        assert (problem["record"], problem["camera"], problem["id"]) == ("problem", "gate", "7")
        assert "404" in problem["problem"]
        assert "secret" not in path.read_text() + str(outlets.summary())

    def test_lines_that_cannot_be_written_are_an_error_before_the_watch(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(ConfigurationError, match="cannot be written"):
            Outlets(OutletSettings(tmp_path / "file" / "lines"))


class Broker:
    """As much of an MQTT 3.1.1 broker as a publisher needs: takes one connection, acknowledges what comes."""

    def __init__(self) -> None:
        self.connect = b""
        self.messages: list[tuple[str, dict]] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection, connection.makefile("rb") as stream:
            while head := stream.read(1):
                body = stream.read(_length(stream))
                if head[0] >> 4 == 1:
                    self.connect = body
                    connection.sendall(b"\x20\x02\x00\x00")
                if head[0] >> 4 == 3:
                    size = int.from_bytes(body[:2], "big")
                    topic, number = body[2 : 2 + size].decode(), body[2 + size : 4 + size]
                    self.messages.append((topic, json.loads(body[4 + size :])))
                    connection.sendall(b"\x40\x02" + number)


def _length(stream) -> int:
    length = shift = 0
    while True:
        byte = stream.read(1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return length


class TestMqtt:
    def test_records_are_published_under_camera_and_event(self, tmp_path):
        broker = Broker()
        url = f"mqtt://user:s3cret@127.0.0.1:{broker.port}"
        delivery = OutboxSettings(first_pause_s=0.05)
        outlets = Outlets(OutletSettings(tmp_path / "lines", mqtt=url, delivery=delivery))
        outlets(alert())
        outlets(record("camera_silent", "hall", id="2"))
        outlets(record("server_silent", reason="gone"))
        outlets.close(5)
        assert [topic for topic, _ in broker.messages] == [
            "trifuse/gate/fight",
            "trifuse/hall/camera_silent",
            "trifuse/watch/server_silent",
        ]
        assert broker.messages[0][1]["id"] == "1"
        assert b"s3cret" in broker.connect
        assert "s3cret" not in str(outlets.summary())

    def test_without_a_broker_records_are_given_up(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
        outlets = Outlets(OutletSettings(tmp_path / "lines", mqtt=f"mqtt://127.0.0.1:{port}", delivery=QUICK))
        outlets(alert())
        outlets.close(5)
        assert "no connection" in lines(tmp_path / "lines")[-1]["problem"]

    @pytest.mark.parametrize("url", ["", "http://host", "host:1883", "mqtt://"])
    def test_an_address_that_is_none_is_refused(self, url):
        with pytest.raises(ConfigurationError, match="no address"):
            MqttPublisher(url)
