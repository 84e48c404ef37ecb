"""What is said in a classroom, in Chinese and English: by the teacher, on the task, and beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_TOPICS = (
    ("fractions", "分数"),
    ("photosynthesis", "光合作用"),
    ("the water cycle", "水循环"),
    ("triangles", "三角形"),
    ("the Tang dynasty", "唐朝"),
    ("past tense", "过去时"),
    ("gravity", "重力"),
    ("the circuit", "电路"),
    ("chapter four", "第四章"),
    ("the poem", "这首诗"),
    ("acids and bases", "酸和碱"),
    ("the experiment", "这个实验"),
)
_CHATS = (
    ("the match", "比赛"),
    ("lunch", "午饭"),
    ("my new shoes", "新鞋"),
    ("that video", "那个视频"),
    ("the party", "聚会"),
    ("the weekend", "周末"),
    ("the game", "游戏"),
    ("the cinema", "电影"),
    ("her birthday", "她的生日"),
    ("the holidays", "假期"),
)
_TEACHER = (
    ("today we look at {}", "今天我们学习{}"),
    ("please note what {} means", "请记下{}的意思"),
    ("who can explain {}", "谁能解释一下{}"),
    ("look at the board, this is {}", "请看黑板，这是{}"),
    ("we come back to {} later", "我们稍后再讲{}"),
    ("remember {} for the test", "考试会考{}"),
)
_ON_TASK = (
    ("I think {} is the answer", "我觉得答案是{}"),
    ("how did you solve {}", "{}你是怎么做的"),
    ("let us compare our notes on {}", "我们对一下{}的笔记"),
    ("the next step is {}", "下一步是{}"),
    ("write down {} first", "先写{}"),
    ("why is {} like that", "{}为什么会这样"),
)
_OFF_TASK = (
    ("did you see {}", "你看到{}了吗"),
    ("I am so looking forward to {}", "我好期待{}"),
    ("tell me about {} later", "等会儿给我讲讲{}"),
    ("{} was so funny", "{}太好笑了"),
    ("are you coming because of {}", "你是为了{}来吗"),
    ("I forgot all about {}", "我完全忘了{}"),
)


def teacher(rng: np.random.Generator) -> str:
    """Say something to the class."""
    return _say(_TEACHER, _TOPICS, rng)


def on_task(rng: np.random.Generator) -> str:
    """Say something to a neighbour that belongs to the task."""
    return _say(_ON_TASK, _TOPICS, rng)


def off_task(rng: np.random.Generator) -> str:
    """Say something to a neighbour that does not."""
    return _say(_OFF_TASK, _CHATS, rng)


def _say(
    phrases: tuple[tuple[str, str], ...], subjects: tuple[tuple[str, str], ...], rng: np.random.Generator
) -> str:
    language = int(rng.integers(2))
    phrase, subject = phrases[rng.integers(len(phrases))], subjects[rng.integers(len(subjects))]
    return phrase[language].format(subject[language])
