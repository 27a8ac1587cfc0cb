"""All that is measured, said line by line."""

from collections.abc import Iterator, Sequence

from app.domain import packing
from app.domain.indexed import whole_text
from tests.eval import costs, pdf_text, recall, refusal, sets
from tests.eval.embedding import KeptEmbedder
from tests.eval.library import Library
from tests.eval.options import Options
from tests.eval.sets import Set
from tests.eval.stores import Opened, opened

_WITH_ARTICLES = ("squad", "cmrc", "drcd")
"""Sets whose documents have a title each, all documents of which can be taken away."""
_HEAD = f"{'set':<26}{'recall@1':>9}{'@5':>7}{'@10':>7}{'MRR':>7}{'characters in 5':>17}{'ms CPU a question':>19}"


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


async def run(options: Options) -> None:
    say(_HEAD)
    found = list(_sets(options))
    if "pdfs" in options.only:
        await pdf_text.measure(options.data)
    for embedder in [None] if options.wheel is None else [None, KeptEmbedder(options.wheel, options.kept)]:
        async with opened(options.store) as store:
            for each in found:
                await _measure(options, store, each, embedder)
    for each in found:
        say(f"{each.name}: {costs.pages_per_second(each.documents):,.0f} pages a CPU second to passages and terms")


async def _measure(options: Options, opened: Opened, of: Set, embedder: KeptEmbedder | None) -> None:
    name = f"{of.name}{' + dense' if embedder else ''}"
    if embedder:
        _learn(embedder, of, options)
    library = Library(opened.store, name.replace(" ", "-").replace("+", "and"), embedder)
    await library.open()
    began = opened.clock()
    await library.add(of.documents)
    indexed_in = opened.clock() - began
    known = await recall.measure(library, of.questions, opened.clock)
    at = "".join(f"{share:>7.3f}" for share in known.at)
    say(f"{name:<28}{at}{known.reciprocal_rank:>7.3f}{known.characters:>17,.0f}{known.seconds * 1000:>19.1f}")
    say(f"  {len(library.passages):,} passages, in the index in {indexed_in:.1f} s of CPU")
    if of.name in _WITH_ARTICLES:
        _judge("the article is absent", known.confidences, await refusal.without_its_article(library, of))
    if of.name == "squad" and (near := sets.unanswerable(options.data)):
        others = [(await library.find(question)).confidence for question in near]
        _judge("near, but not answered (SQuAD 2)", known.confidences, others)


def _judge(what: str, answerable: Sequence[float], others: Sequence[float]) -> None:
    judged = refusal.judge(answerable, others)
    say(
        f"  {what}: AUC {judged.area:.3f}, refused {judged.refused:.1%} at 5 % false refusals; as shipped "
        f"{judged.refused_as_shipped:.1%} at {judged.false_as_shipped:.1%}"
    )


def _learn(embedder: KeptEmbedder, of: Set, options: Options) -> None:
    """What it would be asked for one by one."""
    passages = (
        whole_text(document.title, passage)
        for document in of.documents
        for passage in packing.pack(document.pages, document.title)
    )
    embedder.learn(list(passages))
    embedder.learn([question.text for question in of.questions] + list(sets.unanswerable(options.data)))


def _sets(options: Options) -> Iterator[Set]:
    for name in (name for name in options.only if name != "pdfs"):
        if not (options.data / ("squad" if name == "long" else name)).is_dir():
            say(f"{name}: not in {options.data}")
        elif name == "long":
            yield sets.articles(options.data)
        elif name == "xquad":
            yield from sets.parallel(options.data)
        else:
            yield sets.paragraphs(options.data, name)
