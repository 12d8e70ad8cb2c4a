"""What each route answers: one call of the Python API, its arguments and its result as JSON."""
