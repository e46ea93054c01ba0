"""Tests of the dialects: without a socket, but for those in which the SDKs themselves read what comes out."""
