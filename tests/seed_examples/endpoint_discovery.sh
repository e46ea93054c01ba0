# List all your endpoints
python client.py --list --account-key YOUR_KEY
