"""What knows nothing of prices: threads for blocking calls, logs, the data folder, files written safely."""
