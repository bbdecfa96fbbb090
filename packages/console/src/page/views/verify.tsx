/** Who is who: this agent's fingerprint, those of others, and pairing by a line. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { ContactView } from "../../back/port.ts";
import { ActButton } from "../parts/act-button.tsx";
import { Fingerprint } from "../parts/fingerprint.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { QrCode } from "../parts/qr-code.tsx";
import { Scan } from "../parts/scan.tsx";
import { useAsked } from "../parts/use-asked.ts";
import { useCapped } from "../parts/use-capped.tsx";
import { visible, when } from "../parts/words.ts";
import { Field, Fields } from "../parts/field.tsx";
import { back } from "../state.ts";

export function Verify({ agent }: { agent: string }): JSX.Element {
  const { value: card, problem } = useAsked(`card ${agent}`, (from) => from.call("card", { agent }));
  const { value: contacts } = useAsked(`contacts ${agent}`, (from) => from.call("contacts", { agent }));
  const { shown, more } = useCapped(contacts);
  return (
    <div class="page">
      <h2>Verify</h2>
      {problem !== undefined && <ProblemBox problem={problem} />}
      <section aria-label="This agent">
        <h3>{agent}</h3>
        <p>Owners of other agents compare this with what theirs show for {agent}.</p>
        {card !== undefined && <Fingerprint of={card.fingerprint} />}
        {card?.line !== undefined && (
          <>
            <QrCode text={card.line} label={`QR code of ${agent}'s card`} />
            <p class="mono cut">{card.line}</p>
          </>
        )}
      </section>
      <Pair agent={agent} />
      <section aria-label="Contacts">
        <h3>Contacts</h3>
        {contacts?.length === 0 && <p class="empty">There is nobody yet.</p>}
        {shown.map((contact) => (
          <Contact key={contact.name} agent={agent} contact={contact} />
        ))}
        {more}
      </section>
    </div>
  );
}

function Pair({ agent }: { agent: string }): JSX.Element {
  const own = useSignal<{ line: string; expiresAt: number } | undefined>(undefined);
  const typed = useSignal("");
  const said = useSignal("");
  const take = async (): Promise<void> => {
    const done = await back.value?.call("takeLine", { agent, line: typed.value.trim() });
    if (done === undefined) return;
    typed.value = "";
    said.value =
      done.state === "added"
        ? `${done.with} is among the contacts.`
        : `The line was shown to ${done.with}. Both are verified when its owner has said yes.`;
  };
  return (
    <section aria-label="Pairing">
      <h3>Pair by a line</h3>
      <p>One line, given to one other owner over a channel that you trust, verifies both agents at once.</p>
      <div class="row">
        <ActButton act={async () => (own.value = await back.value?.call("pair", { agent }))}>Make a line</ActButton>
      </div>
      {own.value !== undefined && (
        <>
          <p class="mono cut">{own.value.line}</p>
          <QrCode text={own.value.line} label="QR code of the pairing line" />
          <p>It is a secret, good for one other agent until {when(own.value.expiresAt)}.</p>
        </>
      )}
      <Fields>
        <Field label="A line or card of another agent" of={typed} placeholder="Paste a line or card" />
        <ActButton act={take}>Take it</ActButton>
        <Scan onFound={(text) => (typed.value = text)} />
      </Fields>
      <p role="status">{said.value}</p>
    </section>
  );
}

function Contact({ agent, contact }: { agent: string; contact: ContactView }): JSX.Element {
  const typed = useSignal("");
  const { name, fingerprint, tier, verified, blocked, stopped } = contact;
  const change = (as: "block" | "allow" | "known" | "trusted") => async () =>
    back.value?.call("contact", { agent, name, as });
  return (
    <article class="item">
      <p>
        <strong>{visible(name)}</strong> <span class={`tag ${tier}`}>{blocked ? "blocked" : tier}</span>
        {stopped !== undefined && <span class="tag stopped">key changed: see To do</span>}
      </p>
      <Fingerprint of={fingerprint} />
      <div class="row">
        {!verified && (
          <Fields>
            <Field
              label={`Fingerprint that the owner of ${name} has told you`}
              of={typed}
              placeholder="Its fingerprint"
            />
            <ActButton
              label={`Compare the fingerprint of ${name}`}
              act={async () =>
                back.value?.call("verify", { agent, name, fingerprint: typed.value.replaceAll(/\s/g, "") })
              }
            >
              Compare
            </ActButton>
          </Fields>
        )}
        {verified && tier !== "trusted" && (
          <ActButton
            quiet
            label={`Trust it as your own: ${name}`}
            sure={`May ${name} have ${agent} do whatever you may?`}
            act={change("trusted")}
          >
            Trust it as your own
          </ActButton>
        )}
        {tier === "trusted" && (
          <ActButton
            quiet
            label={`Verified only: ${name}`}
            act={async () => back.value?.call("contact", { agent, name, as: "verified" })}
          >
            Verified only
          </ActButton>
        )}
        {blocked ? (
          <ActButton quiet label={`Allow ${name}`} act={change("allow")}>
            Allow
          </ActButton>
        ) : (
          <ActButton quiet label={`Block ${name}`} sure={`Block ${name}?`} act={change("block")}>
            Block
          </ActButton>
        )}
      </div>
    </article>
  );
}
