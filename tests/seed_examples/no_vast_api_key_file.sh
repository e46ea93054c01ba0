# Create it
echo "your-account-key" > ~/.vast_api_key
chmod 600 ~/.vast_api_key  # Secure it
