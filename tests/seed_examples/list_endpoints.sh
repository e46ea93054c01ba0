# With flag
python client.py --list --account-key YOUR_KEY

# With env var
export VAST_ACCOUNT_KEY="your-key"
python client.py --list

# With file
echo "your-key" > ~/.vast_api_key
python client.py --list
