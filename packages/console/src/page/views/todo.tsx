/** What waits for a person: one list, the most urgent kinds first. */
import type { ComponentChildren, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ContactView, LineView, TodoView } from "../../back/port.ts";
import type { Given } from "../../back/methods.ts";
import { followKeys } from "../keys.ts";
import { ActButton } from "../parts/act-button.tsx";
import { Fingerprint } from "../parts/fingerprint.tsx";
import { FileLabel } from "../parts/message-line.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { Text } from "../parts/text.tsx";
import { useAsked } from "../parts/use-asked.ts";
import { many, visible, when } from "../parts/words.ts";
import { Field, Fields } from "../parts/field.tsx";
import { back, hrefOf } from "../state.ts";

export function Todo({ agent }: { agent: string }): JSX.Element {
  const { value: todo, problem } = useAsked(`todo ${agent}`, (from) => from.call("todo", { agent }));
  useEffect(() => followKeys({ next: () => step(1), previous: () => step(-1), isFor: () => true }), []);
  if (problem !== undefined) return <ProblemBox problem={problem} />;
  if (todo === undefined) return <p class="empty">Looking</p>;
  return (
    <div class="page">
      <h2>To do</h2>
      {isEmpty(todo) && <p class="empty">Nothing waits for you.</p>}
      <Changed agent={agent} all={todo.changed} />
      <Requests agent={agent} todo={todo} />
      <Questions agent={agent} all={todo.questions} />
      <Dead agent={agent} all={todo.dead} />
      <Outbox agent={agent} all={todo.outbox} />
    </div>
  );
}

/** From one thing to the next by its first button. */
function step(by: number): void {
  const items = [...document.querySelectorAll<HTMLElement>(".item")];
  const at = items.findIndex((item) => item.contains(document.activeElement));
  items[at === -1 ? 0 : Math.max(0, Math.min(items.length - 1, at + by))]
    ?.querySelector<HTMLElement>("button, a")
    ?.focus();
}

function isEmpty(todo: TodoView): boolean {
  return Object.values(todo).every((list: readonly unknown[]) => list.length === 0);
}

function Section({
  title,
  count,
  children,
}: {
  title: string;
  count: number;
  children: ComponentChildren;
}): JSX.Element | null {
  if (count === 0) return null;
  return (
    <section aria-label={title}>
      <h3>
        {title} <span class="count">{count}</span>
      </h3>
      {children}
    </section>
  );
}

