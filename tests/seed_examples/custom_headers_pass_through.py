import requests

response = requests.post(
    "http://localhost:8010/v1/completions",
    headers={
        "X-Serverless-Cost": "500",  # Used by proxy for routing
        "X-Custom-Header": "value",   # Passed through to worker
    },
    json={...}
)
