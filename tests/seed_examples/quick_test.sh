# Start proxy
python client.py

# In another terminal - Test GET request
curl http://localhost:8010/v1/models

# Test POST request (default workload=1.0)
curl http://localhost:8010/v1/completions \
  -H "Content-Type: application/json" \
  -d '{"prompt": "Hello", "max_tokens": 50}'

# Test POST request with explicit workload cost
curl http://localhost:8010/v1/completions \
  -H "Content-Type: application/json" \
  -H "X-Serverless-Cost: 500" \
  -d '{"prompt": "Long story", "max_tokens": 2000}'

# Test streaming
curl http://localhost:8010/v1/completions \
  -H "Content-Type: application/json" \
  -d '{"prompt": "test", "stream": true}' \
  --no-buffer
