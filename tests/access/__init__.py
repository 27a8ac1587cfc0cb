"""The proof that no route forgets to ask: every operation of the API description, by everybody, with every id."""
