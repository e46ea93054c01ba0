from client import VastClient
import asyncio

async def main():
    # Initialize client
    client = VastClient(
        endpoint_name="my-endpoint",
        api_key="YOUR_ENDPOINT_KEY",
        port=8010,  # Optional, defaults to 8010
        host="127.0.0.1",  # Optional
    )

    # Start the proxy
    await client.start()

    # Now use client.url with any SDK!
    print(f"Proxy running at: {client.url}")

    # Example with OpenAI SDK
    from openai import OpenAI
    openai_client = OpenAI(
        base_url=f"{client.url}/v1",
        api_key="not-used"
    )

    response = openai_client.chat.completions.create(
        model="llama-2-7b",
        messages=[{"role": "user", "content": "Hello!"}]
    )

    print(response.choices[0].message.content)

    # Keep running (or await client.stop() to shut down)
    await asyncio.sleep(3600)
    await client.stop()

# Run it
asyncio.run(main())
