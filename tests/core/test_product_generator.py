"""The generated shop: real photos, honest titles, a split without leaks, and runs that can be stopped."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from trifuse.errors import ConfigurationError
from trifuse.systems.product.catalogue import products
from trifuse.systems.product.generator import DEFAULT_ITEMS, generate
from trifuse.systems.product.rendering.photo import CUTS, DYES, Look, render
from trifuse.systems.product.titles import CATEGORIES, COLOURS, PATTERNS, STYLES

ITEMS = 120
SCRIPT = Path(__file__).parents[2] / "build" / "generate.py"
TEXT_KEYS = [
    "id",
    "path",
    "title_zh",
    "title_en",
    "product_id",
    "category",
    "category_zh",
    "colour",
    "colour_zh",
    "pattern",
    "style",
    "split",
]
KEYS = dict.fromkeys(TEXT_KEYS, str) | {"price": float, "in_stock": bool}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("shop"), items=ITEMS, seed=3, workers=2)


@pytest.fixture(scope="module")
def rows(shop):
    return read(shop)


def read(manifest):
    return [json.loads(line) for line in manifest.read_text().splitlines()]


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def picture(look, seed=5):
    image = render(look, np.random.default_rng(seed), np.random.default_rng([seed, 1]))
    return np.asarray(image, dtype=np.float32)


def test_every_row_has_the_documented_columns(rows):
    assert len(rows) == ITEMS
    assert len({row["id"] for row in rows}) == ITEMS
    for row in rows:
        assert {key: type(value) for key, value in row.items()} == KEYS
        assert row["path"] == f"images/{row['id']}.jpg"
        assert CATEGORIES[row["category"]] == row["category_zh"]
        assert COLOURS[row["colour"]] == row["colour_zh"]
        assert row["pattern"] in PATTERNS
        assert row["style"] in STYLES
        assert row["price"] > 0


def test_titles_name_what_the_product_is(rows):
    for row in rows:
        for name in (row["category"], row["colour"], row["style"]):
            assert name in row["title_en"]
        for name in (row["category_zh"], row["colour_zh"], STYLES[row["style"]]):
            assert name in row["title_zh"]
        if row["pattern"] != "solid":
            assert row["pattern"] in row["title_en"]
            assert PATTERNS[row["pattern"]] in row["title_zh"]


def test_the_plain_wording_is_the_most_frequent_and_not_the_only_one():
    simple = Look("dress", "white", "solid", "simple")
    titles = [p for p in islice(products(0), 2000) if p.look == simple]
    chinese, english = [p.title_zh for p in titles], [p.title_en for p in titles]
    assert max(set(chinese), key=chinese.count) == "简约白色连衣裙"
    assert max(set(english), key=english.count) == "simple white dress"
    assert {"白色简约连衣裙", "简约风白色连衣裙"} <= set(chinese)
    assert {"white simple dress", "a simple dress in white"} <= set(english)


def test_photos_are_jpeg_files_of_varied_shape_and_orientation(shop, rows):
    shapes, tags = set(), set()
    for row in rows:
        with Image.open(shop.parent / row["path"]) as image:
            assert image.format == "JPEG"
            image.load()
            assert 192 <= min(image.size) <= 320
            shapes.add(image.size)
            tags.add(image.getexif().get(0x0112, 1))
    assert len(shapes) > ITEMS // 4
    assert {1, 6} <= tags <= {1, 3, 6, 8}


def test_the_orientation_tag_turns_a_stored_photo_upright(shop, rows):
    for row in rows:
        with Image.open(shop.parent / row["path"]) as image:
            if image.getexif().get(0x0112, 1) != 1:
                upright = ImageOps.exif_transpose(image)
                rendered = rendered_photo(row)
                assert upright.size == rendered.size
                assert np.abs(np.subtract(upright, rendered, dtype=np.float32)).mean() < 8
                return
    pytest.fail("no photo has an orientation tag")


def rendered_photo(row):
    index, view = int(row["product_id"][1:]), int(row["id"].rsplit("-", 1)[1]) - 1
    look = Look(row["category"], row["colour"], row["pattern"], row["style"])
    return render(look, np.random.default_rng([3, index, 1]), np.random.default_rng([3, index, 2, view]))


def test_photos_of_one_product_share_title_and_split(rows):
    by_product = defaultdict(list)
    for row in rows:
        by_product[row["product_id"]].append(row)
    assert any(len(group) == 2 for group in by_product.values())
    for group in by_product.values():
        assert len({(row["title_zh"], row["title_en"], row["split"], row["price"]) for row in group}) == 1


@pytest.mark.parametrize("seed", range(4))
def test_validation_is_a_share_of_the_products_with_enough_simple_white_dresses(seed):
    shop = list(islice(products(seed), DEFAULT_ITEMS * 5 // 6))
    validation = [product for product in shop if product.split == "validation"]
    wanted = Look("dress", "white", "solid", "simple")
    assert 0.13 < len(validation) / len(shop) < 0.17
    assert sum(product.look == wanted for product in validation) >= 12


def test_a_seed_gives_the_same_files_whatever_the_number_of_workers(shop, tmp_path):
    again = generate(tmp_path, items=ITEMS, seed=3, workers=1)
    assert digests(again.parent) == digests(shop.parent)


def test_another_seed_replaces_the_photos(tmp_path):
    rows = read(generate(tmp_path, items=6, seed=1, workers=1))
    before = digests(tmp_path)
    for row in read(generate(tmp_path, items=6, seed=2, workers=1)):
        assert digests(tmp_path)[row["path"]] not in before.values()
    assert rows == read(generate(tmp_path, items=6, seed=1, workers=1))
    assert all(digests(tmp_path)[path] == digest for path, digest in before.items())


def test_a_second_run_makes_only_what_is_missing(tmp_path):
    manifest = generate(tmp_path, items=12, seed=4, workers=1)
    before = digests(tmp_path)
    paths = sorted((tmp_path / "images").glob("*.jpg"))
    kept = {path: path.stat().st_mtime_ns for path in paths[4:]}
    for path in paths[:3]:
        path.unlink()
    paths[3].write_bytes(b"not a photo")
    (tmp_path / "images" / f".{paths[0].name}.x1y2").write_bytes(b"left by a killed run")
    manifest.unlink()
    generate(tmp_path, items=12, seed=4, workers=1)
    assert digests(tmp_path) == before
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_killed_run_leaves_whole_photos_and_no_manifest(tmp_path):
    command = [sys.executable, str(SCRIPT), "product", "--output", str(tmp_path), "--items", "600"]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while process.poll() is None and len(list(tmp_path.glob("images/*.jpg"))) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    photos = list(tmp_path.glob("images/*.jpg"))
    assert 5 <= len(photos) < 600
    assert not (tmp_path / "manifest.jsonl").exists()
    for path in photos:
        with Image.open(path) as image:
            image.load()


@pytest.mark.parametrize("category", CUTS)
def test_each_style_and_pattern_shows_on_each_category(category):
    plain = picture(Look(category, "blue", "solid", "simple"))
    looks = [Look(category, "blue", "solid", style) for style in STYLES if style != "simple"]
    looks += [Look(category, "blue", pattern, "simple") for pattern in PATTERNS if pattern != "solid"]
    for look in looks:
        changed = np.abs(picture(look) - plain).max(axis=2) > 40
        assert changed.mean() > 0.004, look


@pytest.mark.parametrize("colour", DYES)
def test_a_garment_has_the_colour_that_its_title_says(colour):
    photo = picture(Look("skirt", colour, "solid", "simple"), seed=8)
    height, width = photo.shape[:2]
    centre = np.median(photo[height * 2 // 5 : height * 3 // 5, width * 2 // 5 : width * 3 // 5], axis=(0, 1))
    nearest = min(DYES, key=lambda name: float(np.linalg.norm(centre - np.array(DYES[name]))))
    assert nearest == colour


def test_the_script_reports_what_is_wrong_with_its_arguments(tmp_path):
    command = [sys.executable, str(SCRIPT), "product", "--output", str(tmp_path), "--items", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ConfigurationError.exit_code
    assert "got 0 items" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_catalogue_that_someone_else_made_is_kept(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text('{"id": "mine", "path": "a.jpg", "split": "train"}\n')
    with pytest.raises(ConfigurationError, match="holds other data"):
        generate(tmp_path, items=2, seed=0, workers=1)
    assert "mine" in manifest.read_text()
