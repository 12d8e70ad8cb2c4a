"""The words that keep datasets: versions, shared chunks, checks, tiers."""

from __future__ import annotations

from lepton_jlab.grammar.words import CLUSTER, DATASET, Command, argument, command, option, switch

TIERS = ("auto", "hot", "warm", "cold")

COMMANDS: tuple[Command, ...] = (
    command(
        "data report",
        "Show what the datasets in a folder take: decoded, compressed, deduplicated, and by tier.",
        argument("FOLDER", help="where (default: here)", count="?", default=".", completes="file"),
    ),
    command(
        "data tier",
        "Show in which tiers datasets are and what that costs a month, or move them.",
        argument("PATH", help="one dataset (default: all known)", count="?", completes="dataset"),
        option(
            "--importance",
            metavar="0..5",
            help="how precious it is: 1 is ordinary, 5 five times that, 0 as cheap as can be",
            choices=tuple("012345"),
        ),
        option(
            "--policy",
            metavar="|".join(TIERS),
            help="move it to this tier and keep it there; auto: where it is cheapest, by its score",
            choices=TIERS,
        ),
        switch("--dry-run", help="only show bytes and money that it would save; nothing changes"),
        switch("--undo", help="take back its last move"),
        switch("--keep", help="keep what it was before beside it, so that --undo takes no time"),
        switch("--here", help="move it in this process, although a cluster runs"),
        CLUSTER,
        switch("--wait", help="wait for the end; an interrupt stops only the waiting"),
    ),
    command(
        "data dedup",
        "Share equal chunks with the datasets beside it, as hard links; readers notice nothing.",
        DATASET,
        switch("-f", "--force", help="although nothing keeps programs of root from shared files"),
    ),
    command(
        "data snapshot",
        "Keep a dataset as it is now, under a name; it takes the space of what has changed.",
        DATASET,
        argument("NAME", help="what to call this version"),
        switch(
            "--private",
            help="leave the dataset files of its own, which programs may overwrite in place",
        ),
        switch(
            "--shared",
            help="share its files with the version, though programs of root can write into them",
        ),
    ),
    command("data versions", "List the versions of a dataset, and what each costs.", DATASET),
    command(
        "data diff",
        "Show what has changed: arrays, samples, attributes.",
        DATASET,
        argument("OLD", help="a version"),
        argument("NEW", help="another (default: the dataset as it is now)", count="?"),
    ),
    command(
        "data restore",
        "Make a dataset what it was in a version, in one step.",
        DATASET,
        argument("NAME", help="which version"),
        switch("-f", "--force", help="although the present state is in no version"),
    ),
    command(
        "data drop",
        "Remove a version, and the chunks that nothing else has.",
        DATASET,
        argument("NAME", help="which version"),
    ),
    command(
        "data verify",
        "Check every chunk of a dataset and its versions; exit status 1 if any is broken.",
        argument("PATH", help="folder or address of the dataset", completes="dataset"),
        option(
            "--repair-from",
            metavar="VERSION|PATH",
            help="put what a version or a copy has in the place of what is broken or missing",
            completes="dataset",
        ),
    ),
)
