"""The process of a run: the server it is forked from, its shell, its limits, what it reports."""
