"""OpenAI's chat completions, and all that speak them: DeepSeek, vLLM, llama.cpp, gateways."""
