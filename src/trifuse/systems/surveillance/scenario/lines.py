"""What is said in Chinese and English: small talk, announcements, threats, and threats only quoted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

LANGUAGES = ("zh", "en")

# One sentence in so many is for validation: no split ever says what another one says.
_VALIDATION_EVERY = 5

# A template in braces is filled with one of the wordings of that name.
_ENGLISH: Mapping[str, Sequence[str]] = {
    "threat": (
        "{call}{demand} {or_else}",
        "{demand} {or_else}",
        "{or_else_first}, {demand}",
        "if you {move} i will {harm} {victim}",
        "i will {harm} {victim} if you {move}",
        "this is a robbery, {demand}",
        "{call}i have a {weapon}, {demand}",
    ),
    "call": ("hey you, ", "listen, ", "you there, ", "quiet, ", ""),
    "demand": (
        "give me the {loot}",
        "hand over your {loot}",
        "put the {loot} in the bag",
        "empty your pockets",
        "open the safe",
        "open the till",
        "get down on the floor",
        "get in the car",
        "hands up",
        "do not move",
        "do as i say",
    ),
    "loot": ("money", "cash", "phone", "wallet", "keys", "jewels", "watch"),
    "or_else": (
        "or i shoot",
        "or i will {harm} you",
        "or you are dead",
        "or you will regret it",
        "and nobody gets hurt",
        "before i {harm} you",
        "or i use this {weapon}",
    ),
    "or_else_first": (
        "i am not joking",
        "you have ten seconds",
        "i warn you",
        "last chance",
        "do you want to die",
    ),
    "weapon": ("gun", "knife", "bomb", "pistol"),
    "harm": ("kill", "stab", "shoot", "hurt", "beat"),
    "victim": ("you", "him", "her", "your family", "everyone here", "all of you"),
    "move": ("call the police", "move", "scream", "tell anyone", "come closer", "run away", "look at me"),
    "quote": (
        "in the film the robber says {threat}",
        "he read out the line {threat} and we all laughed",
        "my son plays cops and robbers and shouts {threat}",
        "the title of the book is {threat}",
        "can you say {threat} once more for the camera",
        "the actor forgot his line {threat}",
        "{threat}, that was my favourite scene in the movie",
        "{threat}, i know that line from the play",
        "i could {harm} for a coffee right now",
        "the photographer wants to shoot {victim} in the garden",
        "the police talk about knife crime starts at {hour}",
    ),
    "fireworks": (
        "the firework show has begun {where}",
        "ladies and gentlemen, enjoy the fireworks {where}",
        "tonight's firework display goes on until {hour}",
        "look at the fireworks {where}",
        "welcome to the new year fireworks {where}",
        "the big firework of the festival starts now {where}",
    ),
    "where": (
        "at the river",
        "over the park",
        "behind the station",
        "in the harbour",
        "on the square",
        "by the lake",
    ),
    "announcement": (
        "the train to {city} leaves from platform {number}",
        "please mind the gap, next stop {city}",
        "the bus to {city} is {number} minutes late",
        "this shop closes at {hour}",
        "passengers to {city} please hurry, the doors are closing",
        "please do not leave your bag unattended",
        "special offer today on {goods}",
    ),
    "alarm": (
        "{plea} {someone}",
        "{someone} is hurt, {plea}",
        "call an ambulance, {someone} needs a doctor",
        "call the police, {someone} is hurt",
        "oh my god, what happened to {someone}",
        "stop it, leave {someone} alone",
    ),
    "plea": ("please help", "somebody help", "come quickly and help", "do something for"),
    "someone": ("him", "her", "this man", "this woman", "the old man", "my friend", "the boy"),
    "sport": (
        "come on, {player}, shoot",
        "what a shot by {player}",
        "{player} hits it hard, goal",
        "knock it down, {player}",
        "fresh {goods}, only {number} a kilo",
        "come and buy, {goods} for {number}",
    ),
    "player": ("number {number}", "the captain", "the keeper", "our team", "the striker"),
    "everyday": (
        "shall we meet at {hour} {place}",
        "i bought {goods} {place}",
        "how much are the {goods}",
        "can you give me the change in cash",
        "i left my {thing} {place}",
        "put the {goods} in the bag please",
        "my {relative} will pick me up at {hour}",
        "the weather is {weather} today",
        "did you call your {relative}",
        "i have to run, my train leaves at {hour}",
        "give me your number and i call you",
        "where did you get that {thing}",
        "the photo shoot starts at {hour} {place}",
        "hold my {thing} for a moment please",
        "let us have lunch {place} at {hour}",
        "stop it, that tickles",
        "do not move, i take a picture of you",
        "you killed it at the concert",
        "we laughed ourselves to death {place}",
        "my {relative} needs help with the {thing}",
    ),
    "hour": ("seven", "eight", "nine", "ten", "noon", "three", "half past four", "five", "a quarter to six"),
    "place": (
        "at the station",
        "in the park",
        "at home",
        "in the shop",
        "at the office",
        "by the gate",
        "at school",
        "in the hall",
    ),
    "goods": (
        "apples",
        "shoes",
        "flowers",
        "tickets",
        "vegetables",
        "noodles",
        "books",
        "oranges",
        "eggs",
        "fish",
    ),
    "thing": ("phone", "bag", "coat", "umbrella", "wallet", "bike", "ticket", "hat", "watch", "suitcase"),
    "relative": ("mother", "brother", "sister", "father", "friend", "boss", "neighbour", "son", "daughter"),
    "weather": ("lovely", "cold", "terrible", "warm", "windy", "much better"),
    "city": ("london", "beijing", "paris", "shanghai", "leeds", "hangzhou", "york"),
    "number": ("two", "three", "five", "seven", "eight", "ten", "twelve"),
}
_CHINESE: Mapping[str, Sequence[str]] = {
    "threat": (
        "{call}{demand}，{or_else}",
        "{demand}，{or_else}",
        "{or_else_first}，{demand}",
        "你敢{move}，我就{harm}{victim}",
        "再{move}我就{harm}{victim}",
        "抢劫，{demand}",
        "{call}我手里有{weapon}，{demand}",
    ),
    "call": ("喂，", "听着，", "你，", "都别出声，", "站住，"),
    "demand": (
        "把{loot}交出来",
        "把{loot}给我",
        "把{loot}放到袋子里",
        "把口袋掏空",
        "把保险柜打开",
        "把收银机打开",
        "趴在地上",
        "上车",
        "举起手来",
        "别动",
        "照我说的做",
    ),
    "loot": ("钱", "现金", "手机", "钱包", "钥匙", "首饰", "手表"),
    "or_else": (
        "不然我就开枪",
        "否则我{harm}你",
        "不然你就死定了",
        "不然你会后悔的",
        "这样谁都不会受伤",
        "小心我{harm}你",
        "不然我就用这把{weapon}",
    ),
    "or_else_first": ("我不是开玩笑", "给你十秒钟", "我警告你", "最后一次机会", "你想死吗"),
    "weapon": ("枪", "刀", "炸弹", "手枪"),
    "harm": ("杀了", "捅死", "打死", "弄死", "揍"),
    "victim": ("你", "他", "她", "你全家", "这里所有人", "你们"),
    "move": ("报警", "动一下", "喊", "告诉别人", "过来一步", "跑", "看我"),
    "quote": (
        "电影里那个强盗说{threat}",
        "他念了那句台词{threat}，大家都笑了",
        "我儿子玩警察抓小偷，喊着{threat}",
        "这本书的名字叫{threat}",
        "对着镜头再说一遍{threat}",
        "演员忘了台词{threat}",
        "{threat}，这是电影里我最喜欢的一幕",
        "{threat}，这句话是话剧里的",
        "我困得要死，想喝{number}杯咖啡",
        "摄影师要在花园里给{victim}拍照",
        "警察的防骗讲座{hour}开始",
    ),
    "fireworks": (
        "烟花表演{where}开始了",
        "女士们先生们，请欣赏{where}的烟花",
        "今晚的烟花表演到{hour}结束",
        "快看{where}的烟花",
        "欢迎来到{where}的新年烟花晚会",
        "节日的大烟花{where}开始了",
    ),
    "where": ("在河边", "在公园上空", "在车站后面", "在港口", "在广场上", "在湖边"),
    "announcement": (
        "开往{city}的列车在{number}号站台发车",
        "请注意站台间隙，下一站{city}",
        "开往{city}的汽车晚点{number}分钟",
        "本店{hour}关门",
        "去{city}的旅客请赶快上车，车门即将关闭",
        "请不要让您的包离开视线",
        "今天{goods}特价",
    ),
    "alarm": (
        "{plea}{someone}",
        "{someone}受伤了，{plea}他",
        "快叫救护车，{someone}需要医生",
        "快报警，{someone}受伤了",
        "天哪，{someone}怎么了",
        "住手，放开{someone}",
    ),
    "plea": ("请帮帮", "谁来帮帮", "快来帮", "快救救"),
    "someone": ("他", "她", "这位先生", "这位女士", "老人", "我朋友", "那个男孩"),
    "sport": (
        "加油，{player}，射门",
        "{player}这一枪打得漂亮",
        "{player}用力一击，进了",
        "打倒它，{player}",
        "新鲜{goods}，一斤只要{number}块",
        "快来买，{goods}只要{number}块",
    ),
    "player": ("{number}号", "队长", "守门员", "我们队", "前锋"),
    "everyday": (
        "我们{hour}{place}见面好吗",
        "我{place}买了{goods}",
        "{goods}多少钱",
        "能给我找点现金吗",
        "我把{thing}忘{place}了",
        "请把{goods}放到袋子里",
        "我{relative}{hour}来接我",
        "今天天气{weather}",
        "你给{relative}打电话了吗",
        "我得跑了，火车{hour}开",
        "把你的号码给我，我打给你",
        "你那个{thing}在哪儿买的",
        "{hour}{place}拍照",
        "请帮我拿一下{thing}",
        "{hour}{place}一起吃午饭吧",
        "别闹了，好痒",
        "别动，我给你拍张照",
        "他们队昨天打得真好",
        "{place}我们都笑死了",
        "我{relative}的{thing}要人帮忙",
    ),
    "hour": ("七点", "八点", "九点", "十点", "中午", "三点", "四点半", "五点", "六点差一刻"),
    "place": ("在车站", "在公园", "在家里", "在店里", "在办公室", "在门口", "在学校", "在大厅"),
    "goods": ("苹果", "鞋子", "花", "票", "蔬菜", "面条", "书", "橙子", "鸡蛋", "鱼"),
    "thing": ("手机", "包", "外套", "雨伞", "钱包", "自行车", "票", "帽子", "手表", "箱子"),
    "relative": ("妈妈", "哥哥", "姐姐", "爸爸", "朋友", "老板", "邻居", "儿子", "女儿"),
    "weather": ("真好", "很冷", "糟透了", "很暖和", "风很大", "好多了"),
    "city": ("伦敦", "北京", "巴黎", "上海", "广州", "杭州", "南京"),
    "number": ("一", "三", "五", "七", "八", "十", "十二"),
}
_WORDINGS = {"zh": _CHINESE, "en": _ENGLISH}


@dataclass(frozen=True)
class Writer:
    """Writes sentences of one split."""

    split: str
    rng: np.random.Generator

    def line(self, topic: str, language: str) -> str:
        """Word a sentence on a topic, such as `threat` or `everyday`, as this split only says it."""
        while True:
            sentence = self._fill("{" + topic + "}", _WORDINGS[language])
            if split_of(sentence) == self.split:
                return sentence

    def _fill(self, text: str, wordings: Mapping[str, Sequence[str]]) -> str:
        while "{" in text:
            before, _, rest = text.partition("{")
            name, _, after = rest.partition("}")
            choices = wordings[name]
            text = before + choices[int(self.rng.integers(len(choices)))] + after
        return text


def split_of(sentence: str) -> str:
    """Name the split that says a sentence."""
    return "train" if crc32(sentence.encode()) % _VALIDATION_EVERY else "validation"
