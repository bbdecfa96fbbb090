/** What waits for a person: one list, the most urgent kinds first. */
import type { JSX } from "preact";
import { type Signal, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ContactView, LineView, TodoView } from "../../back/port.ts";
import { followKeys } from "../keys.ts";
import { ActButton } from "../parts/act-button.tsx";
import { Body } from "../parts/body.tsx";
import { Fingerprint } from "../parts/fingerprint.tsx";
import { FileLabel } from "../parts/files.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { Section } from "../parts/section.tsx";
import { useAsked } from "../parts/use-asked.ts";
import { many, visible, when } from "../parts/words.ts";
import { Field, Fields } from "../parts/field.tsx";
import { back, hrefOf } from "../state.ts";
import { Requests } from "./requests.tsx";

export function Todo({ agent }: { agent: string }): JSX.Element {
  const { value: todo, problem } = useAsked(`todo ${agent}`, (from) => from.call("todo", { agent }));
  useEffect(() => followKeys({ next: () => step(1), previous: () => step(-1), reply, isFor: () => true }), []);
  // Where the last one was that had the focus: when it is done and gone, the one behind it has it.
  const place = useRef(-1);
  useEffect(() => {
    if (place.current >= 0 && document.activeElement === document.body) focusOn(place.current);
  });
  if (todo === undefined && problem !== undefined) return <ProblemBox problem={problem} />;
  if (todo === undefined) return <p class="empty">Looking</p>;
  return (
    <div
      class="page"
      onFocusIn={() => (place.current = placeOfFocus())}
      onFocusOut={({ relatedTarget, currentTarget }) => {
        // It is left for something else, and not because it has gone.
        if (relatedTarget instanceof Node && !currentTarget.contains(relatedTarget)) place.current = -1;
      }}
    >
      <h2>To do</h2>
      {problem !== undefined && <ProblemBox problem={problem} />}
      {isEmpty(todo) && <p class="empty">Nothing waits for you.</p>}
      <Changed agent={agent} all={todo.changed} />
      <Requests agent={agent} todo={todo} />
      <Questions agent={agent} all={todo.questions} />
      <Dead agent={agent} all={todo.dead} />
      <Outbox agent={agent} waiting={todo.outbox} away={todo.away} />
    </div>
  );
}

const ITEMS = ".item";

function items(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>(ITEMS)];
}

function placeOfFocus(): number {
  return items().findIndex((item) => item.contains(document.activeElement));
}

/** On one thing, or the last one, by its first button. */
function focusOn(place: number): void {
  const all = items();
  all[Math.max(0, Math.min(all.length - 1, place))]?.querySelector<HTMLElement>("button, a")?.focus();
}

function step(by: number): void {
  const at = placeOfFocus();
  focusOn(at === -1 ? 0 : at + by);
}

/** To the question that one is at, or the first. */
function reply(): void {
  const at = document.activeElement?.closest(ITEMS)?.querySelector("input");
  (at ?? document.querySelector<HTMLElement>(`${ITEMS} input`))?.focus();
}

function isEmpty(todo: TodoView): boolean {
  return todo.away === 0 && Object.values(todo).every((list: unknown) => !Array.isArray(list) || list.length === 0);
}

function Changed({ agent, all }: { agent: string; all: ContactView[] }): JSX.Element {
  return (
    <Section title="Changed keys" count={all.length}>
      {all.map((contact) => (
        <article class="item" key={`${contact.name} ${contact.newFingerprint ?? ""}`}>
          <p>
            <strong>{visible(contact.name)}</strong>{" "}
            {contact.stopped === "identity_changed"
              ? "shows another identity key. Nothing is sent to it until you decide: ask its owner, over another channel, which fingerprint is right."
              : "is shown with an older device. Nothing is sent to that until you decide."}
          </p>
          <dl>
            <dt>Known until now</dt>
            <dd>
              <Fingerprint of={contact.fingerprint} />
            </dd>
            {contact.newFingerprint !== undefined && (
              <>
                <dt>Shown now</dt>
                <dd>
                  <Fingerprint of={contact.newFingerprint} />
                </dd>
              </>
            )}
          </dl>
          <div class="row">
            <ActButton
              sure={`Is it certain that this is ${contact.name}?`}
              act={async () =>
                back.value?.call("contact", {
                  agent,
                  name: contact.name,
                  as: "trust",
                  ...(contact.newFingerprint === undefined
                    ? {}
                    : { fingerprint: contact.newFingerprint.replaceAll(" ", "") }),
                })
              }
            >
              Trust what is shown now
            </ActButton>
            <ActButton quiet act={async () => back.value?.call("contact", { agent, name: contact.name, as: "block" })}>
              Block
            </ActButton>
          </div>
        </article>
      ))}
    </Section>
  );
}

