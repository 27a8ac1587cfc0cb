"""How well documents are found: the product's own passages, terms and fusion, on questions whose answers are known.

    make eval DATA=<folder>

The folder holds public sets: `squad`, `cmrc`, `drcd` and `xquad` with a `corpus.jsonl.gz` of `{id, text, title}` and
`questions_dev.jsonl.gz` of `{id, question, answers, gold}`, `squad2` with questions that no paragraph answers. What is
missing is left out. `sets` reads them, `library` is the way through the product; `recall`, `refusal`, `costs` and, for
files, `pdf_text` measure.
"""
