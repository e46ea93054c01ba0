from client import VastClient
import asyncio

async def main():
    client = VastClient(
        endpoint_name="my-endpoint",
        api_key="YOUR_KEY",
    )

    # Start and run until interrupted
    await client.run_forever()

asyncio.run(main())
