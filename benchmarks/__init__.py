"""Every compute figure of the design, measured side by side with its floor or its peers."""

# Each is a module with `measure(rounds, quick)`; in the order of the table.
GROUPS = (
    "imports",
    "empty",
    "first_step",
    "cells",
    "ready",
    "cancel",
    "output",
    "attach",
    "search",
    "tls",
    "tiers",
    "storage",
    "remote",
    "stream",
    "decoders",
    "training_data",
    "server",
    "lab",
    "cleaning",
    "cleaning_table",
    "labelling",
    "offline",
    "exports",
    "serving",
)
