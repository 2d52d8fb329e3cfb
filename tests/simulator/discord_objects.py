"""Discord's JSON objects, as its OpenAPI description wants them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

EPHEMERAL = 64
_LOADING = 128
_EPOCH_MS = 1_420_070_400_000


def snowflake(at: datetime) -> int:
    """The first id of this instant's millisecond."""
    return (int(at.timestamp() * 1000) - _EPOCH_MS) << 22


def user(user_id: str, name: str, *, bot: bool = False) -> Json:
    return {
        "id": user_id,
        "username": name,
        "avatar": None,
        "discriminator": "0",
        "public_flags": 0,
        "flags": 0,
        "global_name": None,
        "primary_guild": None,
        "bot": bot,
    }


def myself(bot: Json) -> Json:
    return {**bot, "mfa_enabled": False, "locale": "en-US"}


def member(person: Json, joined_at: datetime, roles: Iterable[str] = ()) -> Json:
    return {
        "user": person,
        "nick": None,
        "avatar": None,
        "roles": [*roles],
        "joined_at": stamp(joined_at),
        "deaf": False,
        "mute": False,
        "flags": 0,
        "permissions": "2147483647",
    }


def application(application_id: str, owner: Json) -> Json:
    return {
        "id": application_id,
        "name": "meterbot",
        "icon": None,
        "description": "",
        "type": None,
        "verify_key": "00" * 32,
        "flags": 0,
        "flags_new": "0",
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "owner": owner,
        "approximate_guild_count": 1,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": [],
        "bot_public": True,
        "bot_require_code_grant": False,
    }


def guild(guild_id: str, owner_id: str, channels: list[Json]) -> Json:
    """What GUILD_CREATE brings (gateway events are not in the OpenAPI description)."""
    return {
        "id": guild_id,
        "name": "the team",
        "owner_id": owner_id,
        "roles": [],
        "emojis": [],
        "features": [],
        "channels": channels,
        "members": [],
        "member_count": 2,
        "unavailable": False,
    }


def full_guild(guild_id: str, owner_id: str, everyone: int) -> Json:
    """What GET answers: a server with one role, which everybody has."""
    role = {
        "id": guild_id,
        "name": "@everyone",
        "permissions": str(everyone),
        "position": 0,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }
    absent = (
        "icon", "description", "home_header", "splash", "discovery_splash", "banner", "application_id",
        "afk_channel_id", "system_channel_id", "widget_channel_id", "max_presences", "vanity_url_code",
        "rules_channel_id", "safety_alerts_channel_id", "public_updates_channel_id", "incidents_data",
    )  # fmt: skip
    zero = (
        "system_channel_flags", "verification_level", "default_message_notifications", "mfa_level",
        "explicit_content_filter", "max_stage_video_channel_users", "max_video_channel_users", "premium_tier",
        "premium_subscription_count", "nsfw_level",
    )  # fmt: skip
    return {
        **dict.fromkeys(absent),
        **dict.fromkeys(zero, 0),
        "id": guild_id,
        "name": "the team",
        "owner_id": owner_id,
        "region": "deprecated",
        "roles": [role],
        "emojis": [],
        "stickers": [],
        "features": [],
        "afk_timeout": 300,
        "max_members": 500_000,
        "preferred_locale": "en-US",
        "premium_progress_bar_enabled": False,
        "widget_enabled": False,
        "nsfw": False,
    }


def full_member(person: Json, joined_at: datetime) -> Json:
    """What GET answers of a member without any role but everybody's."""
    absent = ("avatar", "banner", "communication_disabled_until", "nick", "premium_since")
    membership = {"user": person, "roles": [], "joined_at": stamp(joined_at), "flags": 0}
    return {**dict.fromkeys(absent), **dict.fromkeys(("pending", "mute", "deaf"), False), **membership}


def channel(channel_id: str, guild_id: str, last_message_id: str | None) -> Json:
    return {
        "id": channel_id,
        "type": 0,
        "flags": 0,
        "guild_id": guild_id,
        "name": "claude-spend",
        "position": 0,
        "last_message_id": last_message_id,
    }


THREADS = (10, 11, 12)
"""The types of channels that are threads."""


def thread(owner_id: str) -> Json:
    """What a thread has beside what every channel has."""
    return {
        "owner_id": owner_id,
        "thread_metadata": {
            "archived": False,
            "auto_archive_duration": 1440,
            "archive_timestamp": "2026-04-30T10:00:00+00:00",
            "locked": False,
        },
        "message_count": 0,
        "member_count": 1,
        "total_message_sent": 0,
    }


