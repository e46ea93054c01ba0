"""Tests of Ollama's API as a dialect."""
