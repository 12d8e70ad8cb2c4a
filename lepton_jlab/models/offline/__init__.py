"""Offline prediction: a dataset through a model into a new dataset, by chunks, on all workers."""
