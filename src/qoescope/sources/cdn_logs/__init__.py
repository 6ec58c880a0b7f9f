"""CDN logs: media requests as CDNs write them down, a format a module; the CMCD on them becomes rows of `reports`."""
