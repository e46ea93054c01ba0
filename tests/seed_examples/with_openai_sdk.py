from openai import OpenAI

# Point at the proxy - it handles all Vast.ai routing!
client = OpenAI(
    base_url="http://localhost:8010/v1",
    api_key="not-used"  # Proxy handles authentication
)

# Use normally - streaming works automatically
response = client.chat.completions.create(
    model="llama-2-7b",
    messages=[{"role": "user", "content": "Hello!"}],
    stream=True,  # Native streaming support!
)

for chunk in response:
    if chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="")
