"""Ids of calls for a vendor that would refuse them: a conversation may hold calls of any other vendor's models."""

from hashlib import sha256


def another(call_id: str) -> str:
    """One that all vendors take, and always the same, so that a result goes on naming its call."""
    return f"call_{sha256(call_id.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
