# Endpoint 1 on port 8010
python client.py --endpoint endpoint1 --account-key KEY --port 8010 &

# Endpoint 2 on port 8011
python client.py --endpoint endpoint2 --account-key KEY --port 8011 &

# App can use both
curl http://localhost:8010/v1/completions -d '{...}'
curl http://localhost:8011/v1/completions -d '{...}'
