"""Variables, gradients and the compiled step."""
