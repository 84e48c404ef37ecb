"""Importers: tiny data sets in the published formats, with their quirks, read back as a catalogue."""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict

import pytest

from tests.core.published import (
    abo,
    article,
    by_id,
    hm,
    import_catalog,
    json_lines,
    judged,
    listing,
    marqo_gs,
    muge,
    named,
    photo,
    put,
    table,
    words,
)
from trifuse.catalog import read_catalog
from trifuse.preprocessing.image import ImageSettings, decode
from trifuse.systems import contract

SETTINGS = ImageSettings.of(contract("product", "smoke").settings)


def assert_photos_decode(items):
    assert items
    for item in items:
        assert decode(item.path.read_bytes(), SETTINGS).shape == (SETTINGS.image_size,) * 2 + (3,)


# --- H&M ---------------------------------------------------------------------------------------------------


def test_hm_articles_have_their_published_names_attributes_and_photos(tmp_path):
    text = 'Jersey top, narrow straps.\nSo-called "spaghetti" top'
    source = hm(
        tmp_path / "hm",
        [
            article("0108775015", description=text),
            article("108775044", colour="White"),
            article("0110065001", name='OP T-shirt, "Idro"', colour="Unknown", kind="Bra"),
        ],
    )
    items = by_id(import_catalog("hm", source, tmp_path / "out"))
    assert set(items) == {"0108775015", "0108775044", "0110065001"}
    first = items["0108775015"]
    assert (first.title_en, first.title_zh) == ("Strap top", "")
    assert first.attributes == {
        "product_id": "0108775015",
        "product_code": "108775",
        "category": "vest top",
        "colour": "black",
        "pattern": "solid",
        "product_group": "garment upper body",
        "garment_group": "jersey basic",
        "department": "ladieswear",
        "description": 'Jersey top, narrow straps. So-called "spaghetti" top',
        "source": "hm",
    }
    assert items["0110065001"].title_en == 'OP T-shirt, "Idro"'
    assert "colour" not in items["0110065001"].attributes
    assert_photos_decode(items.values())


def test_hm_photos_stay_where_they_are(tmp_path):
    source = hm(tmp_path / "data" / "hm", [article("0108775015")])
    imported = import_catalog("hm", source, tmp_path / "catalogues" / "hm")
    row = json.loads(imported.manifest.read_text())
    assert row["path"] == "../../data/hm/images/010/0108775015.jpg"


def test_hm_paths_hold_when_the_output_folder_is_a_link(tmp_path):
    source = hm(tmp_path / "hm", [article("0108775015")])
    (tmp_path / "deep" / "down").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "down")
    assert_photos_decode(by_id(import_catalog("hm", source, tmp_path / "link")).values())


