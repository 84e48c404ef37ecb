"""What the comparison with other servers makes of answers and figures."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from email.parser import BytesParser
from pathlib import Path

import numpy as np
import pytest
from benchmarks.peers.agreement import check_agreement, check_sane, difference
from benchmarks.peers.calling import ENCODERS, form_request, read_answer
from benchmarks.peers.lines import BOUND, OURS, PEERS
from benchmarks.peers.loading import measure, window
from benchmarks.peers.payloads import payload_of, write_payloads
from benchmarks.peers.results import clients_within, compare
from benchmarks.peers.servers.in_process import read_items
from benchmarks.peers.servers.settings import Settings
from benchmarks.peers.tuning import best, settings, tuned

from trifuse.catalog import Item
from trifuse.errors import ServerError
from trifuse.systems import contract

PAYLOAD = {"image": b"\xff\xd8\r\n--photo", "text": "红色".encode()}
FOLDER = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "peers"


def figure(per_second: float, p50: float, p99: float) -> dict[str, float]:
    return {"per_second": per_second, "p50": p50, "p99": p99}


FIGURES = {
    OURS: {
        1: [figure(100, 10, 12), figure(110, 9, 12)],
        4: [figure(200, 20, 30), figure(240, 20, 30)],
        8: [figure(190, 40, 60), figure(200, 40, 60)],
    },
    "quick": {
        1: [figure(50, 20, 25), figure(55, 18, 25)],
        4: [figure(100, 40, 50), figure(100, 40, 50)],
        8: [figure(160, 40, 70), figure(160, 40, 70)],
    },
    "slow": {1: [figure(1, 900, 999), figure(0, 900, 999)]},
    BOUND: {1: [figure(150, 7, 9), figure(150, 7, 9)], 8: [figure(250, 30, 40), figure(240, 30, 40)]},
}


def test_ratios_are_those_of_the_same_round() -> None:
    found = compare(FIGURES)
    assert found["quick"]["latency"] == {"median": 2.0, "low": 2.0, "high": 2.0}
    assert found["quick"]["throughput"] == {"median": 1.375, "low": 1.25, "high": 1.5}
    assert found[BOUND]["added_ms"] == {"median": 2.5, "low": 2.0, "high": 3.0}
    assert found[BOUND]["throughput"]["low"] == 0.8
    assert OURS not in found


def test_equal_p99_takes_the_most_that_the_other_reaches_within_ours() -> None:
    assert clients_within(FIGURES["quick"], 30) == 1
    assert clients_within(FIGURES["quick"], 70) == 8
    found = compare(FIGURES)
    assert found["quick"]["throughput_at_equal_p99"]["low"] == 4.0
    assert found["slow"]["throughput_at_equal_p99"] is None


def test_a_round_without_an_answer_has_no_ratio() -> None:
    assert compare(FIGURES)["slow"]["throughput"] == {"median": 200.0, "low": 200.0, "high": 200.0}


def test_a_call_counts_when_it_ends_in_the_window() -> None:
    calls = [(0.9, 0.5), (1.1, 1.0), (2.9, 2.0), (3.1, 0.1)]
    found = window(calls, begin_s=1.0, seconds=2.0)
    assert found["per_second"] == 1.0
    assert found["p50"] == 1500.0


def test_a_window_that_no_call_ended_in_keeps_the_latencies() -> None:
    found = window([(9.0, 8.0)], begin_s=1.0, seconds=2.0)
    assert (found["per_second"], found["p50"]) == (0.0, 8000.0)


def test_a_call_that_fails_ends_the_measurement() -> None:
    def call(number: int) -> None:
        if number % 2:
            raise ServerError("refused")

    with pytest.raises(ServerError, match="failed under load"):
        measure(call, clients=2, seconds=0.05, warm_up_s=0.0, processes=[])


def test_answers_that_differ_are_refused() -> None:
    expected = [{"score": np.array([0.5]), "vector": np.array([1.0, 2.0])}]
    near = [{"score": np.array([0.5005]), "vector": np.array([1.0, 2.0])}]
    assert check_agreement("near", near, expected) == pytest.approx(5e-4)
    with pytest.raises(ServerError, match="far gives other answers"):
        check_agreement("far", [{**expected[0], "vector": np.array([1.0, 2.1])}], expected)
    with pytest.raises(ServerError):
        check_agreement("nan", [{**expected[0], "score": np.array([np.nan])}], expected)
    assert difference({"score": np.array([0.5])}, expected[0]) == math.inf
    assert difference({**expected[0], "vector": np.array([1.0])}, expected[0]) == math.inf


def test_other_weights_must_give_the_same_shapes_and_finite_numbers() -> None:
    expected = [{"score": np.array([0.5])}]
    check_sane("other", [{"score": np.array([0.1])}], expected)
    for wrong in ({"score": np.array([np.inf])}, {"score": np.array([0.1, 0.2])}, {}):
        with pytest.raises(ServerError, match="gives no such answers"):
            check_sane("wrong", [wrong], expected)


def test_a_form_carries_the_bytes_as_they_are() -> None:
    body, headers = form_request(PAYLOAD)
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    image, text = BytesParser().parsebytes(head + body).get_payload()
    assert image.get_param("name", header="content-disposition") == "image"
    assert image.get_filename() == "image"
    assert image.get_payload(decode=True) == PAYLOAD["image"]
    assert text.get_filename() is None
    assert text.get_payload(decode=True) == PAYLOAD["text"]


def test_every_encoding_is_read_back_to_the_same_answer() -> None:
    outputs = {"score": [0.25], "vector": [1.0, 2.0]}
    v2 = [{"name": name, "shape": [1, len(data)], "data": data} for name, data in outputs.items()]
    for encoding, content in (("json", outputs), ("items", [outputs]), ("v2", {"outputs": v2})):
        found = read_answer(encoding, json.dumps(content).encode())
        assert {name: values.tolist() for name, values in found.items()} == outputs


def test_all_encodings_send_all_inputs() -> None:
    for encoding, encode in ENCODERS.items():
        body, _ = encode(PAYLOAD)
        assert all(name.encode() in body for name in PAYLOAD), encoding


def test_payloads_pass_to_another_process(tmp_path: Path) -> None:
    write_payloads([PAYLOAD], tmp_path / "payloads.json")
    assert read_items(tmp_path / "payloads.json") == [PAYLOAD]


def test_a_title_travels_only_where_the_ensemble_must_have_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"media")
    item = Item("1", tmp_path / "file", "train", title_zh="红色")
    match = contract("product", "smoke").ensemble("match")
    clip = contract("surveillance", "smoke").ensemble("clip")
    assert payload_of(item, match) == {"image": b"media", "text": "红色".encode()}
    assert payload_of(item, clip) == {"clip": b"media"}


def test_settings_pass_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Settings(Path("models"), "product_match", 8080, 2, 1, 8, 2.5)
    for name, value in known.variables().items():
        monkeypatch.setenv(name, value)
    assert Settings.read() == known


def test_tuning_keeps_what_answers_most(tmp_path: Path) -> None:
    peer = PEERS[-1]
    tried = list(settings(peer))
    assert {one.max_batch for one in tried} == {1, peer.max_batch}
    chosen = best([(tried[0], 5.0), (tried[1], 9.0), (tried[2], 7.0)])
    (tmp_path / "some_model.tuned.json").write_text(json.dumps(chosen), encoding="utf-8")
    assert tuned("some_model", tmp_path)[-1] == tried[1]
    assert tuned("another_model", tmp_path) == list(PEERS)
    assert replace(tried[1], workers=99) not in tuned("some_model", tmp_path)


@pytest.mark.parametrize("peer", [peer.name for peer in PEERS])
def test_every_peer_has_a_hashed_lock_without_addresses(peer: str) -> None:
    lines = (FOLDER / "locks" / f"{peer}.txt").read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if not line.startswith(" ")]
    assert packages
    assert all("==" in line and line.endswith("\\") for line in packages)
    assert not any("://" in line for line in lines)
    bounds = (FOLDER / f"requirements-{peer}.txt").read_text(encoding="utf-8").splitlines()
    named = {line.split(">=")[0].split("[")[0] for line in bounds if ">=" in line}
    assert named <= {line.split("==")[0] for line in packages}
