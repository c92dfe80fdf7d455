"""From a model folder to one `.onnx` file."""
