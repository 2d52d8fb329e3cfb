"""Which deliveries have nothing left to say when their turn comes."""

from meterbot.core.deliveries import ActionKind, Delivery, DeliveryKind, Purpose


def needless(delivery: Delivery) -> str | None:
    """Why nothing has to be sent; None if something has."""
    if delivery.kind is DeliveryKind.POST:
        return None
    if delivery.root is None:
        return "the message it refers to was never posted"
    if delivery.kind is DeliveryKind.EDIT:
        unchanged = delivery.message is None and delivery.shown_hash == delivery.content.content_hash
        return "the message shows it already" if unchanged else None
    if delivery.purpose is Purpose.ALERT:
        return (
            "the message already said so when it was posted"
            if delivery.event.key in delivery.posted_events
            else None
        )
    return _needless_reminder(delivery) if delivery.purpose is Purpose.REMINDER else None


def _needless_reminder(reminder: Delivery) -> str | None:
    if reminder.event.key in reminder.content.endings:
        return "it is over"
    acknowledged = any(
        action.kind is ActionKind.ACK and action.alert == reminder.event.key and action.undone_at is None
        for action in reminder.content.actions
    )
    return "somebody is taking care of it" if acknowledged else None
