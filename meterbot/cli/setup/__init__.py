"""`meterbot init`: from nothing to a working configuration, and a test alert in the channel.

Read downwards: prompts (who answers, and the flags), secrets (where they come from and go to), chats and seats (each
answer is tried at once), files (the text of config.toml, and how it is written), wizard (the order of the steps).
"""
