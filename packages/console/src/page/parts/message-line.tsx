/** One message of a conversation, its state, and what can be done with it. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { FileView, LineView } from "../../back/port.ts";
import { attempt, back } from "../state.ts";
import { ActButton } from "./act-button.tsx";
import { Text } from "./text.tsx";
import { size, STATES, visible, when } from "./words.ts";

interface Props {
  line: LineView;
  agent: string;
  with: string;
  isCurrent: boolean;
  onReply: (line: LineView) => void;
}

export function MessageLine({ line, agent, with: name, isCurrent, onReply }: Props): JSX.Element {
  const whole = useSignal<string | undefined>(undefined);
  const row = useRef<HTMLElement>(null);
  useEffect(() => {
    // Where somebody types nothing is taken away.
    const { activeElement } = document;
    if (isCurrent && activeElement?.matches("input, textarea") !== true) row.current?.focus({ preventScroll: true });
  }, [isCurrent]);
  if (line.kind === "alert")
    return (
      <article ref={row} class="line alert" tabIndex={-1} data-line={line.id} aria-current={isCurrent}>
        <p class="meta">{when(line.at)}, this agent was told:</p>
        <Text text={line.body} />
      </article>
    );
  const isOpen = line.kind === "came" && line.state === "unhandled";
  const { more } = line;
  const showAll = async (): Promise<void> => {
    const found = await back.value?.call("whole", { agent, with: name, id: line.id });
    whole.value = found?.body;
  };
  return (
    <article ref={row} class={`line ${line.kind}`} tabIndex={-1} data-line={line.id} aria-current={isCurrent}>
      <p class="meta">
        <strong>{line.kind === "sent" ? "You" : <bdi>{visible(line.from)}</bdi>}</strong>
        {line.human && <span class="tag">person</span>}
        {line.kind === "came" && <span class={`tag ${line.tier}`}>{line.verified ? "verified" : line.tier}</span>}
        {line.expectsReply && <span class="tag question">asks for a reply</span>}
        <time dateTime={new Date(line.at).toISOString()}>{when(line.at)}</time>
        <StateWord line={line} />
      </p>
      {line.instead === undefined ? <Text text={whole.value ?? line.body} /> : <p class="instead">{line.instead}</p>}
      {more > 0 && whole.value === undefined && (
        <ActButton quiet act={showAll}>
          Show {more} more characters
        </ActButton>
      )}
      <Files line={line} agent={agent} />
      {line.kind === "came" && (
        <div class="row tools">
          <button type="button" class="quiet" onClick={() => onReply(line)}>
            Reply
          </button>
          {isOpen && (
            <ActButton
              quiet
              label={`Handled: message of ${when(line.at)}`}
              act={async () => back.value?.call("settle", { agent, id: line.id, as: "handled" })}
            >
              Handled
            </ActButton>
          )}
        </div>
      )}
    </article>
  );
}

function StateWord({ line }: { line: LineView }): JSX.Element {
  const { state, counts, reason } = line;
  const far =
    counts === undefined
      ? ""
      : ` ${counts[state === "handled" || counts.handled > 0 ? "handled" : "received"]}/${counts.all}`;
  const word = counts !== undefined && counts.handled > 0 && state === "received" ? "handled" : state;
  return (
    <span class={`state ${word}`} title={STATES[word] ?? word}>
      {word === "unhandled" ? "not handled yet" : word}
      {far}
      {reason !== undefined && reason !== state && `: ${visible(reason)}`}
    </span>
  );
}

export function Files({ line, agent }: { line: LineView; agent: string }): JSX.Element | null {
  if (line.files.length === 0) return null;
  return (
    <ul class="files">
      {line.files.map((file, index) => (
        <li key={index}>
          <FileLabel file={file} />
          {line.kind === "came" && (
            <ActButton
              quiet
              label={`Save ${visible(file.name)}`}
              act={async () => {
                const blob = await back.value?.file({ agent, id: line.id, index });
                if (blob !== undefined) download(blob, file.name);
              }}
            >
              Save
            </ActButton>
          )}
        </li>
      ))}
    </ul>
  );
}

export function FileLabel({ file: { name, bytes, state, done } }: { file: FileView }): JSX.Element {
  const far = state === "waits" && bytes > 0 ? `, ${Math.floor((100 * (done ?? 0)) / bytes)} %` : "";
  return (
    <span>
      <bdi>{visible(name)}</bdi> ({size(bytes)}
      {state === undefined || state === "waits" ? far : `, ${state}`})
    </span>
  );
}

/** Gives a file to the browser, under a name that is only a name. */
export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = visible(name).replaceAll(/[/\\]/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Saves a whole conversation as JSON Lines, the oldest message first. */
export async function exportConversation(agent: string, name: string): Promise<void> {
  await attempt(async () => {
    const pages: string[] = [];
    let before: string | undefined;
    for (;;) {
      const asked = { agent, with: name, whole: true, ...(before === undefined ? {} : { before }) };
      const lines = (await back.value?.call("lines", asked)) ?? [];
      const [first] = lines;
      if (first === undefined) break;
      pages.unshift(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
      before = first.id;
    }
    download(new Blob(pages, { type: "application/jsonl" }), `${agent}-${name.replace("@", "")}.jsonl`);
  });
}
