# Create key file
echo "your-account-key" > ~/.vast_api_key

# Run with endpoint name
python client.py --endpoint my-endpoint
