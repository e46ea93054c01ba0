"""Tests of Anthropic Messages as a dialect."""
