"""The recipe that made the lab model: corpus, tokenizer and pretraining."""
