"""Environments that need memory."""
