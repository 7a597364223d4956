"""Puts this folder on the path of imports, for `small_agents`."""
