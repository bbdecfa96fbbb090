/** Conversations: with whom, and one of them. */
import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { LineView } from "../../back/port.ts";
import { Composer } from "../parts/composer.tsx";
import { exportConversation, MessageLine } from "../parts/message-line.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { useAsked } from "../parts/use-asked.ts";
import { useCapped } from "../parts/use-capped.tsx";
import { WindowList } from "../parts/window-list.tsx";
import { many, visible, when } from "../parts/words.ts";
import { Field } from "../parts/field.tsx";
import { followKeys, moveFocus } from "../keys.ts";
import { caughtUp, drawn, type Held, NOTHING, withChanged, withOlder } from "../conversation.ts";
import { attempt, back, go, hrefOf, route } from "../state.ts";

/** Conversations, by which one moves. */
const LINKS = ".conversations a";

export function Talk({ agent }: { agent: string }): JSX.Element {
  const { with: name } = route.value;
  return (
    <div class={`talk ${name === undefined ? "list" : "one"}`}>
      <Conversations agent={agent} current={name} />
      {name === undefined ? (
        <p class="empty wide">Choose a conversation, or write to somebody new.</p>
      ) : (
        <Conversation key={`${agent} ${name}`} agent={agent} with={name} />
      )}
    </div>
  );
}

function Conversations({ agent, current }: { agent: string; current: string | undefined }): JSX.Element {
  const { value: all, problem } = useAsked(`conversations ${agent}`, (from) => from.call("conversations", { agent }));
  const { shown, more } = useCapped(all);
  const typed = useSignal("");
  useEffect(() =>
    followKeys({
      next: () => moveFocus(LINKS, 1),
      previous: () => moveFocus(LINKS, -1),
      isFor: () => route.value.with === undefined,
    }),
  );
  return (
    <nav class="conversations" aria-label="Conversations">
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          if (typed.value.trim() !== "") go({ agent, view: "talk", with: typed.value.trim() });
          typed.value = "";
        }}
      >
        <Field label="Write to a name or @group" of={typed} placeholder="Name or @group" />
        <button type="submit" class="quiet">
          Write
        </button>
      </form>
      {problem !== undefined && <ProblemBox problem={problem} />}
      {all?.length === 0 && <p class="empty">Nobody was written to yet, and nobody has written.</p>}
      <ul>
        {shown.map((each) => (
          <li key={each.with}>
            <a
              href={hrefOf({ agent, view: "talk", with: each.with })}
              aria-current={each.with === current ? "page" : undefined}
            >
              <strong>
                <bdi>{visible(each.with)}</bdi>
              </strong>
              {each.stopped && <span class="tag stopped">key changed</span>}
              {each.verified && <span class="tag verified">verified</span>}
              <span class="meta">
                {each.messages === 0 ? "no messages" : `${many(each.messages, "message")}, ${when(each.at)}`}
              </span>
              {each.unread > 0 && <span class="count">{each.unread} unread</span>}
            </a>
          </li>
        ))}
      </ul>
      {more}
    </nav>
  );
}

function Conversation({ agent, with: name }: { agent: string; with: string }): JSX.Element {
  const held = useSignal<Held>(NOTHING);
  const isWhole = useRef(false);
  const isAsking = useRef(false);
  const current = useSignal<string | undefined>(undefined);
  const answers = useSignal<LineView | undefined>(undefined);
  const lines = useComputed(() => drawn(held.value));
  const { problem } = useAsked(`lines ${agent} ${name}`, async (from) => {
    const before = held.peek().messages;
    const ask = (first: string | undefined) =>
      from.call("lines", { agent, with: name, ...(first === undefined ? {} : { before: first }) });
    held.value = await caughtUp(() => held.peek(), ask);
    if (held.peek().messages[0]?.id !== before[0]?.id) isWhole.current = false;
    // What is not in the newest page may still have changed.
    const open = before.filter(({ state }) => !isFinal(state)).slice(-500);
    const ids = open.map(({ id }) => id);
    if (ids.length > 0) held.value = withChanged(held.peek(), await from.call("lines", { agent, with: name, ids }));
    return true;
  });
  /** @returns whether there was something */
  const older = async (): Promise<boolean> => {
    const [first] = held.peek().messages;
    const from = back.peek();
    if (isAsking.current || isWhole.current || first === undefined || from === undefined) return false;
    isAsking.current = true;
    const page = await attempt(() => from.call("lines", { agent, with: name, before: first.id }));
    isAsking.current = false;
    if (page === undefined) return false;
    isWhole.current = page.length === 0;
    held.value = withOlder(held.peek(), page);
    return !isWhole.current;
  };
  const { at: wanted } = route.value;
  const isReady = lines.value.length > 0;
  useEffect(() => {
    if (wanted === undefined || !isReady) return;
    void (async () => {
      const isThere = (): boolean => held.peek().messages.some(({ id }) => id === wanted);
      while (!isThere() && (await older()));
      if (isThere()) current.value = wanted;
    })();
  }, [wanted, isReady]);
  const move = (by: number): void => {
    const all = lines.peek();
    const at = current.peek() === undefined ? all.length : all.findIndex(({ id }) => id === current.peek());
    const next = all[Math.max(0, Math.min(all.length - 1, at + by))];
    current.value = next?.id;
  };
  const bodies = useComputed(
    () => new Map(held.value.messages.map(({ id, peerId, body, instead }) => [peerId ?? id, instead ?? body])),
  );
  const reply = (): void => {
    const all = lines.peek().filter(({ kind }) => kind === "came");
    answers.value = all.find(({ id }) => id === current.peek()) ?? all.at(-1);
    document.querySelector<HTMLElement>("#write")?.focus();
  };
  useEffect(() => followKeys({ next: () => move(1), previous: () => move(-1), reply, isFor: () => true }), [name]);
  return (
    <section class="conversation" aria-label={`Conversation with ${name}`}>
      <header class="row">
        <a class="back" href={hrefOf({ agent, view: "talk" })}>
          All conversations
        </a>
        <h2>
          <bdi>{visible(name)}</bdi>
        </h2>
        <button type="button" class="quiet" onClick={() => void exportConversation(agent, name)}>
          Export
        </button>
      </header>
      {problem !== undefined && <ProblemBox problem={problem} />}
      <WindowList
        items={lines.value}
        keyOf={({ id }) => id}
        label={`Messages with ${name}`}
        shown={current.value}
        onBeginning={() => void older()}
        row={(line) => (
          <MessageLine
            line={line}
            answers={line.replyTo === undefined ? undefined : bodies.value.get(line.replyTo)}
            agent={agent}
            with={name}
            isCurrent={line.id === current.value}
            onReply={(to) => (answers.value = to)}
          />
        )}
      />
      <Composer
        agent={agent}
        to={name}
        answers={answers.value}
        onDone={(sent) => {
          answers.value = undefined;
          // Wherever one has scrolled to, what was sent is seen.
          if (sent !== undefined && sent !== "") current.value = sent;
        }}
      />
    </section>
  );
}

function isFinal(state: string): boolean {
  return !["queued", "stored", "received", "unhandled"].includes(state);
}
