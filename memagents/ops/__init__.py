"""Tensors in, tensors out: the pieces memories unroll with. Every one of them handles episode starts."""
