"""One training run: a configuration goes in, a folder that explains itself comes out."""
