# No arguments = interactive prompts
python client.py
