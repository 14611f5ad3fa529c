"""Trained networks as graphs for other runtimes: ONNX files, and programs of ``torch.export``."""
