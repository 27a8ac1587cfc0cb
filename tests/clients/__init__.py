"""JavaScript clients as their users run them: each file of cases is one process of Node, and each case a claim."""
