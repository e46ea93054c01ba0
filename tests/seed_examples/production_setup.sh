# Create config
echo "your-account-key" > ~/.vast_api_key
export VAST_ENDPOINT="production-endpoint"

# Run proxy
python client.py

# Deploy your app pointing at localhost:8010
