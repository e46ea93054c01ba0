import requests

# Specify cost explicitly via header
response = requests.post(
    "http://localhost:8010/v1/completions",
    headers={"X-Serverless-Cost": "500"},  # Indicate 500 workload units
    json={
        "prompt": "Write a long story",
        "max_tokens": 1000,
    }
)
