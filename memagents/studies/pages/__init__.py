"""Pages for a browser, each one file that needs nothing else: what all of them are made of."""
