"""Agents: policies, buffers, environments and algorithms, in the words of stable-baselines3."""
