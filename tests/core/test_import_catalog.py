"""What every importer of product data does: refuse, keep, replace, report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.published import (
    abo,
    article,
    by_id,
    hm,
    import_catalog,
    judged,
    listing,
    marqo_gs,
    muge,
    named,
    photo,
    put,
    words,
)
from trifuse.catalog import read_catalog
from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.importing import import_data, sources, systems

SCRIPT = Path(__file__).parents[2] / "build" / "import_data.py"


def test_the_importers_are_found_by_name():
    assert "product" in systems()
    assert sources("product") == ("abo", "hm", "marqo_gs", "muge")
    with pytest.raises(ConfigurationError, match="marqo_gs"):
        import_catalog("shared", Path(), Path())
    with pytest.raises(ConfigurationError, match="product"):
        import_data("importers", "hm", Path(), Path())


SAMPLES = {
    "hm": lambda folder: hm(folder, [article("0108775015")]),
    "abo": lambda folder: abo(folder, [listing("B1", named(en_US="Sofa"), "AAimg")]),
    "muge": lambda folder: muge(
        folder, ({1: photo(1)}, [words(1, "包", 1)]), ({2: photo(2)}, [words(2, "裙", 2)])
    ),
    "marqo_gs": lambda folder: marqo_gs(folder, {(0, 0): [judged("hat", "1", "Hat", "a.webp", 100)]}),
}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("hm", "articles.csv"),
        ("hm", "transactions_train.csv"),
        ("abo", "images/metadata/images.csv.gz"),
        ("abo", "listings/metadata/listings_0.json.gz"),
        ("muge", "valid_texts.jsonl"),
        ("marqo_gs", "query_1_product_id_0.csv"),
    ],
)
def test_a_missing_file_is_named_and_an_earlier_catalogue_is_kept(tmp_path, source, name):
    folder = SAMPLES[source](tmp_path / "data")
    manifest = import_catalog(source, folder, tmp_path / "out").manifest
    before = manifest.read_text()
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match="as it is published") as caught:
        import_catalog(source, folder, tmp_path / "out")
    assert Path(name).name.replace("_0.json", "_*.json") in str(caught.value)
    assert manifest.read_text() == before


@pytest.mark.parametrize("source", SAMPLES)
def test_a_second_import_gives_the_same_catalogue(tmp_path, source):
    folder = SAMPLES[source](tmp_path / "data")
    texts = {import_catalog(source, folder, tmp_path / "out").manifest.read_text() for _ in range(2)}
    assert len(texts) == 1


@pytest.mark.parametrize("source", ["hm", "marqo_gs"])
def test_a_table_without_a_published_column_is_refused(tmp_path, source):
    folder = SAMPLES[source](tmp_path / "data")
    path = folder / {"hm": "articles.csv", "marqo_gs": "query_0_product_id_0.csv"}[source]
    column = {"hm": "colour_group_name", "marqo_gs": "image_local"}[source]
    put(path, path.read_bytes().replace(column.encode(), b"something_else"))
    with pytest.raises(ArtifactError, match=f"no column {column}"):
        import_catalog(source, folder, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_nothing_to_import_is_an_error_that_says_why(tmp_path):
    source = hm(tmp_path / "hm", [article("0108775015")], without_photo={"0108775015"})
    with pytest.raises(ArtifactError, match="a photo that is missing"):
        import_catalog("hm", source, tmp_path / "out")
    assert not (tmp_path / "out/manifest.jsonl").exists()


def test_another_catalogue_is_not_overwritten(tmp_path):
    import_catalog("hm", SAMPLES["hm"](tmp_path / "hm"), tmp_path / "out")
    with pytest.raises(ConfigurationError, match="another catalogue"):
        import_catalog("muge", SAMPLES["muge"](tmp_path / "muge"), tmp_path / "out")
    assert set(by_id(import_catalog("hm", tmp_path / "hm", tmp_path / "out"))) == {"0108775015"}


def test_what_a_killed_import_left_is_removed_and_nothing_else(tmp_path):
    source = SAMPLES["hm"](tmp_path / "hm")
    for name in (".manifest.jsonl.a1b2", ".transactions.csv.a1b2", ".env.local.txt"):
        put(tmp_path / "out" / name, "text")
    import_catalog("hm", source, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"manifest.jsonl", "transactions.csv", ".env.local.txt"}


def test_the_script_prints_the_manifest_and_says_what_was_left_out(tmp_path):
    source = hm(tmp_path / "hm", [article("0108775015"), article("0200000001")], without_photo={"0200000001"})
    command = [sys.executable, str(SCRIPT), "product", "hm", str(source), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    manifest = Path(done.stdout.strip())
    assert [item.id for item in read_catalog(manifest)] == ["0108775015"]
    assert "1 left out: a photo that is missing" in done.stderr
    (source / "articles.csv").unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ArtifactError.exit_code
    assert "got no articles.csv" in done.stderr
    assert "Traceback" not in done.stderr
