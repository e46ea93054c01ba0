import requests

# Step 1: Get worker assignment
route_response = requests.post(
    "https://run.vast.ai/route/",
    headers={"Authorization": f"Bearer {endpoint_api_key}"},
    json={"endpoint": "/v1/completions", "cost": 100},
)
routing = route_response.json()

# Step 2: Wrap request
payload = {
    "auth_data": {
        "cost": routing["cost"],
        "endpoint": "/v1/completions",
        "reqnum": routing["reqnum"],
        "request_idx": routing["request_idx"],
        "signature": routing["signature"],
        "url": routing["url"],
    },
    "payload": {
        "prompt": "test",
        "max_tokens": 100,
    }
}

# Step 3: Send to worker
response = requests.post(routing["url"], json=payload)
