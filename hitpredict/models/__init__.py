"""The bundled model: one `.onnx` file with everything scoring needs, and its card beside it."""
