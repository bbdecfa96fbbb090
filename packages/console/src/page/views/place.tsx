/** Agents that live in this browser: made, backed up and brought back here. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { ActButton } from "../parts/act-button.tsx";
import { download } from "../parts/files.tsx";
import { Field, Fields } from "../parts/field.tsx";
import { agent, go, place, refreshAgents } from "../state.ts";

export function Place(): JSX.Element | null {
  const here = place.value;
  if (here === undefined) return null;
  return (
    <div class="page">
      <h2>Agents in this browser</h2>
      <p>
        Keys are made and kept here, by this browser, for the pages of {location.host}. Whoever serves them could serve
        a page that reads them: use one of somebody whom you trust with that.
        {/^(localhost|127\.|\[::1\])/.test(location.hostname) &&
          " That is also any program of this machine which has this port when what serves the page now does not run."}
      </p>
      {here.relay !== undefined && (
        <p>
          Their relay is <code>{here.relay}</code>. It has to know this page: it is started with{" "}
          <code>--origin {location.origin}</code>.
        </p>
      )}
      {here.isKept === false && (
        <p class="problem" role="alert">
          This browser has not promised to keep what pages store: when its disk gets full, or its data is cleared, the
          agent is gone. Keep a backup.
        </p>
      )}
      <Register />
      {agent.value !== undefined && <Backup key={agent.value.name} agent={agent.value.name} />}
      <Restore />
      {agent.value !== undefined && <Removal agent={agent.value.name} />}
    </div>
  );
}

function Register(): JSX.Element {
  const [name, invite] = [useSignal(""), useSignal("")];
  const register = async (): Promise<void> => {
    const here = place.value;
    if (here === undefined) return;
    const isKept = await here.register(name.value.trim(), invite.value.trim() === "" ? undefined : invite.value.trim());
    place.value = { ...here, isKept };
    await refreshAgents();
    go({ agent: name.value.trim().toLowerCase(), view: "place" });
    name.value = invite.value = "";
  };
  return (
    <section aria-label="A new agent">
      <h3>A new agent</h3>
      <Fields>
        <Field label="Name of the new agent" of={name} placeholder="Name" />
        <Field label="Invite, if the relay asks for one" of={invite} placeholder="Invite, if there is one" />
        <ActButton act={register}>Register</ActButton>
      </Fields>
    </section>
  );
}

function Backup({ agent }: { agent: string }): JSX.Element {
  const [passphrase, again, said] = [useSignal(""), useSignal(""), useSignal("")];
  const make = async (): Promise<void> => {
    if (passphrase.value !== again.value) throw new Error("the two passphrases are not the same");
    const sealed = await place.value?.backup(agent, passphrase.value);
    if (sealed !== undefined) download(new Blob([sealed], { type: "application/json" }), `${agent}.aimessage-backup`);
    passphrase.value = again.value = "";
    said.value = "The backup was given to the browser. Keep it where this browser's data is not.";
  };
  return (
    <section aria-label={`Backup of ${agent}`}>
      <h3>A backup of {agent}</h3>
      <p>
        Identity and contacts, sealed with a passphrase that nobody can recover. It opens here, and by aimessage
        restore.
      </p>
      <Fields>
        <Field
          label="Passphrase of the backup"
          of={passphrase}
          placeholder="A long passphrase"
          type="password"
          autocomplete="new-password"
        />
        <Field
          label="The same passphrase again"
          of={again}
          placeholder="The same again"
          type="password"
          autocomplete="new-password"
        />
        <ActButton act={make}>Download a backup</ActButton>
      </Fields>
      <p role="status">{said.value}</p>
    </section>
  );
}

function Restore(): JSX.Element {
  const passphrase = useSignal("");
  const file = useSignal<File | undefined>(undefined);
  const restore = async (): Promise<void> => {
    if (file.value === undefined) return;
    const here = place.value;
    if (here === undefined) return;
    const { name, isKept } = await here.restore(await file.value.text(), passphrase.value);
    place.value = { ...here, isKept };
    passphrase.value = "";
    await refreshAgents();
    go({ agent: name, view: "talk" });
  };
  return (
    <section aria-label="An agent of a backup">
      <h3>Bring one back</h3>
      <p>The device that it had before stops.</p>
      <Fields>
        <input
          type="file"
          aria-label="File of a backup"
          onChange={(event) => (file.value = event.currentTarget.files?.[0])}
        />
        <Field
          label="Passphrase that the backup was made with"
          of={passphrase}
          placeholder="Its passphrase"
          type="password"
          autocomplete="current-password"
        />
        <ActButton act={restore}>Restore</ActButton>
      </Fields>
    </section>
  );
}

function Removal({ agent: name }: { agent: string }): JSX.Element {
  const remove = async (): Promise<void> => {
    await place.value?.remove(name);
    await refreshAgents();
    go({ agent: "", view: "place" });
  };
  return (
    <section aria-label={`Removal of ${name}`}>
      <h3>Remove {name}</h3>
      <p>At its relay, and all that it has in this browser. What others have sent and nobody has handled fails.</p>
      <div class="row">
        <ActButton quiet sure={`Remove ${name} for good?`} act={remove}>
          Remove {name}
        </ActButton>
      </div>
    </section>
  );
}
