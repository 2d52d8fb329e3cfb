// A bot in JavaScript, for the simulated Slack: answers one command and one button, and edits what it posted.
const { App } = require(`${process.env.PEERS}/@slack/bolt`);

const app = new App({
  token: process.env.BOT_TOKEN,
  appToken: process.env.APP_TOKEN,
  socketMode: true,
  logLevel: "error",
  clientOptions: { slackApiUrl: process.env.API_URL },
});

app.command("/claude-spend", async ({ ack, respond, command }) => {
  await ack();
  await respond({ text: `answer to ${command.text}` });
});

app.action(/.*/, async ({ ack, respond, action }) => {
  await ack();
  await respond({ text: `answer to ${action.value}`, replace_original: false });
});

(async () => {
  await app.start();
  const button = { type: "button", action_id: "a", value: "snooze:1h", text: { type: "plain_text", text: "Snooze" } };
  const posted = await app.client.chat.postMessage({
    channel: process.env.CHANNEL,
    text: "before",
    metadata: { event_type: "meterbot_delivery", event_payload: { delivery: "delivery1" } },
  });
  await app.client.chat.update({
    channel: posted.channel,
    ts: posted.ts,
    text: "after",
    blocks: [{ type: "actions", elements: [button] }],
  });
})();
