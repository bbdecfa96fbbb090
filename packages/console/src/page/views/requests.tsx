/** The part of To do that is about who may talk to an agent. */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import type { Given } from "../../back/methods.ts";
import type { LineView, TodoView } from "../../back/port.ts";
import { ActButton } from "../parts/act-button.tsx";
import { Body } from "../parts/body.tsx";
import { Fingerprint } from "../parts/fingerprint.tsx";
import { Invitation } from "../parts/invitation.tsx";
import { Section } from "../parts/section.tsx";
import { Text } from "../parts/text.tsx";
import { useCapped } from "../parts/use-capped.tsx";
import { many, visible, when } from "../parts/words.ts";
import { back } from "../state.ts";

/** Who wants to talk to an agent, or has it in a group, and more than its guards let through. */
export function Requests({ agent, todo }: { agent: string; todo: TodoView }): JSX.Element {
  const { requests, guarded, invitations, pairings } = todo;
  const decide = (name: string, as: Given<"decide">["as"]) => async () =>
    back.value?.call("decide", { agent, name, as });
  const block = (name: string): JSX.Element => (
    <ActButton quiet label={`Block ${name}`} sure={`Block ${name}?`} act={decide(name, "block")}>
      Block
    </ActButton>
  );
  const { shown, more } = useCapped(requests);
  return (
    <Section title="Requests" count={requests.length + guarded.length + invitations.length + pairings.length}>
      {shown.map(({ name, messages, at, fingerprint }) => (
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
            {block(name)}
          </div>
        </article>
      ))}
      {more}
      {guarded.map(({ name, messages, at }) => (
        <article class="item" key={`guard ${name}`}>
          <p>
            More has come of <strong>{visible(name)}</strong> than its guard lets through:{" "}
            {many(messages, "message waits", "messages wait")}, the last {when(at)}.
          </p>
          <div class="row">
            <ActButton label={`Let in what waits of ${name}`} act={decide(name, "release")}>
              Let them in
            </ActButton>
            {block(name)}
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
            <Invitation agent={agent} group={name} />
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
            <ActButton
              label={`Yes, pair with ${by.name}`}
              act={async () => back.value?.call("pairing", { agent, id, as: "accept" })}
            >
              Yes, pair
            </ActButton>
            <ActButton
              quiet
              label={`Do not pair with ${by.name}`}
              act={async () => back.value?.call("pairing", { agent, id, as: "refuse" })}
            >
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
  const wholeOf = async (id: string): Promise<string | undefined> => {
    const all = await back.value?.call("shown", { agent, name, whole: true });
    return all?.find((line) => line.id === id)?.body;
  };
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
          <Body line={line} agent={agent} readWhole={() => wholeOf(line.id)} />
        </li>
      ))}
    </ul>
  );
}
