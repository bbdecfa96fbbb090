/** Groups, who is in them, and what their admins may change. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Given } from "../../back/methods.ts";
import type { GroupView } from "../../back/port.ts";
import { ActButton } from "../parts/act-button.tsx";
import { Invitation } from "../parts/invitation.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { Text } from "../parts/text.tsx";
import { useAsked } from "../parts/use-asked.ts";
import { many, visible } from "../parts/words.ts";
import { Field, Fields } from "../parts/field.tsx";
import { back, hrefOf } from "../state.ts";

export function Groups({ agent }: { agent: string }): JSX.Element {
  const { value: groups, problem } = useAsked(`groups ${agent}`, (from) => from.call("groups", { agent }));
  return (
    <div class="page">
      <h2>Groups</h2>
      {problem !== undefined && <ProblemBox problem={problem} />}
      <Founding agent={agent} />
      {groups?.length === 0 && <p class="empty">{agent} is in no group.</p>}
      {groups?.map((group) => (
        <One key={group.name} agent={agent} group={group} />
      ))}
    </div>
  );
}

function namesIn(text: string): string[] {
  return text.split(/[\s,]+/).filter((name) => name !== "");
}

function Founding({ agent }: { agent: string }): JSX.Element {
  const [name, members] = [useSignal(""), useSignal("")];
  const found = async (): Promise<void> => {
    const group = name.value.replace(/^@/, "");
    await back.value?.call("group", { agent, group, as: "create", names: namesIn(members.value) });
    name.value = members.value = "";
  };
  return (
    <Fields label="Found a group">
      <Field label="Name of a new group" of={name} placeholder="Name" />
      <Field label="Members of a new group" of={members} placeholder="Members: bob, carol" />
      <ActButton act={found}>Found a group</ActButton>
    </Fields>
  );
}

function One({ agent, group }: { agent: string; group: GroupView }): JSX.Element {
  const { name, about, members, isAdmin, isLapsed, state, inviter = "somebody" } = group;
  const added = useSignal("");
  const change = (as: Given<"group">["as"], names?: string[]) => async () =>
    back.value?.call("group", { agent, group: name, as, ...(names === undefined ? {} : { names }) });
  return (
    <section class="item" aria-label={`@${name}`}>
      <h3>
        <a href={hrefOf({ agent, view: "talk", with: `@${name}` })}>@{visible(name)}</a>
      </h3>
      {about !== "" && <Text text={about} />}
      <p>
        {state === "active"
          ? many(members.length, "member")
          : state === "invited"
            ? `${inviter} has added ${agent}: ${many(members.length, "member")}`
            : "is being founded"}
        {isLapsed && ", which this agent cannot follow until a member takes it in again"}
      </p>
      {state === "active" && <Members agent={agent} group={group} change={change} />}
      <div class="row">
        {isAdmin && state === "active" && (
          <Fields>
            <Field label={`Who is added to @${name}`} of={added} placeholder="Names" />
            <ActButton
              label={`Add to @${name}`}
              act={async () => {
                await change("add", namesIn(added.value))();
                added.value = "";
              }}
            >
              Add
            </ActButton>
          </Fields>
        )}
        {state === "invited" && <Invitation agent={agent} group={name} />}
        {state === "active" && (
          <ActButton quiet label={`Leave @${name}`} sure={`Leave @${name}?`} act={change("leave")}>
            Leave
          </ActButton>
        )}
      </div>
    </section>
  );
}

interface MembersProps {
  agent: string;
  group: GroupView;
  change: (as: Given<"group">["as"], names: string[]) => () => Promise<unknown>;
}

function Members({ agent, group: { name, isAdmin }, change }: MembersProps): JSX.Element {
  const { value: members } = useAsked(`members ${agent} ${name}`, (from) =>
    from.call("members", { agent, group: name }),
  );
  return (
    <ul class="members" aria-label={`Members of @${name}`}>
      {members?.map((member) => (
        <li key={member.name} class="row">
          <bdi>{visible(member.name)}</bdi>
          {member.isSelf && <span class="tag">you</span>}
          {member.isAdmin && <span class="tag">admin</span>}
          {!member.isSelf && <span class={`tag ${member.tier}`}>{member.verified ? "verified" : member.tier}</span>}
          {member.isChanged && <span class="tag stopped">another key than you know</span>}
          {isAdmin && !member.isSelf && (
            <>
              <ActButton
                quiet
                label={`${member.isAdmin ? "Make no admin" : "Make admin"}: ${member.name}`}
                act={change(member.isAdmin ? "demote" : "promote", [member.name])}
              >
                {member.isAdmin ? "Make no admin" : "Make admin"}
              </ActButton>
              <ActButton
                quiet
                label={`Remove ${member.name}`}
                sure={`Remove ${member.name}?`}
                act={change("remove", [member.name])}
              >
                Remove
              </ActButton>
            </>
          )}
        </li>
      ))}
    </ul>
  );
}
