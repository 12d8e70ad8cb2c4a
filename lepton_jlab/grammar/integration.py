"""The words that clean, fuse and label datasets."""

from __future__ import annotations

from lepton_jlab.grammar.words import (
    CLUSTER,
    DATASET,
    FORCE,
    HERE,
    OUT,
    Command,
    argument,
    command,
    option,
    switch,
)
from lepton_jlab.readers import positive, words

CHECKS = (
    *("label", "duplicate", "near-duplicate", "leakage", "nonfinite", "constant", "broken"),
    *("outlier", "schema"),
)
CONFLICTS = ("first", "last", "majority", "drop", "keep", "error")
KINDS = ("image", "boxes", "text", "plot", "row")
POLICIES = ("majority", "unanimous", "latest")

COMMANDS: tuple[Command, ...] = (
    command(
        "data clean",
        "Find wrong labels, copies, broken and strange samples; write the dataset without them.",
        DATASET,
        option(
            "--checks",
            metavar="A,B",
            help=f"look only for these: {', '.join(CHECKS)} (default: all)",
            read=words,
        ),
        option(
            "--apply",
            metavar="OUT",
            help="write the dataset without what was found (outliers stay); PATH stays as it is",
            completes="dataset",
        ),
        option(
            "--schema",
            metavar="FILE",
            help='JSON, what values may be: {"x": {"min": 0, "max": 1}, "id": {"unique": true}}',
            completes="file",
        ),
        option("--epochs", metavar="N", help="for the models that find labels", read=positive),
        HERE,
        CLUSTER,
        switch("-f", "--force", help="replace OUT if it is there"),
        OUT,
    ),
    command(
        "data fuse",
        "Make several datasets one, without copying them; count what they have in common.",
        argument("PATH", help="two datasets or more", count="+", completes="dataset"),
        option("--out", metavar="OUT", help="the new dataset", completes="dataset"),
        option(
            "--map",
            metavar="FILE",
            help='JSON, new class names by old: {"sneaker": "shoe", "B.zarr": {"misc": null}}',
            completes="file",
        ),
        option("--on", metavar="KEY", help="join two by an array of keys instead"),
        switch("--dedup", help="leave out samples that an earlier one has"),
        option(
            "--conflicts",
            metavar="|".join(CONFLICTS),
            help="which of equal samples with different labels stays (default: first)",
            choices=CONFLICTS,
            default="first",
        ),
        HERE,
        CLUSTER,
        switch("-f", "--force", help="replace OUT if it is there"),
    ),
    command(
        "data label",
        "Label samples by keys, in the notebook; show, export, import or apply the labels.",
        DATASET,
        option(
            "--classes",
            metavar="A,B",
            help="names of the classes (default: those of the dataset); new ones come last",
            read=words,
        ),
        option(
            "--kind",
            metavar="|".join(KINDS),
            help="how samples are shown and what a label is of (default: what they look like)",
            choices=KINDS,
        ),
        option("--annotator", help="who labels (default: you)"),
        option("--name", help="of these labels among others of the dataset", default="labels"),
        option(
            "--order",
            metavar="sequence|random",
            help="which samples come first (a model's doubt: lepton.label(…, model=…))",
            choices=("sequence", "random"),
            default="sequence",
        ),
        option(
            "--export",
            metavar="FILE",
            help="write them: NAME.csv, NAME.json (COCO), or a folder (Pascal VOC)",
            completes="file",
            excludes="what",
        ),
        option(
            "--import",
            metavar="FILE",
            help="add those of such a file or folder",
            completes="file",
            excludes="what",
        ),
        option(
            "--apply",
            metavar="DEST",
            help="write the samples on which annotators decide, with y, as a new dataset",
            completes="dataset",
            excludes="what",
        ),
        option(
            "--policy",
            metavar="|".join(POLICIES),
            help="how annotators decide",
            choices=POLICIES,
            default="majority",
        ),
        FORCE,
        OUT,
    ),
)
