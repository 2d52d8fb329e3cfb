// Draws payloads, which `draw.py` puts beside this file, as Slack's and as Discord's clients show them.
import { createRoot } from "react-dom/client";
import { Message } from "slack-blocks-to-jsx";
import "slack-blocks-to-jsx/dist/style.css";
import "@skyra/discord-components-core";

const { chat, theme, messages, width, columns, sentAt } = window.SHEET;

const PEOPLE = { UANA: "ana", UBO: "bo" };

// `data_table` is newer than the library: it gets the cells of a `table`. The library also leaves `verbatim` text as it is,
// while Slack still reads its mentions, links and dates.
function drawable(block) {
  const plain = JSON.parse(JSON.stringify(block, (key, value) => (key === "verbatim" ? undefined : value)));
  if (block.type !== "data_table") return plain;
  const rows = plain.rows.map((row) => row.map((cell) => (cell.type === "raw_number" ? { ...cell, type: "raw_text" } : cell)));
  return { type: "table", rows };
}

function Slack({ payload }) {
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

function instant(mark) {
  const at = new Date(Number(mark.match(/\d+/)[0]) * 1000);
  return at.toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
}

// Discord's markdown, as far as meterbot uses it.
function marked(text) {
  const parts = text.split(/(```\n[^]*?```|\*\*.*?\*\*|<t:\d+(?::\w)?>|<@\w+>|\[[^\]]*\]\([^)]*\))/);
  return parts.map((part, key) => {
    if (part.startsWith("```")) return <discord-code multiline key={key}>{part.slice(4, -3)}</discord-code>;
    if (part.startsWith("**")) return <discord-bold key={key}>{marked(part.slice(2, -2))}</discord-bold>;
    if (part.startsWith("<t:")) return <span key={key} style={{ background: "#8884", borderRadius: 3 }}>{instant(part)}</span>;
    if (part.startsWith("[")) return <discord-link key={key} href={part.slice(part.indexOf("(") + 1, -1)}>{part.slice(1, part.indexOf("]"))}</discord-link>;
    if (part.startsWith("<@")) return <discord-mention key={key}>{PEOPLE[part.slice(2, -1)] ?? "somebody"}</discord-mention>;
    return part.replace(/\\(.)/g, "$1").split("\n").flatMap((line, at) => (at ? [<br key={`${key}-${at}`} />, line] : [line]));
  });
}

const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "destructive", 5: "link" };

function Discord({ payload }) {
  return (
    <discord-messages light-theme={theme === "light" ? "" : undefined} no-background={undefined}>
      <discord-message author="meterbot" bot avatar={LOGO} timestamp={sentAt.slice(0, 16).replace("T", " ")}>
        {marked(payload.content)}
        {payload.picture ? <img slot="attachments" src={payload.picture} style={{ maxWidth: "min(100%, 550px)", borderRadius: 8 }} /> : null}
        {payload.embeds.map((embed, key) => (
          <discord-embed
            slot="embeds"
            key={key}
            embed-title={embed.title}
            color={`#${(embed.color ?? 0).toString(16).padStart(6, "0")}`}
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

const Shown = chat === "slack" ? Slack : Discord;

function Sheet() {
  return (
    <div style={{ columns, columnGap: 0, columnFill: "balance" }}>
      {messages.map(({ name, payload }, key) => (
        <div key={key} style={{ width, padding: 12, boxSizing: "border-box", overflowX: "auto", breakInside: "avoid" }}>
          {name ? <div style={{ font: "bold 13px monospace", color: "#c0392b" }}>{name}</div> : null}
          <Shown payload={payload} />
        </div>
      ))}
    </div>
  );
}

document.body.style.cssText = `margin:0;background:${theme === "dark" ? "#1a1d21" : "#ffffff"}`;
createRoot(document.getElementById("root")).render(<Sheet />);
