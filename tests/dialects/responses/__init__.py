"""Tests of OpenAI's Responses as a dialect."""
