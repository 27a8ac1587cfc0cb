"""OpenAI's two protocols, and all that speak the first: DeepSeek, vLLM, llama.cpp, gateways."""
