from client import VastClient, fetch_endpoint_key
import asyncio

async def main():
    # Fetch endpoint key using account key
    account_key = "YOUR_ACCOUNT_KEY"
    endpoint_key = fetch_endpoint_key(
        account_key=account_key,
        endpoint_name="my-endpoint",
        instance="prod"  # or "alpha", "candidate"
    )

    # Start client
    client = VastClient(
        endpoint_name="my-endpoint",
        api_key=endpoint_key,
    )

    await client.start()
    print(f"Proxy URL: {client.url}")

    # Use with any HTTP client
    import requests
    response = requests.get(f"{client.url}/v1/models")
    print(response.json())

    await client.stop()

asyncio.run(main())
