# Basic
python client.py --endpoint my-endpoint --account-key YOUR_ACCOUNT_KEY

# Custom port
python client.py --endpoint my-endpoint --account-key YOUR_KEY --port 8080

# Debug mode
python client.py --endpoint my-endpoint --account-key YOUR_KEY --debug
