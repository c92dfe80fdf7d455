"""What in the sound moves a score. Light: NumPy, soxr, pedalboard and ONNX Runtime alone."""
