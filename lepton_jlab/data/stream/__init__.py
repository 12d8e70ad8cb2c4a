"""Streaming: stored chunks, decoded in parallel into windows, given out as shuffled batches."""
