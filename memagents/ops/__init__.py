"""Tensors in, tensors out: the pieces memories unroll with.

What runs over time handles episode starts; `addressing` sees one step, and leaves them to `controller.unroll`.
"""