def direct_channel(channel_id: str, person: str, last_message_id: str | None) -> Json:
    return {
        "id": channel_id,
        "type": 1,
        "flags": 0,
        "last_message_id": last_message_id,
        "recipients": [user(person, "somebody")],
    }


def command(sent: Mapping[str, Any], *, command_id: str, application_id: str, guild_id: str | None) -> Json:
    known = {
        "default_member_permissions": None,
        "type": 1,
        "description": "",  # which the entries of menus have none of
        "id": command_id,
        "application_id": application_id,
        "version": command_id,
    }
    return {**known, **_without_none(sent), **({"guild_id": guild_id} if guild_id else {})}


def message(message_id: str, channel_id: str, author: Json, at: datetime, sent: Mapping[str, Any]) -> Json:
    """A new message out of the body of the request that made it."""
    made: Json = {
        "id": message_id,
        "channel_id": channel_id,
        "type": 0,
        "author": author,
        "attachments": _attached(sent),
        "timestamp": stamp(at),
        "edited_timestamp": None,
        "flags": sent.get("flags") or 0,
        "mention_roles": [],
        "pinned": False,
        "tts": False,
    }
    made |= _said(sent)
    if sent.get("nonce") is not None:
        made["nonce"] = sent["nonce"]
    reference = sent.get("message_reference")
    if reference:
        made["type"] = 19
        made["message_reference"] = {
            "type": 0,
            "channel_id": channel_id,
            "message_id": str(reference["message_id"]),
        }
    return made


def edited(old: Json, sent: Mapping[str, Any], at: datetime) -> Json:
    """The message after an edit; what the request does not name is unchanged."""
    known = {
        "content": old["content"],
        "embeds": old["embeds"],
        "components": old["components"],
        "allowed_mentions": {"parse": []},
    }
    flags = old["flags"] & ~_LOADING
    attached = {"attachments": _attached(sent)} if "attachments" in sent else {}
    said = _said(known | _without_none(sent))
    return {**old, **said, **attached, "flags": flags, "edited_timestamp": stamp(at)}


def _attached(sent: Mapping[str, Any]) -> list[Json]:
    """The files of a message, as they are answered."""
    return [
        {
            "id": str(number),
            "filename": file["filename"],
            "description": file.get("description"),
            "content_type": "image/png",
            "size": file["size"],
            "url": f"https://cdn.example/{file['filename']}",
            "proxy_url": f"https://media.example/{file['filename']}",
        }
        for number, file in enumerate(sent.get("attachments") or (), start=1)
    ]


def loading(message_id: str, channel_id: str, author: Json, at: datetime, flags: int) -> Json:
    """The placeholder of a deferred answer."""
    return message(message_id, channel_id, author, at, {"flags": flags | _LOADING})


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _said(sent: Mapping[str, Any]) -> Json:
    content = sent.get("content") or ""
    return {
        "content": content,
        "embeds": [_embed(embed) for embed in sent.get("embeds") or []],
        "components": [_row(number, row) for number, row in enumerate(sent.get("components") or [], start=1)],
        **_pinged(content, sent.get("allowed_mentions")),
    }


def _pinged(content: str, allowed: Mapping[str, Any] | None) -> Json:
    """The people whom the message notifies: everybody it names, unless `allowed_mentions` says otherwise."""
    parse = ["users", "everyone"] if allowed is None else allowed.get("parse") or []
    users = {part.partition(">")[0].lstrip("!") for part in content.split("<@")[1:]}
    named = {user_id for user_id in users if user_id.isdigit()}
    if "users" not in parse:
        named &= set((allowed or {}).get("users") or [])
    everyone = "everyone" in parse and ("@everyone" in content or "@here" in content)
    return {
        "mentions": [user(user_id, f"user-{user_id}") for user_id in sorted(named)],
        "mention_everyone": everyone,
    }


def _embed(sent: Mapping[str, Any]) -> Json:
    fields = [{"inline": False, **field} for field in sent.get("fields") or []]
    return {"type": "rich", **_without_none(sent), "fields": fields}


def _row(number: int, sent: Mapping[str, Any]) -> Json:
    first = number * 10
    buttons = [{"id": first + place, **button} for place, button in enumerate(sent["components"], start=1)]
    return {"type": 1, "id": first, "components": buttons}


def _without_none(sent: Mapping[str, Any]) -> Json:
    return {key: value for key, value in sent.items() if value is not None}
