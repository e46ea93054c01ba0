# Set once
export VAST_ACCOUNT_KEY="your-account-key"
export VAST_ENDPOINT="my-endpoint"

# Just run
python client.py
