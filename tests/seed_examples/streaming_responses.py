import requests

# Streaming is detected automatically!
response = requests.post(
    "http://localhost:8010/v1/completions",
    json={"prompt": "test", "stream": True},
    stream=True,
)

for chunk in response.iter_content(chunk_size=None):
    print(chunk.decode(), end="")
