"""Searching: trials that Optuna chooses one after another, and bad ones that are stopped early.

`asked` checks what a user wants, `study` is what Optuna knows of it, on disk, `trial` one set of
values with its runs, and `searches` drives them all in the cluster host.
"""
