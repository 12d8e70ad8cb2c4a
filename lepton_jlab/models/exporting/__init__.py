"""Models in other forms: LiteRT, ONNX, SavedModel, a folder for small machines; each checked."""
