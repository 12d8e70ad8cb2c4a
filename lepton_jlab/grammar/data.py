"""The words that make datasets and show them."""

from __future__ import annotations

from lepton_jlab.grammar.words import Command, argument, command, option, switch

CODECS = (
    *("auto", "none", "blosc-lz4", "blosc-lz4-bitshuffle", "blosc-lz4hc", "blosc-zstd"),
    *("blosc-zstd-bitshuffle", "blosc-zstd-9", "zstd", "zstd-19", "gzip", "delta-zstd"),
)
GOALS = ("balanced", "speed", "size")

COMMANDS: tuple[Command, ...] = (
    command(
        "data import",
        "Make a compressed Zarr dataset from files or a known collection.",
        argument(
            "SRC",
            help="fashion-mnist, keras:NAME, .npz, .npy, IDX, CSV, Parquet, JSON lines, HDF5, "
            "netCDF, .wav, .txt, COCO, VOC, a folder of images by class; a Zarr dataset, to write "
            "it with another codec",
            completes="source",
        ),
        argument("DEST", help="the new dataset, such as digits.zarr", completes="dataset"),
        option(
            "--codec",
            metavar="NAME",
            help="blosc-zstd by default; auto tries those that fit on a sample of each array",
            choices=CODECS,
        ),
        option(
            "--for",
            metavar="|".join(GOALS),
            help="choose the codec by trial for speed of training, for size, or balanced (as auto)",
            choices=GOALS,
        ),
        option(
            "--chunk",
            metavar="N|SIZE",
            help="samples in a chunk, or its size: 1MiB (default: auto, about 1 MiB)",
            default="auto",
        ),
        option(
            "--shard",
            metavar="N|SIZE",
            help="samples or size of files with several chunks; none: a file a chunk (default: "
            "auto, shards instead of more than 10,000 files)",
            default="auto",
        ),
        option(
            "--max-error",
            metavar="E",
            help="round floats by this much at most, so that they compress better",
            read=float,
        ),
        option("--label", metavar="COLUMN", help="the column of a table that is the label"),
        switch("-f", "--force", help="replace DEST if it is there"),
    ),
    command(
        "data info",
        "Show a dataset: its arrays, how they are cut and compressed, samples, labels.",
        argument("PATH", help="folder or address of the dataset", completes="dataset"),
    ),
    command(
        "data list",
        "List the datasets in a folder.",
        argument("FOLDER", help="where (default: here)", count="?", default=".", completes="file"),
    ),
)
