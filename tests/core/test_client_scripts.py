"""The client scripts report an error as a sentence on stderr, a JSON object on stdout and an exit code."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

CLIENTS = Path(__file__).parents[2] / "clients"


@pytest.fixture
def closed_port():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (32, 32), "red").save(path)
    return str(path)


@pytest.fixture
def catalog(tmp_path, photo):
    path = tmp_path / "manifest.jsonl"
    path.write_text(json.dumps({"id": "p1", "path": "photo.jpg", "split": "train", "title_en": "dress"}))
    return str(path)


def run(script, *arguments):
    command = [sys.executable, str(CLIENTS / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def assert_sentence(finished):
    assert finished.stderr.startswith("error: ")
    assert finished.stderr.count("\n") == 1
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_an_unreachable_server_has_its_own_exit_code(photo, catalog, closed_port, protocol):
    connection = ("--url", closed_port, "--protocol", protocol)
    for arguments in (
        ("match.py", photo, "red dress"),
        ("search.py", "red dress"),
        ("similar.py", photo),
        ("infer.py", "product", "--image", photo, "--text", "red dress"),
    ):
        finished = run(*arguments, *connection)
        assert finished.returncode == 4
        assert finished.stdout == ""
        assert_sentence(finished)
        assert f"{protocol}://{closed_port}" in finished.stderr
        assert "trifuse serve" in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "error"),
    [
        (("match.py", "missing.jpg", "dress"), 3, "InputError"),
        (("infer.py", "product", "match"), 3, "InputError"),
        (("infer.py", "product", "embed_text", "--image", "photo.jpg"), 3, "InputError"),
        (("infer.py", "product", "--text", "@missing.txt"), 3, "InputError"),
        (("search.py",), 3, "InputError"),
        (("search.py", "dress", "--filters", "{"), 3, "InputError"),
        (("similar.py", "missing.jpg"), 3, "InputError"),
        (("index.py", "build", "missing.jsonl", "--repository", "missing"), 2, "ConfigurationError"),
        (("match.py", "missing.jpg", "dress", "--url", "nowhere"), 2, "ConfigurationError"),
    ],
)
def test_errors_are_one_sentence_and_one_json_object(arguments, exit_code, error):
    finished = run(*arguments, "--json")
    assert finished.returncode == exit_code
    assert_sentence(finished)
    reported = json.loads(finished.stdout)
    assert reported["error"]["type"] == error
    assert finished.stderr == f"error: {reported['error']['message']}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("match.py",),
        ("search.py", "dress", "--top", "0"),
        ("index.py",),
        ("index.py", "delete"),
        ("match.py", "photo.jpg", "dress", "--timeout-s", "-1"),
        ("infer.py", "weather"),
        ("infer.py", "product", "embed_sound"),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_the_usage(arguments):
    finished = run(*arguments)
    assert finished.returncode == 2
    assert finished.stderr.startswith("usage: ")


def test_the_options_of_infer_come_from_the_contract():
    text = run("infer.py", "product", "--help").stdout
    for expected in (
        "--image FILE",
        "--text TEXT",
        "--json",
        "--protocol {grpc,http}",
        "embed_image",
        "--timeout-s",
    ):
        assert expected in text