function Changed({ agent, all }: { agent: string; all: ContactView[] }): JSX.Element {
  return (
    <Section title="Changed keys" count={all.length}>
      {all.map((contact) => (
        <article class="item" key={contact.name}>
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

function Requests({ agent, todo }: { agent: string; todo: TodoView }): JSX.Element {
  const { requests, guarded, invitations, pairings } = todo;
  const decide = (name: string, as: Given<"decide">["as"]) => async () =>
    back.value?.call("decide", { agent, name, as });
  return (
    <Section title="Requests" count={requests.length + guarded.length + invitations.length + pairings.length}>
      {requests.map(({ name, messages, at, fingerprint }) => (
        <article class="item" key={`request ${name}`}>
          <p>
            <strong>{visible(name)}</strong> wants to talk to {agent}: {many(messages, "message")}, the last {when(at)}.
          </p>
          <Fingerprint of={fingerprint} />
          <Shown agent={agent} name={name} />
          <div class="row">
            <ActButton label={`Accept ${name}`} act={decide(name, "accept")}>
              Accept
            </ActButton>
            <ActButton quiet label={`Refuse ${name}`} act={decide(name, "refuse")}>
              Refuse
            </ActButton>
            <ActButton quiet label={`Block ${name}`} sure={`Block ${name}?`} act={decide(name, "block")}>
              Block
            </ActButton>
          </div>
        </article>
      ))}
      {guarded.map(({ name, messages, at }) => (
        <article class="item" key={`guard ${name}`}>
          <p>
            More has come of <strong>{visible(name)}</strong> than its guard lets through:{" "}
            {many(messages, "message waits", "messages wait")}, the last {when(at)}.
          </p>
          <div class="row">
            <ActButton act={decide(name, "release")}>Let them in</ActButton>
            <ActButton quiet sure={`Block ${name}?`} act={decide(name, "block")}>
              Block
            </ActButton>
          </div>
        </article>
      ))}
      {invitations.map(({ name, inviter = "somebody", members, about }) => (
        <article class="item" key={`group ${name}`}>
          <p>
            <strong>{visible(inviter)}</strong> has added {agent} to <strong>@{visible(name)}</strong>,{" "}
            {many(members.length, "member")}.
          </p>
          {about !== "" && <Text text={about} />}
          <div class="row">
            <ActButton act={async () => back.value?.call("group", { agent, group: name, as: "accept" })}>
              Join
            </ActButton>
            <ActButton quiet act={async () => back.value?.call("group", { agent, group: name, as: "refuse" })}>
              Decline
            </ActButton>
          </div>
        </article>
      ))}
      {pairings.map(({ id, by }) => (
        <article class="item" key={`pairing ${id}`}>
          <p>
            <strong>{visible(by.name)}</strong> has used your pairing line. Is this the agent that you gave it to?
          </p>
          <Fingerprint of={by.fingerprint} />
          <div class="row">
            <ActButton act={async () => back.value?.call("pairing", { agent, id, as: "accept" })}>Yes, pair</ActButton>
            <ActButton quiet act={async () => back.value?.call("pairing", { agent, id, as: "refuse" })}>
              No
            </ActButton>
          </div>
        </article>
      ))}
    </Section>
  );
}

/** What a stranger has written, shown when it is asked for. */
function Shown({ agent, name }: { agent: string; name: string }): JSX.Element {
  const lines = useSignal<LineView[] | undefined>(undefined);
  if (lines.value === undefined)
    return (
      <ActButton quiet act={async () => (lines.value = await back.value?.call("shown", { agent, name }))}>
        Show what {name} has written
      </ActButton>
    );
  return (
    <ul class="shown">
      {lines.value.map((line) => (
        <li key={line.id}>
          {line.instead === undefined ? <Text text={line.body} /> : <p class="instead">{line.instead}</p>}
        </li>
      ))}
    </ul>
  );
}

function Questions({ agent, all }: { agent: string; all: LineView[] }): JSX.Element {
  return (
    <Section title="Questions" count={all.length}>
      {all.map((line) => (
        <article class="item" key={line.id}>
          <p class="meta">
            <strong>{visible(line.from)}</strong> asks, {when(line.at)}
          </p>
          <Text text={line.body} />
          <Answer agent={agent} line={line} />
        </article>
      ))}
    </Section>
  );
}

function Answer({ agent, line }: { agent: string; line: LineView }): JSX.Element {
  const text = useSignal("");
  return (
    <Fields>
      <Field label={`Reply to ${line.from}`} of={text} dir="auto" />
      <ActButton
        label={`Send the reply to ${line.from}`}
        act={async () => {
          if (text.value === "") return;
          await back.value?.call("reply", { agent, id: line.id, body: text.value });
          text.value = "";
        }}
      >
        Reply
      </ActButton>
      <ActButton
        quiet
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
          <p class="meta">
            <strong>{visible(line.from)}</strong>, given up {when(line.at)}: {visible(line.reason ?? "")}
          </p>
          {line.instead === undefined ? <Text text={line.body} /> : <p class="instead">{line.instead}</p>}
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

function Outbox({ agent, all }: { agent: string; all: TodoView["outbox"] }): JSX.Element {
  const waiting = all.filter(({ state }) => state === "queued");
  const away = all.length - waiting.length;
  return (
    <Section title="Outbox" count={all.length}>
      {away > 0 && (
        <p>
          {many(away, "message has", "messages have")} left, and {away === 1 ? "is" : "are"} not handled yet.
        </p>
      )}
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
            <ActButton act={async () => back.value?.call("outbox", { agent, id, as: "retry" })}>
              Try again now
            </ActButton>
            <ActButton
              quiet
              sure="Give it up?"
              act={async () => back.value?.call("outbox", { agent, id, as: "discard" })}
            >
              Give up
            </ActButton>
          </div>
        </article>
      ))}
    </Section>
  );
}
