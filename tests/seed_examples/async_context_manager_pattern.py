from client import VastClient
import asyncio

async def main():
    client = VastClient(endpoint_name="my-endpoint", api_key="KEY")

    try:
        await client.start()

        # Your code here
        print(f"Use: {client.url}")
        await asyncio.sleep(3600)

    finally:
        await client.stop()

asyncio.run(main())
