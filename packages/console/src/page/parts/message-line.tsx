/** One message of a conversation, its state, and what can be done with it. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { LineView } from "../../back/port.ts";
import { attempt, back } from "../state.ts";
import { ActButton } from "./act-button.tsx";
import { Body } from "./body.tsx";
import { download } from "./files.tsx";
import { Text } from "./text.tsx";
import { meaningOf, visible, when } from "./words.ts";

interface Props {
  line: LineView;
  /** The beginning of the message that it answers, if that is known. */
  answers: string | undefined;
  agent: string;
  with: string;
  isCurrent: boolean;
  onReply: (line: LineView) => void;
}

/** So much of an answered message is shown. Characters. */
const ANSWERED = 120;

export function MessageLine({ line, answers, agent, with: name, isCurrent, onReply }: Props): JSX.Element {
  const row = useRef<HTMLElement>(null);
  // Of a button that has done its work and gone, the message has the focus.
  const { state } = line;
  const before = useRef(state);
  useEffect(() => {
    if (before.current !== state && document.activeElement === document.body)
      row.current?.focus({ preventScroll: true });
    before.current = state;
  }, [state]);
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
  return (
    <article ref={row} class={`line ${line.kind}`} tabIndex={-1} data-line={line.id} aria-current={isCurrent}>
      <p class="meta">
        <strong>{line.kind === "sent" && line.human ? "You" : <bdi>{visible(line.from)}</bdi>}</strong>
        {line.kind === "came" && line.human && <span class="tag">person</span>}
        {line.kind === "came" && <span class={`tag ${line.tier}`}>{line.verified ? "verified" : line.tier}</span>}
        {line.expectsReply && <span class="tag question">asks for a reply</span>}
        <time dateTime={new Date(line.at).toISOString()}>{when(line.at)}</time>
        <StateWord line={line} />
      </p>
      {answers !== undefined && (
        <p class="answers">
          To: <bdi>{visible(answers.slice(0, ANSWERED))}</bdi>
        </p>
      )}
      <Body line={line} agent={agent} with={name} />
      {line.hint !== undefined && <p class="meta">{line.hint}</p>}
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
    <span class={`state ${word}`} title={meaningOf(line.kind, word)}>
      {word === "unhandled" ? "not handled yet" : word}
      {far}
      {reason !== undefined && reason !== state && `: ${visible(reason)}`}
    </span>
  );
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
      pages.unshift(lines.map((line) => `${JSON.stringify(line, asExported)}\n`).join(""));
      before = first.id;
    }
    download(new Blob(pages, { type: "application/jsonl" }), `${agent}-${name.replace("@", "")}.jsonl`);
  });
}

/** Without what is of use to the page alone. */
function asExported(key: string, value: unknown): unknown {
  return key === "more" ? undefined : value;
}
