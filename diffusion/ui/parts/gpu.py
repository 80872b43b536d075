"""A GPU that a Space lends for the length of one call."""

try:
    from spaces import GPU as on_gpu  # ZeroGPU
except ImportError:

    def on_gpu(function):
        return function


__all__ = ["on_gpu"]
