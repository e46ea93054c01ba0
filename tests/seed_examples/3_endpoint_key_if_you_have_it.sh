python client.py --endpoint my-endpoint --api-key ENDPOINT_KEY
