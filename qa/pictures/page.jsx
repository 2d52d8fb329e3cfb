// Draws one payload, which `draw.py` puts beside this file, as Slack's and as Discord's clients show it.
import { createRoot } from "react-dom/client";
import { Message } from "slack-blocks-to-jsx";
import "slack-blocks-to-jsx/dist/style.css";
import "@skyra/discord-components-core";
import { chat, theme, payload, sentAt } from "./payload.json";

const PEOPLE = { UANA: "ana", UBO: "bo" };

// `data_table` is newer than the library: it gets the cells of a `table`. The library also leaves `verbatim` text as it is,
// while Slack still reads its mentions, links and dates.
function drawable(block) {
  const plain = JSON.parse(JSON.stringify(block, (key, value) => (key === "verbatim" ? undefined : value)));
  if (block.type !== "data_table") return plain;
  return { ...plain, type: "table" };
}

function Slack() {
  const users = Object.entries(PEOPLE).map(([id, name]) => ({ id, name }));
  return (
    <Message
      name="meterbot"
      logo={LOGO}
      theme={theme}
      time={new Date(sentAt)}
      blocks={payload.blocks.map(drawable)}
      data={{ users }}
      showBlockKitDebug={false}
    />
  );
}

const LOGO =
  "data:image/svg+xml;utf8," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><rect width="40" height="40" rx="8" fill="#2d6a4f"/>' +
      '<rect x="8" y="22" width="6" height="10" fill="#fff"/><rect x="17" y="15" width="6" height="17" fill="#fff"/>' +
      '<rect x="26" y="8" width="6" height="24" fill="#fff"/></svg>',
  );

// Discord's markdown, as far as meterbot uses it.
function marked(text) {
  const parts = text.split(/(```\n[^]*?```|\*\*.*?\*\*|<t:\d+(?::\w)?>|<@\w+>)/);
  return parts.map((part, key) => {
    if (part.startsWith("```")) return <discord-code multiline key={key}>{part.slice(4, -3)}</discord-code>;
    if (part.startsWith("**")) return <discord-bold key={key}>{part.slice(2, -2)}</discord-bold>;
    if (part.startsWith("<t:")) return <discord-time key={key} timestamp={new Date(Number(part.match(/\d+/)[0]) * 1000).toISOString()} />;
    if (part.startsWith("<@")) return <discord-mention key={key}>{PEOPLE[part.slice(2, -1)] ?? "somebody"}</discord-mention>;
    return part.replace(/\\(.)/g, "$1").split("\n").flatMap((line, at) => (at ? [<br key={`${key}-${at}`} />, line] : [line]));
  });
}

const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "destructive", 5: "link" };

function Discord() {
  return (
    <discord-messages light-theme={theme === "light" ? "" : undefined} no-background={undefined}>
      <discord-message author="meterbot" bot avatar={LOGO} timestamp={sentAt}>
        {marked(payload.content)}
        {payload.embeds.map((embed, key) => (
          <discord-embed
            slot="embeds"
            key={key}
            embed-title={embed.title}
            color={`#${(embed.color ?? 0).toString(16).padStart(6, "0")}`}
            image={payload.image}
          >
            <discord-embed-description slot="description">{marked(embed.description ?? "")}</discord-embed-description>
            <discord-embed-fields slot="fields">
              {(embed.fields ?? []).map((field, at) => (
                <discord-embed-field key={at} field-title={field.name} inline={field.inline ? "" : undefined}>
                  {marked(field.value)}
                </discord-embed-field>
              ))}
            </discord-embed-fields>
            {embed.footer ? <discord-embed-footer slot="footer">{embed.footer.text}</discord-embed-footer> : null}
          </discord-embed>
        ))}
        <discord-attachments slot="components">
          {payload.components.map((row, key) => (
            <discord-action-row key={key}>
              {row.components.map((button, at) => (
                <discord-button key={at} type={STYLES[button.style]}>{button.label}</discord-button>
              ))}
            </discord-action-row>
          ))}
        </discord-attachments>
      </discord-message>
    </discord-messages>
  );
}

document.body.style.cssText = `margin:0;padding:12px;background:${theme === "dark" ? "#1a1d21" : "#ffffff"}`;
createRoot(document.getElementById("root")).render(chat === "slack" ? <Slack /> : <Discord />);
