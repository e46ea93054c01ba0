python client.py --help

Arguments:
  --endpoint ENDPOINT       Vast.ai endpoint name (or set VAST_ENDPOINT)
  --api-key KEY            Endpoint API key (or set VAST_API_KEY)
  --account-key KEY        Account API key - auto-fetches endpoint key
                           (or set VAST_ACCOUNT_KEY, or use ~/.vast_api_key)
  --list                   List available endpoints (requires account key)
  --port PORT              Local proxy port (default: 8010)
  --host HOST              Local proxy host (default: 127.0.0.1)
  --autoscaler-url URL     Autoscaler URL (default: https://run.vast.ai)
  --instance INSTANCE      Vast.ai instance: prod, alpha, candidate (default: prod)
  --debug                  Enable debug logging
