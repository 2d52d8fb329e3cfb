"""What `meterbot init` does: from nothing to a configuration that works, and a test alert in the channel.

Read downwards: asking (whom, and what was said in flags), secrets (where they come from and go to), chats and seats
(one step each, tried as it is answered), draft (the text of config.toml; pure), keeping (the files), wizard (the story).
"""
