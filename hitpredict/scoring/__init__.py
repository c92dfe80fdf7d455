"""From sound to a prediction, with ONNX Runtime. Light: NumPy and ONNX Runtime alone."""
