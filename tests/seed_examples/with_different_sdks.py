# OpenAI SDK
from openai import OpenAI
client = OpenAI(base_url="http://localhost:8010/v1", api_key="x")

# Anthropic SDK (if your backend is compatible)
from anthropic import Anthropic
client = Anthropic(base_url="http://localhost:8010", api_key="x")

# LangChain
from langchain.llms import OpenAI
llm = OpenAI(openai_api_base="http://localhost:8010/v1", openai_api_key="x")

# Plain requests
import requests
requests.post("http://localhost:8010/v1/chat/completions", json={...})
