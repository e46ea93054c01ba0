python client.py --endpoint my-endpoint --account-key YOUR_KEY