function Questions({ agent, all }: { agent: string; all: LineView[] }): JSX.Element {
  return (
    <Section title="Questions" count={all.length}>
      {all.map((line) => (
        <article class="item" key={line.id}>
          <p>
            <strong>{visible(line.from)}</strong> asks, {when(line.at)}:
          </p>
          <Body line={line} agent={agent} />
          <Answer agent={agent} line={line} />
        </article>
      ))}
    </Section>
  );
}

/** What was begun and not sent, by agent and question. */
const drafts = new Map<string, Signal<string>>();

function draftOf(key: string): Signal<string> {
  const draft = drafts.get(key) ?? signal("");
  drafts.set(key, draft);
  return draft;
}

function Answer({ agent, line }: { agent: string; line: LineView }): JSX.Element {
  const key = `${agent} ${line.id}`;
  const text = draftOf(key);
  return (
    <Fields>
      <Field label={`Reply to ${line.from}`} of={text} dir="auto" />
      <ActButton
        label={`Send the reply to ${line.from}`}
        act={async () => {
          if (text.value === "") return;
          await back.value?.call("reply", { agent, id: line.id, body: text.value });
          drafts.delete(key);
        }}
      >
        Reply
      </ActButton>
      <ActButton
        quiet
        label={`Decline the question of ${line.from}`}
        sure="End it without a reply?"
        act={async () =>
          back.value?.call("settle", { agent, id: line.id, as: "failed", reason: "the owner does not answer" })
        }
      >
        Decline
      </ActButton>
    </Fields>
  );
}

function Dead({ agent, all }: { agent: string; all: LineView[] }): JSX.Element {
  return (
    <Section title="Dead letters" count={all.length}>
      {all.map((line) => (
        <article class="item" key={line.id}>
          <p>
            <strong>{visible(line.from)}</strong>, given up {when(line.at)}: {visible(line.reason ?? "")}
          </p>
          <Body line={line} agent={agent} />
          <div class="row">
            <ActButton
              label={`Redeliver the message of ${line.from}`}
              act={async () => back.value?.call("dead", { agent, id: line.id, as: "redeliver" })}
            >
              Redeliver
            </ActButton>
            <ActButton
              quiet
              label={`Discard the message of ${line.from}`}
              sure="Delete its text for good?"
              act={async () => back.value?.call("dead", { agent, id: line.id, as: "discard" })}
            >
              Discard
            </ActButton>
          </div>
        </article>
      ))}
    </Section>
  );
}

interface OutboxProps {
  agent: string;
  waiting: TodoView["outbox"];
  away: number;
}

function Outbox({ agent, waiting, away }: OutboxProps): JSX.Element {
  return (
    <>
      <Section title="Outbox" count={waiting.length}>
        {waiting.map(({ id, to, at, reason, files }) => (
          <article class="item" key={id}>
            <p>
              To{" "}
              <a href={hrefOf({ agent, view: "talk", with: to })}>
                <bdi>{visible(to)}</bdi>
              </a>
              , waits here since {when(at)}
              {reason === undefined ? "" : `: ${reason}`}
            </p>
            {files.map((file, index) => (
              <p key={index}>
                <FileLabel file={file} />
              </p>
            ))}
            <div class="row">
              <ActButton
                label={`Try again now: to ${to}`}
                act={async () => back.value?.call("outbox", { agent, id, as: "retry" })}
              >
                Try again now
              </ActButton>
              <ActButton
                quiet
                label={`Give up: to ${to}`}
                sure="Give it up?"
                act={async () => back.value?.call("outbox", { agent, id, as: "discard" })}
              >
                Give up
              </ActButton>
            </div>
          </article>
        ))}
      </Section>
      {away > 0 && (
        <p>
          {many(away, "message has", "messages have")} left, and {away === 1 ? "is" : "are"} not handled yet: nothing to
          do but wait.
        </p>
      )}
    </>
  );
}
