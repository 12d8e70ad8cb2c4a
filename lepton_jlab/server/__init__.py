"""The Jupyter server extension: REST and one websocket, nothing but a view on the Python API."""
