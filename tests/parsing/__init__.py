"""Reading documents, in a real child process each."""
