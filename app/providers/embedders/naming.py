"""What an embedder is called where only letters, digits and `-` may stand."""

import re
from hashlib import sha256

from app.providers.embedders.known import Traits

_READABLE = 40


def slug(name: str, traits: Traits, dimensions: int | None) -> str:
    """A part that people can read, and a part that is another for anything that makes other vectors."""
    readable = re.sub("[^a-z0-9]+", "-", name.lower())[:_READABLE].strip("-")
    fields = [*sorted(traits.question_fields.items()), *sorted(traits.passage_fields.items())]
    told_by = repr((name, traits.question, traits.passage, fields, dimensions))
    return f"{readable}-{sha256(told_by.encode('utf-8', 'replace')).hexdigest()[:8]}"
