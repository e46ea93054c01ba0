"""The sandbox: each part by itself, and then before the SDKs that people have."""
