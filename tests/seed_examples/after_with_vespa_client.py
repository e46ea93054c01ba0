from openai import OpenAI

client = OpenAI(base_url="http://localhost:8010/v1", api_key="x")
response = client.chat.completions.create(
    model="llama-2-7b",
    messages=[{"role": "user", "content": "Hello!"}]
)
