"""What every process does on its machine: files, pauses between attempts, addresses to listen on."""
