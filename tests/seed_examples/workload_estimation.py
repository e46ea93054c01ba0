# For token-based workload:
# Estimate tokens, set as cost
estimated_tokens = len(prompt.split()) * 1.5 + max_tokens
headers = {"X-Serverless-Cost": str(estimated_tokens)}

# For request-based workload:
# Each request = 1.0 workload
headers = {"X-Serverless-Cost": "1.0"}

response = requests.post(
    "http://localhost:8010/endpoint",
    headers=headers,
    json={...}
)
