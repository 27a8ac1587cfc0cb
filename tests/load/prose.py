"""Text that nobody wrote, the same for the same seed: in it, words are about as frequent as in articles.

The terms of a question are in as many passages as those of SQuAD's questions, taken together a fifth of all, in Chinese
as those of CMRC's, twice as many as there are: what a search costs follows from that.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random

_WORDS = 1500
"""Of each kind; those that no dictionary has stand for the rarer ones."""
_NAMES = 4000
_FLAT = 12
_DRAWN = 500
_NOUNS = """pump valve report engine harbour tank sensor cable filter turbine crane manual pipe bearing gauge warranty
contract invoice delivery permit inspection crew shift storage cargo vessel pressure voltage limit schedule failure
repair supplier station archive record measure battery gasket rotor panel switch drawing"""
_VERBS = """replaces contains requires delays supports records exceeds protects follows reports confirms connects
limits restores covers controls"""
_KINDS = """annual spare damaged central hydraulic certified portable final outer second obsolete approved shared dry
defective temporary"""
_PLACES = "behind above within beside before after without near"
_SYLLABLES = "ba cor del fen gar hul jen kor lim mar nol pel quin rath sol tam ur vel wex yor zan bri cast dorn"
_ZH_NOUNS = """水泵 阀门 报告 发动机 港口 储罐 传感器 电缆 滤芯 涡轮 起重机 手册 管道 轴承 压力表 保修 合同 发票 交货
许可 检查 班组 仓库 货物 船舶 压力 电压 限值 计划 故障 维修 供应商 车站 档案 记录 电池 密封圈 转子 面板 开关 图纸"""
_ZH_VERBS = "更换 包含 需要 推迟 支持 记录 超过 保护 遵守 报告 确认 连接 限制 恢复 覆盖 控制"
_ZH_KINDS = "年度 备用 损坏 中央 液压 认证 便携 最终 外部 第二 过期 批准 共用 干燥 缺陷 临时"


class Prose(ABC):
    """Sentences without an end."""

    between = ""
    """What stands between two of them."""

    def __init__(self, random: Random, nouns: str, verbs: str, kinds: str) -> None:
        self._random = random
        self._maker = Random(0)  # noqa: S311  # all speak the same language
        self._nouns, self._verbs, self._kinds = (self._vocabulary(words) for words in (nouns, verbs, kinds))
        self._names = _drawn(random, [self._made().capitalize() for _ in range(_NAMES)])

    def name(self) -> str:
        return next(self._names)

    def number(self) -> int:
        return self._random.randrange(2, 999)

    def paragraph(self, characters: int) -> str:
        """Whole sentences, of so many characters at least."""
        said: list[str] = []
        while sum(map(len, said)) < characters:
            said.append(self.sentence())
        return self.between.join(said)

    @abstractmethod
    def sentence(self) -> str: ...

    @abstractmethod
    def question(self) -> str:
        """Of words that are in such sentences."""

    @abstractmethod
    def _made(self) -> str:
        """A word."""

    def _vocabulary(self, words: str) -> Iterator[str]:
        known = words.split()
        return _drawn(self._random, [*known, *(self._made() for _ in range(_WORDS - len(known)))])


class English(Prose):
    between = " "

    def __init__(self, random: Random) -> None:
        super().__init__(random, _NOUNS, _VERBS, _KINDS)
        self._places = _drawn(random, _PLACES.split())

    def sentence(self) -> str:
        noun, verb, kind, place = self._nouns, self._verbs, self._kinds, self._places
        return (
            f"The {next(kind)} {next(noun)} of {self.name()} {next(verb)} {self.number()} {next(noun)}s {next(place)} "
            f"the {next(kind)} {next(noun)}, and {self.name()} {next(verb)} it {next(place)} the {next(noun)}."
        )

    def question(self) -> str:
        kind, noun, verb = next(self._kinds), next(self._nouns), next(self._verbs)
        return f"Which {kind} {noun} of {self.name()} {verb} the {next(self._nouns)}?"

    def _made(self) -> str:
        return "".join(self._maker.choices(_SYLLABLES.split(), k=self._maker.choice((2, 3, 3, 4))))


class Chinese(Prose):
    def __init__(self, random: Random) -> None:
        super().__init__(random, _ZH_NOUNS, _ZH_VERBS, _ZH_KINDS)

    def sentence(self) -> str:
        noun, verb, kind = self._nouns, self._verbs, self._kinds
        return (
            f"{self.name()}的{next(kind)}{next(noun)}在{self.number()}天内{next(verb)}了{next(noun)},"
            f"而{self.name()}仍然{next(verb)}{next(kind)}的{next(noun)}。"
        )

    def question(self) -> str:
        kind, noun, verb = next(self._kinds), next(self._nouns), next(self._verbs)
        return f"{self.name()}的哪些{kind}{noun}{verb}了{next(self._nouns)}?"

    def _made(self) -> str:
        return "".join(self._character() for _ in range(self._maker.choice((2, 2, 2, 3))))

    def _character(self) -> str:
        """Of 2,350 of the usual ones, which GB 2312 has in these rows."""
        return bytes([self._maker.randint(0xB0, 0xC8), self._maker.randint(0xA1, 0xFE)]).decode("gb2312")


def _drawn(random: Random, words: Sequence[str]) -> Iterator[str]:
    """Without an end; the rarer the further behind, as Zipf and Mandelbrot have it."""
    weights = list(accumulate(1 / (_FLAT + rank) for rank in range(len(words))))
    while True:
        yield from random.choices(words, cum_weights=weights, k=_DRAWN)
