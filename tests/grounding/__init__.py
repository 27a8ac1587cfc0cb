"""Answers from documents and files, over HTTP."""