def test_hm_leaves_out_what_cannot_be_used_and_counts_it(tmp_path):
    good = article("0108775015")
    source = hm(
        tmp_path / "hm",
        [good, article("108775015", name="Again"), article("0200000001"), article("0300000001")],
        without_photo={"0200000001"},
    )
    whole = photo(9, size=(200, 200))
    put(source / "images/030/0300000001.jpg", whole[: len(whole) // 2])
    broken = [article("not a number"), article("0400000001", name=" "), good[:7]]
    with (source / "articles.csv").open("ab") as file:
        file.write(table(broken) + table([article("0500000001")]).replace(b"Strap", b"Stra\xff"))
    imported = import_catalog("hm", source, tmp_path / "out")
    assert set(by_id(imported)) == {"0108775015"}
    assert imported.left_out == {
        "an article that is listed twice": 1,
        "a photo that is missing": 1,
        "a photo that cannot be used (the image is damaged)": 1,
        "an article without a proper id": 1,
        "an article without a name": 1,
        "a row with another number of columns": 1,
        "a row that is not UTF-8": 1,
    }
    assert "1 left out: a photo that is missing" in imported.report()


def test_hm_purchases_name_the_products_as_the_catalogue_does(tmp_path):
    customer = "000058a12d5b43e67d225668fa1f8d618c13dc232df0cad8ffe7ad4a1091e318"
    source = hm(
        tmp_path / "hm",
        [article("0663713001"), article("0541518023"), article("0700000001")],
        [
            ["2018-09-20", customer, "0663713001", "0.050830508474576264", "2"],
            ["2018-09-20", customer, "663713001", "0.050830508474576264", "2"],
            ["2018-09-21", customer, "541518023", "0.0304", "1"],
            ["2018-09-21", customer, "0700000001", "0.0304", "1"],
            ["2018-09-22", customer, "0999999999", "0.0304", "1"],
            ["22.09.2018", customer, "0541518023", "0.0304", "1"],
            ["2018-09-22", "", "0541518023", "0.0304", "1"],
        ],
        without_photo={"0700000001"},
    )
    imported = import_catalog("hm", source, tmp_path / "out")
    assert (tmp_path / "out" / "transactions.csv").read_text() == (
        "time,user_id,product_id\n"
        f"2018-09-20,{customer},0663713001\n"
        f"2018-09-20,{customer},0663713001\n"
        f"2018-09-21,{customer},0541518023\n"
    )
    assert imported.left_out["a purchase of an article that is not in the catalogue"] == 2
    assert imported.left_out["a purchase without a customer or a date"] == 2


def test_hm_colours_of_one_product_share_a_split_whatever_else_is_imported(tmp_path):
    products = [article(f"0{code}{colour:03}") for code in range(100000, 100060) for colour in (1, 2)]
    splits = {}
    for order, articles in {"all": products, "half": products[:60][::-1]}.items():
        source = hm(tmp_path / order, articles)
        splits[order] = {
            name: item.split for name, item in by_id(import_catalog("hm", source, source)).items()
        }
    by_code = defaultdict(set)
    for identity, split in splits["all"].items():
        by_code[identity[:7]].add(split)
    assert all(len(found) == 1 for found in by_code.values())
    assert 2 <= sum(found == {"validation"} for found in by_code.values()) <= 18
    assert splits["half"].items() <= splits["all"].items()


def test_a_quote_that_is_never_closed_does_not_end_the_import(tmp_path):
    source = hm(tmp_path / "hm", [article("0108775015")])
    put(source / "images/020/0200000001.jpg", photo(3))
    with (source / "articles.csv").open("ab") as file:
        file.write(b'"' + b"no end " * 30_000 + b"\n" + table([article("0200000001")]))
    imported = import_catalog("hm", source, tmp_path / "out")
    assert set(by_id(imported)) == {"0108775015", "0200000001"}
    assert imported.left_out["a row that is not CSV"] == 1


# --- Amazon Berkeley Objects -------------------------------------------------------------------------------


def test_abo_takes_chinese_and_english_names_and_attributes(tmp_path):
    row = listing(
        "B07ABC",
        named(de_DE="Schwarze Hülle", en_IN="Case, India", zh_CN="黑色  手机壳", en_US='Black "Solid" Case'),
        "81iZlv3bjpL",
        ["91+dC0ABcdL"],
        color=[
            {"language_tag": "zh_CN", "value": "黑色"},
            {"language_tag": "en_US", "standardized_values": ["Black"], "value": "Midnight"},
        ],
        brand=named(en_US="Amazon Basics"),
        style=[{"value": "no language"}],
    )
    items = by_id(import_catalog("abo", abo(tmp_path / "abo", [row]), tmp_path / "out"))
    assert set(items) == {"B07ABC", "B07ABC-2"}
    main = items["B07ABC"]
    assert (main.title_zh, main.title_en) == ("黑色 手机壳", 'Black "Solid" Case')
    assert main.attributes == {
        "product_id": "B07ABC",
        "view": "main",
        "category": "cellular phone case",
        "colour": "black",
        "colour_zh": "黑色",
        "brand": "Amazon Basics",
        "source": "abo",
    }
    assert items["B07ABC-2"].attributes["view"] == "other"
    assert items["B07ABC-2"].title_en == main.title_en
    assert main.path == tmp_path / "out" / "../abo/images/small/81/81iZlv3bjpL.jpg"
    assert_photos_decode(items.values())


def test_abo_uses_the_original_photos_where_there_are_no_small_ones(tmp_path):
    source = abo(tmp_path / "abo", [listing("B1", named(en_GB="Sofa"), "AAimg")], size="original")
    (item,) = by_id(import_catalog("abo", source, tmp_path / "out")).values()
    assert item.path.resolve() == (source / "images/original/aa/AAimg.jpg").resolve()


def test_abo_listings_of_one_product_become_one(tmp_path):
    source = abo(
        tmp_path / "abo",
        [listing("B1", named(en_US="Sofa"), "AAimg")],
        [listing("B1", named(zh_CN="沙发", en_GB="Settee"), "BBimg", ["AAimg"])],
    )
    items = by_id(import_catalog("abo", source, tmp_path / "out"))
    assert {(item.title_zh, item.title_en) for item in items.values()} == {("沙发", "Sofa")}
    assert {name: item.path.stem for name, item in items.items()} == {"B1": "AAimg", "B1-2": "BBimg"}


def test_abo_products_that_share_their_main_photo_share_a_split(tmp_path):
    rows = [
        listing(f"B{number:03}{size}", named(en_US="Shoes"), f"main{number}", [f"other{number}", "sizes"])
        for number in range(40)
        for size in "SL"
    ]
    imported = import_catalog("abo", abo(tmp_path / "abo", rows), tmp_path / "out")
    items = read_catalog(imported.manifest)
    by_photo = defaultdict(set)
    for item in items:
        by_photo[item.path.name].add(item.split)
    assert len(by_photo) == 81
    assert all(len(splits) == 1 for splits in by_photo.values())
    assert {item.split for item in items} == {"train", "validation"}
    assert imported.left_out == {"a further photo that another product shows too": 119}


def test_abo_leaves_out_what_cannot_be_used_and_counts_it(tmp_path):
    rows = [
        listing("B1", named(en_US="Sofa"), "AAimg", ["BBimg"]),
        listing("B2", named(de_DE="Sessel"), "CCimg"),
        listing("B3", [{"value": "a name without a language"}], "DDimg"),
        listing("B4", named(en_US="Lamp")),
        listing("", named(en_US="Vase"), "EEimg"),
    ]
    source = abo(tmp_path / "abo", rows, missing={"BBimg"})
    bad = ["{not json}", "[]", '{"item_id": "B5", "item_name": "text", "main_image_id": "AAimg"}']
    put(source / "listings/metadata/listings_e.json.gz", gzip.compress("\n".join(bad).encode()))
    whole = gzip.compress(
        json_lines([listing(f"C{n}", named(en_US="Bed"), "AAimg") for n in range(9)]).encode()
    )
    put(source / "listings/metadata/listings_f.json.gz", whole[:-12])
    imported = import_catalog("abo", source, tmp_path / "out")
    assert "B1" in by_id(imported)
    assert not {"B2", "B3", "B4", "B5", ""} & set(by_id(imported))
    assert imported.left_out == {
        "a product without a Chinese or English name": 3,
        "a product without a photo": 1,
        "a listing without an item_id": 1,
        "a line that is not a JSON object": 2,
        "the rest of a damaged file": 1,
        "a photo that images.csv.gz does not list": 1,
    }


def test_text_that_utf8_cannot_hold_is_replaced(tmp_path):
    source = abo(tmp_path / "abo", [listing("B1", named(en_US="Sofa"), "AAimg")])
    row = json.dumps(listing("B1", named(en_US="Sofa \ud83d end\u2028of"), "AAimg"))
    put(source / "listings/metadata/listings_0.json.gz", gzip.compress(row.encode()))
    assert by_id(import_catalog("abo", source, tmp_path / "out"))["B1"].title_en == "Sofa ? end of"


# --- MUGE --------------------------------------------------------------------------------------------------


def test_muge_photos_become_files_and_every_text_of_one_a_row(tmp_path):
    source = muge(
        tmp_path / "muge",
        (
            {1000002: photo(1), 517602: photo(2, "PNG")},
            [words(8428, "高级感托特包斜挎", 1000002, 517602), words(8429, "托特包", 1000002, 1000002)],
        ),
        ({33: photo(3, "WEBP")}, [words(8428, "简约白色连衣裙", 33)]),
    )
    items = by_id(import_catalog("muge", source, tmp_path / "out"))
    assert {name: (item.title_zh, item.split) for name, item in items.items()} == {
        "1000002-8428": ("高级感托特包斜挎", "train"),
        "1000002-8429": ("托特包", "train"),
        "517602-8428": ("高级感托特包斜挎", "train"),
        "33-8428": ("简约白色连衣裙", "validation"),
    }
    assert items["1000002-8429"].attributes == {"product_id": "1000002", "source": "muge"}
    files = {path.name: path.read_bytes() for path in (tmp_path / "out/images").iterdir()}
    assert files == {"1000002.jpg": photo(1), "517602.png": photo(2, "PNG"), "33.webp": photo(3, "WEBP")}
    assert_photos_decode(items.values())


def test_muge_reads_the_url_safe_alphabet_too(tmp_path):
    source = muge(
        tmp_path / "muge", ({1: photo(1)}, [words(1, "包", 1)]), ({2: photo(2)}, [words(2, "裙", 2)])
    )
    text = (source / "train_imgs.tsv").read_text()
    assert set("+/") & set(text)
    put(source / "train_imgs.tsv", text.replace("+", "-").replace("/", "_"))
    assert_photos_decode(by_id(import_catalog("muge", source, tmp_path / "out")).values())


def test_muge_leaves_out_what_cannot_be_used_and_counts_it(tmp_path):
    photos = {1: photo(1), 2: photo(2, size=(200, 200))[:900], 3: photo(3), 6: photo(6)}
    texts = [words(1, "包", 1), words(2, "裙", 2), words(4, "帽", 4), words(5, " ", 1), {"text": "鞋"}]
    valid = {1: photo(7), 5: photo(1), 8: photo(8)}
    source = muge(
        tmp_path / "muge",
        (photos, [*texts, words(6, "手套", 6, 7)]),
        (valid, [words(9, "包", 1, 5), words(10, "围巾", 8)]),
    )
    with (source / "train_imgs.tsv").open("ab") as file:
        file.write(f"1\t{base64.b64encode(photo(4)).decode()}\n../up\tAAAA\n7\t%%%%\n\n".encode())
    imported = import_catalog("muge", source, tmp_path / "out")
    assert set(by_id(imported)) == {"1-1", "6-6", "8-10"}
    assert imported.left_out == {
        "a photo that cannot be used (the image is damaged)": 1,
        "a photo without a text": 1,
        "a text without its id, words or images": 2,
        "an image id that occurs twice": 2,
        "a line without an image's id": 1,
        "a photo that is not base64": 1,
        "texts whose photo is missing": 1,
        "a photo that is in the training split too": 1,
    }
    assert (tmp_path / "out/images/1.jpg").read_bytes() == photo(1)


def test_muge_goes_on_with_the_photos_of_a_stopped_import(tmp_path):
    source = muge(
        tmp_path / "muge", ({1: photo(1)}, [words(1, "包", 1)]), ({2: photo(2)}, [words(2, "裙", 2)])
    )
    import_catalog("muge", source, tmp_path / "out")
    kept = (tmp_path / "out/images/1.jpg").stat().st_mtime_ns
    (tmp_path / "out/images/2.jpg").write_bytes(b"half")
    put(tmp_path / "out/images/.2.jpg.k3j4", b"left by a killed import")
    items = by_id(import_catalog("muge", source, tmp_path / "out"))
    assert (tmp_path / "out/images/1.jpg").stat().st_mtime_ns == kept
    assert_photos_decode(items.values())
    assert sorted(path.name for path in (tmp_path / "out/images").iterdir()) == ["1.jpg", "2.jpg"]


# --- Marqo-GS ----------------------------------------------------------------------------------------------


def test_marqo_gs_products_and_how_well_they_answer_queries(tmp_path):
    source = marqo_gs(
        tmp_path / "marqo-gs-dataset/marqo_gs_wfash_1m",
        {
            (0, 0): [
                judged("red dress", "13801218330218467310", 'Dress, "Red"', "a.webp", 100),
                judged("gown", "13801218330218467310", 'Dress, "Red"', "a.webp", 7),
            ],
            (1, 0): [judged("evening wear", "13801218330218467310", "Dress", "a.webp", 40)],
            (0, 1): [judged("red dress", "77", "Scarlet gown", "b.webp", 99)],
            (1, 1): [judged("evening wear", "77", "Scarlet gown", "b.webp", 98)],
        },
    )
    imported = import_catalog("marqo_gs", source, tmp_path / "out")
    items = by_id(imported)
    assert {name: (item.title_en, item.split) for name, item in items.items()} == {
        "13801218330218467310": ('Dress, "Red"', "train"),
        "77": ("Scarlet gown", "validation"),
    }
    assert items["77"].attributes == {"product_id": "77", "source": "marqo_gs"}
    assert_photos_decode(items.values())
    pairs = [json.loads(line) for line in (tmp_path / "out/queries.jsonl").read_text().splitlines()]
    assert [tuple(pair.values()) for pair in pairs] == [
        ("red dress", "13801218330218467310", 100, "train"),
        ("gown", "13801218330218467310", 7, "train"),
        ("red dress", "77", 99, "train"),
        ("evening wear", "13801218330218467310", 40, "validation"),
        ("evening wear", "77", 98, "validation"),
    ]
    assert list(pairs[0]) == ["query", "product_id", "relevance", "split"]
    assert not imported.left_out


@pytest.mark.parametrize("images", ["../images_archive", "images", "."])
def test_marqo_gs_finds_photos_in_the_places_where_people_unpack_them(tmp_path, images):
    rows = {(0, 0): [judged("hat", "1", "Hat", "sub/a.webp", 100)]}
    source = marqo_gs(tmp_path / "gs/full", rows, images)
    assert_photos_decode(by_id(import_catalog("marqo_gs", source, tmp_path / "out")).values())
    (source / images / "sub/a.webp").rename(source / images / "a.webp")
    assert_photos_decode(by_id(import_catalog("marqo_gs", source, tmp_path / "out")).values())


def test_marqo_gs_leaves_out_what_cannot_be_used_and_counts_it(tmp_path):
    source = marqo_gs(
        tmp_path / "gs/full",
        {
            (0, 0): [
                judged("hat", "1", "Hat", "a.webp", 100),
                [*judged("cap", "1", "Hat", "a.webp", 50)[:6], "", 1],
                judged("hat", "2", "", "b.webp", 99),
                judged("hat", "3", "Lost", "c.webp", 98),
            ],
            (1, 1): [judged("beret", "1", "Hat", "a.webp", 30), judged("beret", "4", "Beret", "d.webp", 90)],
        },
    )
    (source / "../images_wfash/c.webp").unlink()
    with (source / "query_0_product_id_0.csv").open("a") as file:
        file.write("too,short\n")
    imported = import_catalog("marqo_gs", source, tmp_path / "out")
    assert {name: item.split for name, item in by_id(imported).items()} == {"1": "train", "4": "validation"}
    assert imported.left_out == {
        "a row with another number of columns": 1,
        "a product without an id, a title or a photo's name": 1,
        "a photo that is missing": 1,
        "a product that is in the training half too": 1,
        "a judgement about a product that is not in the catalogue": 2,
        "a judgement without a query or a score": 1,
    }
    pairs = [json.loads(line) for line in (tmp_path / "out/queries.jsonl").read_text().splitlines()]
    assert [(pair["query"], pair["product_id"]) for pair in pairs] == [
        ("hat", "1"),
        ("beret", "1"),
        ("beret", "4"),
    ]
