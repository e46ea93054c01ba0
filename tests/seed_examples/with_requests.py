import requests

# Regular request (default workload=1.0)
response = requests.post(
    "http://localhost:8010/v1/chat/completions",
    json={
        "model": "llama-2-7b",
        "messages": [{"role": "user", "content": "Hello!"}],
        "max_tokens": 100,
    }
)

print(response.json())
