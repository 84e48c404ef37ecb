"""Names of what a product is, in Chinese and English, and the titles made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

CATEGORIES = {
    "t-shirt": "T恤",
    "shirt": "衬衫",
    "long-sleeve top": "长袖",
    "pants": "长裤",
    "shorts": "短裤",
    "dress": "连衣裙",
    "skirt": "半身裙",
    "jacket": "外套",
    "hat": "帽子",
    "shoes": "鞋",
}
COLOURS = {
    "white": "白色",
    "black": "黑色",
    "grey": "灰色",
    "red": "红色",
    "pink": "粉色",
    "orange": "橙色",
    "yellow": "黄色",
    "green": "绿色",
    "blue": "蓝色",
    "purple": "紫色",
    "brown": "棕色",
    "beige": "米色",
}
PATTERNS = {"solid": "纯色", "striped": "条纹", "checked": "格子", "dotted": "波点", "floral": "碎花"}
STYLES = {
    "simple": "简约",
    "sporty": "运动",
    "elegant": "优雅",
    "vintage": "复古",
    "cute": "可爱",
    "street": "街头",
}

_CHINESE = (
    "{style}{pattern}{colour}{category}",
    "{colour}{style}{pattern}{category}",
    "{style}风{pattern}{colour}{category}",
    "{pattern}{colour}{style}{category}",
    "{colour}{pattern}{category} {style}款",
)
_ENGLISH = (
    "{style} {colour} {pattern} {category}",
    "{colour} {style} {pattern} {category}",
    "{article} {style} {pattern} {category} in {colour}",
    "{style} {pattern} {category}, {colour}",
    "{colour} {pattern} {category} in {article} {style} style",
)
_WORDING_SHARES = (0.52, 0.16, 0.14, 0.1, 0.08)
_NAMED_SOLID_SHARE = 0.06
_PLURALS = frozenset({"pants", "shorts", "shoes"})


def write_titles(
    category: str, colour: str, pattern: str, style: str, rng: np.random.Generator
) -> tuple[str, str]:
    """Word a product's title in Chinese and in English; the plain wording is the most frequent.

    The style is always named; a solid pattern only now and then, as sellers do.
    """
    shown = pattern != "solid" or rng.random() < _NAMED_SOLID_SHARE
    chinese, english = (
        wordings[rng.choice(len(wordings), p=_WORDING_SHARES)] for wordings in (_CHINESE, _ENGLISH)
    )
    title_zh = chinese.format(
        style=STYLES[style],
        colour=COLOURS[colour],
        pattern=PATTERNS[pattern] if shown else "",
        category=CATEGORIES[category],
    )
    takes_article = category not in _PLURALS or english.endswith("style")
    title_en = english.format(
        style=style,
        colour=colour,
        pattern=pattern if shown else "",
        category=category,
        article=("an" if style[0] in "aeiou" else "a") if takes_article else "",
    )
    return title_zh, _tidied(title_en)


def _tidied(title: str) -> str:
    return " ".join(title.split()).replace(" ,", ",")
