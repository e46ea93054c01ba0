# Start proxy once
python client.py
